/* Tell, line by line, what a process may do where it runs: "KIND NAME VALUE". It changes nothing that lasts. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define LENGTH(list) (sizeof list / sizeof *list)

static void status(void) {
    char line[4096], name[64], value[4000];
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "%63[^:]: %3999[^\n]", name, value) == 2)
            printf("status %s %s\n", name, value);
    if (file) fclose(file);
    mode_t mask = umask(0);
    umask(mask);
    printf("value umask %04o\n", mask);
    printf("value securebits %d\n", prctl(PR_GET_SECUREBITS));
    printf("value parent_death %d\n", ({ int number = 0; prctl(PR_GET_PDEATHSIG, &number); number; }));
}

static void descriptors(void) {
    DIR *directory = opendir("/proc/self/fd");
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        int number = atoi(entry->d_name);
        if (entry->d_name[0] != '.' && number > 2 && number != dirfd(directory)) {
            char target[4096] = "";
            if (readlinkat(dirfd(directory), entry->d_name, target, sizeof target - 1) < 0) continue;
            printf("descriptor %d %s\n", number, target);
        }
    }
    if (directory) closedir(directory);
}

/* Calls that a container has no business with, with arguments that make each fail where it is let through. */
static void calls(void) {
    static const struct { const char *name; long number, one, two, three; } list[] = {
        {"acct", SYS_acct, 1}, {"add_key", SYS_add_key}, {"bpf", SYS_bpf, 999}, {"clock_settime", SYS_clock_settime},
        {"clone3", 435}, {"delete_module", SYS_delete_module}, {"fanotify_init", SYS_fanotify_init, -1},
        {"finit_module", SYS_finit_module, -1}, {"fsconfig", 431, -1}, {"fsmount", 432, -1}, {"fsopen", 430},
        {"fspick", 433, -1}, {"init_module", SYS_init_module}, {"io_uring_setup", 425}, {"ioperm", SYS_ioperm, 0, 1, 1},
        {"iopl", SYS_iopl, 3}, {"kcmp", SYS_kcmp, 1, 1, 99}, {"kexec_load", SYS_kexec_load, 0, 99},
        {"keyctl", SYS_keyctl, 0, -3, 0}, {"lookup_dcookie", SYS_lookup_dcookie}, {"mount", SYS_mount},
        {"mount_setattr", 442, -1}, {"move_mount", 429, -1}, {"name_to_handle_at", SYS_name_to_handle_at, -1},
        {"open_by_handle_at", SYS_open_by_handle_at, -1}, {"open_tree", 428, -1}, {"perf_event_open", SYS_perf_event_open},
        {"personality", SYS_personality, 0x0040000}, {"pivot_root", SYS_pivot_root}, {"quotactl", SYS_quotactl},
        {"reboot", SYS_reboot}, {"request_key", SYS_request_key}, {"setdomainname", SYS_setdomainname, 0, -1},
        {"sethostname", SYS_sethostname, 0, -1}, {"setns", SYS_setns, -1}, {"settimeofday", SYS_settimeofday, 1},
        {"swapoff", SYS_swapoff}, {"swapon", SYS_swapon}, {"syslog", SYS_syslog, 10}, {"umount", SYS_umount2},
        {"unshare_user", SYS_unshare, 0x10000000}, {"unshare_mount", SYS_unshare, 0x00020000},
        {"userfaultfd", SYS_userfaultfd, -1}, {"vhangup", SYS_vhangup}, {"vmsplice", SYS_vmsplice, -1},
        {"vsock", SYS_socket, 40, 1, 0}, {"unknown", 100000}, {"x32_getpid", 0x40000000 | 39},
        {"x32_unshare", 0x40000000 | 272, 0x10000000},
    };
    for (size_t i = 0; i < LENGTH(list); i++) {
        errno = 0;
        long result = syscall(list[i].number, list[i].one, list[i].two, list[i].three, 0, 0, 0);
        printf("call %s %d\n", list[i].name, result < 0 ? errno : 0);
    }
    static const struct { const char *name; long number, one; } old[] = {
        {"unshare", 310, 0x10000000}, {"mount", 21, 0}, {"setns", 346, -1}, {"keyctl", 288, 0}, {"bpf", 357, 999},
        {"iopl", 110, 3}, {"unknown", 100000, 0},
    };
    for (size_t i = 0; i < LENGTH(old); i++) {
        int result;
        __asm__ volatile("int $0x80" : "=a"(result) : "a"(old[i].number), "b"(old[i].one), "c"(0), "d"(0) : "memory",
                         "r8", "r9", "r10", "r11");
        printf("call i386_%s %d\n", old[i].name, result < 0 ? -result : 0);
    }
}

static void devices(void) {
    static const struct { const char *name; mode_t kind; int major, minor; } list[] = {
        {"mem", S_IFCHR, 1, 1}, {"port", S_IFCHR, 1, 4}, {"null", S_IFCHR, 1, 3}, {"kmsg", S_IFCHR, 1, 11},
        {"console", S_IFCHR, 5, 1}, {"tty0", S_IFCHR, 4, 0}, {"ttyS0", S_IFCHR, 4, 64}, {"psaux", S_IFCHR, 10, 1},
        {"tun", S_IFCHR, 10, 200}, {"fuse", S_IFCHR, 10, 229}, {"loop-control", S_IFCHR, 10, 237},
        {"kvm", S_IFCHR, 10, 232}, {"loop0", S_IFBLK, 7, 0}, {"sda", S_IFBLK, 8, 0}, {"vda", S_IFBLK, 254, 0},
        {"nvme0n1", S_IFBLK, 259, 0},
    };
    for (size_t i = 0; i < LENGTH(list); i++) {
        int fd = -1;
        errno = 0;
        if (mknod("/tmp/.probe", list[i].kind | 0600, makedev(list[i].major, list[i].minor)) == 0) {
            fd = open("/tmp/.probe", O_RDONLY | O_NONBLOCK | O_NOCTTY);
        }
        printf("device %s %d\n", list[i].name, fd < 0 ? errno : 0);
        if (fd >= 0) close(fd);
        unlink("/tmp/.probe");
    }
}

static int is_process(const char *path) {
    return strncmp(path, "/proc/", 6) == 0 && (strchr("0123456789", path[6]) || !strncmp(path + 6, "self", 4)
                                              || !strncmp(path + 6, "thread-self", 11));
}

/* Every file below a directory that can be opened for writing; below /proc also those that tell something. */
static void walk(const char *path, int depth) {
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        char below[4096];
        snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        struct stat info;
        if (entry->d_name[0] == '.' || is_process(below) || lstat(below, &info) < 0) continue;
        if (S_ISDIR(info.st_mode) && depth) walk(below, depth - 1);
        if (!S_ISREG(info.st_mode)) continue;
        int fd = open(below, O_WRONLY | O_NONBLOCK);
        if (fd >= 0) printf("writable %s yes\n", below);
        if (fd >= 0) close(fd);
        char byte;
        fd = strncmp(below, "/proc/", 6) ? -1 : open(below, O_RDONLY | O_NONBLOCK);
        if (fd >= 0 && read(fd, &byte, 1) > 0) printf("readable %s yes\n", below);
        if (fd >= 0) close(fd);
    }
    if (directory) closedir(directory);
}

static void listing(const char *path) {
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        struct stat info;
        if (fstatat(dirfd(directory), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0
            && (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode)))
            printf("node %s %o:%d:%d\n", entry->d_name, info.st_mode & 0777777, major(info.st_rdev), minor(info.st_rdev));
    }
    if (directory) closedir(directory);
}

static void mounts(void) {
    char line[8192], place[4096], options[2048];
    FILE *file = fopen("/proc/self/mountinfo", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "%*s %*s %*s %*s %4095s %2047s", place, options) == 2)
            printf("mount %s %s\n", place, options);
    if (file) fclose(file);
}

int main(void) {
    descriptors();
    status();
    calls();
    devices();
    listing("/dev");
    mounts();
    walk("/proc", 8);
    walk("/sys", 5);
    return 0;
}
