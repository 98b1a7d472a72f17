// What each call says of buffers that are missing, not there, too small, empty and much too large: one line
// each, so that a crash shows which call it was.
//
//     bad-buffers DIR
//     bad-buffers DIR status      what can be read of /proc/self/status, opened in various ways
//
// DIR is the program's own, and gets an extended attribute where its file system has some.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "error-name.h"

#define REGION 0x10000

static void say(const char *call, const char *buffer, const char *size, long ret)
{
    int error = errno;

    if (ret < 0) {
        printf("%s\n", error_name(error));
    } else {
        printf("%ld\n", ret);
    }
}

/* The call's name is out before it is made. */
#define TRY(call, buffer, size, made)                 \
    do {                                              \
        printf("%s %s %s: ", call, buffer, size);     \
        fflush(stdout);                               \
        say(call, buffer, size, made);                \
    } while (0)

static struct {
    const char *name;
    char *at;
} buffers[6];

static const struct {
    const char *name;
    size_t size;
} sizes[] = {
    { "0", 0 }, { "1", 1 }, { "8", 8 }, { "whole", 4096 }, { "64K", REGION }, { "huge", (size_t)-1 },
    { "half", (size_t)-1 / 2 },
};

/* Buffers that get something. */
static void outputs(int directory, const char *path)
{
    for (unsigned b = 0; b < sizeof(buffers) / sizeof(buffers[0]); b++) {
        const char *name = buffers[b].name;
        char *at = buffers[b].at;

        for (unsigned s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
            const char *size_name = sizes[s].name;
            size_t size = sizes[s].size;

            TRY("listxattr", name, size_name, syscall(SYS_listxattr, path, at, size));
            TRY("llistxattr", name, size_name, syscall(SYS_llistxattr, path, at, size));
            TRY("flistxattr", name, size_name, syscall(SYS_flistxattr, directory, at, size));
            for (int own = 0; own < 2; own++) {
                const char *attribute = own ? "user.unibin.owner" : "user.attribute";

                TRY(own ? "getxattr own" : "getxattr", name, size_name,
                    syscall(SYS_getxattr, path, attribute, at, size));
                TRY(own ? "lgetxattr own" : "lgetxattr", name, size_name,
                    syscall(SYS_lgetxattr, path, attribute, at, size));
                TRY(own ? "fgetxattr own" : "fgetxattr", name, size_name,
                    syscall(SYS_fgetxattr, directory, attribute, at, size));
            }
            if (size > 8) {
                TRY("getcwd", name, size_name, syscall(SYS_getcwd, at, size) >= 0 ? 0 : -1);
            }
            /* As an int, that is something else for each size of a word. */
            if (size != (size_t)-1 / 2) {
                TRY("readlinkat", name, size_name, syscall(SYS_readlinkat, directory, "link", at, size));
                TRY("readlinkat proc", name, size_name,
                    syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/cwd", at, size) >= 0 ? 0 : -1);
                TRY("getgroups", name, size_name, syscall(SYS_getgroups, (int)size, at) >= 0 ? 0 : -1);
            }
            if (size < INT_MAX) {
                int again = open(path, O_RDONLY | O_DIRECTORY);

                TRY("getdents64", name, size_name, syscall(SYS_getdents64, again, at, size) >= 0 ? 0 : -1);
                close(again);
            }
        }
#ifdef SYS_getresuid
        TRY("getresuid", name, "", syscall(SYS_getresuid, at, at, at));
        TRY("getresgid", name, "", syscall(SYS_getresgid, at, at, at));
#endif
        TRY("statx", name, "", syscall(SYS_statx, directory, "link", AT_SYMLINK_NOFOLLOW, 0xfff, at));
        TRY("statx own", name, "", syscall(SYS_statx, directory, "", AT_EMPTY_PATH, 0xfff, at));
#ifdef SYS_fstat
        TRY("fstat", name, "", syscall(SYS_fstat, directory, at));
#endif
        TRY("prlimit64 locks", name, "", syscall(SYS_prlimit64, 0, 10, NULL, at));
        TRY("capget", name, "", syscall(SYS_capget, at, NULL) * 0);
    }
}

/* Buffers that something is taken of, and paths. */
static void inputs(int directory, const char *path)
{
    for (unsigned b = 0; b < sizeof(buffers) / sizeof(buffers[0]); b++) {
        const char *name = buffers[b].name;
        char *at = buffers[b].at;
        int readable = !strcmp(name, "good") || !strcmp(name, "last");

        if (readable) {
            /* A path that is empty. */
            *at = '\0';
        }
        for (unsigned s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
            const char *size_name = sizes[s].name;
            size_t size = sizes[s].size;

            /* What is too large for a file system, each says in its own way. */
            if (size != 4096 && size != REGION) {
                TRY("setxattr", name, size_name, syscall(SYS_setxattr, path, "user.set", at, size, 0));
                TRY("lsetxattr", name, size_name, syscall(SYS_lsetxattr, path, "user.set", at, size, 0));
                TRY("fsetxattr", name, size_name, syscall(SYS_fsetxattr, directory, "user.set", at, size, 0));
            }
        }
        TRY("removexattr", name, "", syscall(SYS_removexattr, at, "user.none"));
        TRY("removexattr name", name, "", syscall(SYS_removexattr, path, at));
        TRY("fremovexattr name", name, "", syscall(SYS_fremovexattr, directory, at));
        TRY("getxattr path", name, "", syscall(SYS_getxattr, at, "user.none", NULL, 0));
        TRY("getxattr name", name, "", syscall(SYS_getxattr, path, at, NULL, 0));
        TRY("listxattr path", name, "", syscall(SYS_listxattr, at, NULL, 0));
        TRY("readlinkat path", name, "", syscall(SYS_readlinkat, AT_FDCWD, at, buffers[0].at, 16));
        TRY("openat", name, "", syscall(SYS_openat, AT_FDCWD, at, O_RDONLY));
        TRY("openat create", name, "", syscall(SYS_openat, AT_FDCWD, at, O_RDWR | O_CREAT, 0600));
        TRY("faccessat", name, "", syscall(SYS_faccessat, AT_FDCWD, at, R_OK));
        TRY("fchmodat", name, "", syscall(SYS_fchmodat, AT_FDCWD, at, 0600));
        TRY("fchownat", name, "", syscall(SYS_fchownat, AT_FDCWD, at, -1, -1, 0));
        TRY("mkdirat", name, "", syscall(SYS_mkdirat, AT_FDCWD, at, 0700));
        TRY("mknodat", name, "", syscall(SYS_mknodat, AT_FDCWD, at, S_IFIFO | 0600, 0));
        TRY("unlinkat", name, "", syscall(SYS_unlinkat, AT_FDCWD, at, 0));
        TRY("symlinkat", name, "", syscall(SYS_symlinkat, at, directory, "link"));
        TRY("symlinkat name", name, "", syscall(SYS_symlinkat, "to", directory, at));
        TRY("linkat", name, "", syscall(SYS_linkat, AT_FDCWD, at, directory, "link", 0));
        TRY("linkat name", name, "", syscall(SYS_linkat, directory, "link", directory, at, 0));
        TRY("renameat2", name, "", syscall(SYS_renameat2, AT_FDCWD, at, directory, "none", 0));
        TRY("chdir", name, "", syscall(SYS_chdir, at));
        TRY("chroot", name, "", syscall(SYS_chroot, at));
        TRY("inotify", name, "", syscall(SYS_inotify_add_watch, -1, at, 1));
        TRY("execve", name, "", syscall(SYS_execve, at, NULL, NULL));
        TRY("execve arguments", name, "", readable ? 0 : syscall(SYS_execve, "/none", at, NULL));
        TRY("prlimit64 set", name, "", readable ? 0 : syscall(SYS_prlimit64, 0, 10, at, NULL));
        TRY("capset", name, "", syscall(SYS_capset, at, NULL) * 0);
        TRY("bind", name, "", syscall(SYS_bind, -1, at, 16) * 0);
        TRY("statx path", name, "", at ? syscall(SYS_statx, AT_FDCWD, at, 0, 0xfff, buffers[0].at) : 0);
    }
}

static void read_status(const char *how, int fd)
{
    char text[64] = "";
    int flags = fd < 0 ? 0 : fcntl(fd, F_GETFL);
    long got = read(fd, text, 5);

    printf("status %s: %s %s%.5s\n", how, got < 0 ? error_name(errno) : "", flags & O_PATH ? "O_PATH" : "",
           got < 0 ? "" : text);
    fflush(stdout);
}

/* Which user a status is said to be of. */
static void read_user(const char *how, int fd)
{
    static char text[8192];
    long got = read(fd, text, sizeof(text) - 1);
    char *line = got > 0 ? strstr(text, "\nUid:") : NULL;

    printf("user %s: %.*s\n", how, line ? (int)strcspn(line + 1, "\n") : 1, line ? line + 1 : "-");
    fflush(stdout);
}

static void statuses(void)
{
    char link[40], pid[40];
    struct stat st;
    int path = open("/proc/self/status", O_PATH | O_CLOEXEC);

    read_status("O_PATH", path);
    printf("status %s\n", !fstat(path, &st) && S_ISREG(st.st_mode) && !st.st_size ? "file" : "another");
    snprintf(link, sizeof(link), "/proc/self/fd/%d", path);
    read_status("again", open(link, O_RDONLY | O_CLOEXEC));
    read_user("again", open(link, O_RDONLY | O_CLOEXEC));
    snprintf(link, sizeof(link), "/dev/fd/%d", path);
    read_user("in dev", open(link, O_RDONLY | O_CLOEXEC));
    snprintf(pid, sizeof(pid), "/proc/%d/status", getpid());
    read_user("by number", open(pid, O_RDONLY));
    read_user("by its directory", openat(open("/proc/self", O_RDONLY | O_DIRECTORY), "status", O_RDONLY));
    read_user("of a thread", open("/proc/thread-self/status", O_RDONLY));
}

int main(int argc, char **argv)
{
    char *region = mmap(NULL, 4 * REGION, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int directory;

    if (argc < 2 || region == MAP_FAILED || chdir(argv[1])) {
        perror("bad-buffers");
        return 1;
    }
    mprotect(region + REGION, REGION, PROT_NONE);
    buffers[0].name = "good", buffers[0].at = region;
    buffers[1].name = "null", buffers[1].at = NULL;
    buffers[2].name = "none", buffers[2].at = region + REGION;
    buffers[3].name = "last", buffers[3].at = region + REGION - 1;
    buffers[4].name = "behind", buffers[4].at = region + REGION + 8;
    buffers[5].name = "top", buffers[5].at = (char *)-8l;
    if (argc > 2) {
        statuses();
        return 0;
    }
    directory = open(".", O_RDONLY | O_DIRECTORY);
    setxattr(".", "user.attribute", "value", 5, 0);
    symlink("target", "link");
    outputs(directory, argv[1]);
    inputs(directory, argv[1]);
    return 0;
}
