import subprocess

from sampan.kernel import inode_flags


def test_a_directory_is_told_to_spread(tmp_path):
    subprocess.run(["truncate", "-s", "16M", tmp_path / "image"], check=True)
    subprocess.run(["mkfs.ext4", "-q", tmp_path / "image"], check=True)
    where = tmp_path / "mounted"
    where.mkdir()
    subprocess.run(["mount", "-o", "loop", tmp_path / "image", where], check=True)
    try:
        (where / "top").mkdir()
        inode_flags.spread(str(where / "top"))
        told = subprocess.run(["lsattr", "-d", where / "top"], capture_output=True, text=True, check=True).stdout
        assert "T" in told.split()[0]
    finally:
        subprocess.run(["umount", where], check=True)


def test_other_file_systems_do_as_they_like(tmp_path):
    subprocess.run(["mount", "-t", "ramfs", "none", tmp_path], check=True)
    try:
        inode_flags.spread(str(tmp_path))
    finally:
        subprocess.run(["umount", tmp_path], check=True)
