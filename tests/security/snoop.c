/* For some seconds, try to get at the host through every process that appears here; tell what it reached. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The sealed program of a few instructions that starts a command holds nothing: it may be seen. */
static int ours(const char *target) {
    return !strncmp(target, "/memfd:start", 12) || !strncmp(target, "/bin/", 5) || !strcmp(target, "/program");
}

/* Through this the same program tells that the command cannot be run. Whoever shares its pid namespace could as well kill it. */
static int bad_news(const char *target) {
    size_t length = strlen(target);
    return length > 8 && !strcmp(target + length - 8, "/failure");
}

static void try_process(int pid) {
    static const char *const parts[] = {"exe", "mem", "environ", "maps"};
    char path[64], target[4096];
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    ssize_t size = readlink(path, target, sizeof target - 1);
    int known = size >= 0;
    target[size < 0 ? 0 : size] = 0;
    if (known && ours(target)) return;
    /* It is on its way to its command: nothing of it may be reached. */
    if (known) printf("exe %s\n", target);
    for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
        snprintf(path, sizeof path, "/proc/%d/%s", pid, parts[i]);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        char byte;
        size = readlink((snprintf(path, sizeof path, "/proc/%d/exe", pid), path), target, sizeof target - 1);
        target[size < 0 ? 0 : size] = 0;
        if (fd >= 0 && read(fd, &byte, 1) > 0 && !(size >= 0 && ours(target)) && size >= 0)
            printf("%s of %s\n", parts[i], target);
        if (fd >= 0) close(fd);
    }
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        size = readlinkat(dirfd(directory), entry->d_name, target, sizeof target - 1);
        if (size <= 0) continue;
        target[size] = 0;
        if (target[0] == '/' && strncmp(target, "/dev/", 5) && !ours(target) && !bad_news(target)) printf("descriptor %s\n", target);
    }
    if (directory) closedir(directory);
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    size = readlink(path, target, sizeof target - 1);
    target[size < 0 ? 0 : size] = 0;
    /* Seized, not attached to: that could leave it stopped for ever. */
    if (!known && size < 0 && ptrace(PTRACE_SEIZE, pid, 0, 0) == 0) {
        int status = 0;
        ptrace(PTRACE_INTERRUPT, pid, 0, 0);
        waitpid(pid, &status, __WALL);
        size = readlink(path, target, sizeof target - 1);
        target[size < 0 ? 0 : size] = 0;
        if (WIFSTOPPED(status) && !ours(target)) printf("traced %s\n", target);
        ptrace(PTRACE_DETACH, pid, 0, 0);
    }
}

int main(void) {
    setvbuf(stdout, 0, _IOLBF, 0);
    puts("ready");
    for (;;) {
        DIR *directory = opendir("/proc");
        for (struct dirent *entry; (entry = readdir(directory));) {
            int pid = atoi(entry->d_name);
            if (pid > 0 && pid != getpid()) try_process(pid);
        }
        closedir(directory);
        if (access("/stop", F_OK) == 0) return 0;
    }
}
