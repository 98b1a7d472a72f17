/* The app of the tests that compare: it says all that a process inherits, or ends in the way that it is told.
 *
 *   tell report FILE [ARGUMENT...]   what it was given, a line each, into FILE (`-`: standard output); exit code 7
 *   tell exit N                      exits with N
 *   tell die N                       dies of signal N; exit code 99 if that does not end it
 *   tell stop N                      is stopped by signal N; exit code 42 when it goes on
 *   tell wait                        says `ready`, then waits for a signal
 *   tell closed                      writes to standard output and error, reads standard input; exit code: a bit per failure
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

extern char **environ;

static void hex(FILE *out, const char *what, const char *bytes) {
    fprintf(out, "%s ", what);
    for (; *bytes; bytes++)
        fprintf(out, "%02x", (unsigned char)*bytes);
    fputc('\n', out);
}

/* Collected before anything is opened, so that the report's own descriptor is not in it. */
struct descriptor {
    int open, flags;
    long long offset;
    struct stat stat;
};

static void report(const char *name, int argc, char **argv) {
    static struct descriptor table[256];
    for (int fd = 0; fd < 256; fd++) {
        table[fd].flags = fcntl(fd, F_GETFL);
        table[fd].open = table[fd].flags != -1;
        table[fd].offset = lseek(fd, 0, SEEK_CUR);
        if (table[fd].open)
            fstat(fd, &table[fd].stat);
    }
    FILE *out = strcmp(name, "-") ? fopen(name, "w") : stdout;
    if (!out)
        exit(98);
    for (int i = 0; i < argc; i++)
        hex(out, "argument", argv[i]);
    for (char **variable = environ; *variable; variable++)
        hex(out, "variable", *variable);
    char directory[PATH_MAX];
    fprintf(out, "directory %s\n", getcwd(directory, sizeof directory) ? directory : strerror(errno));
    mode_t mask = umask(0);
    fprintf(out, "umask %04o\n", (unsigned)mask);
    umask(mask);
    fprintf(out, "user %d %d group %d %d\n", (int)getuid(), (int)geteuid(), (int)getgid(), (int)getegid());
    gid_t groups[64];
    int count = getgroups(64, groups);
    fprintf(out, "groups");
    for (int i = 0; i < count; i++)
        fprintf(out, " %d", (int)groups[i]);
    fputc('\n', out);
    for (int fd = 0; fd < 256; fd++) {
        if (table[fd].open)
            fprintf(out, "descriptor %d flags %o file %llu at %lld\n", fd, table[fd].flags & ~O_CLOEXEC,
                    (unsigned long long)table[fd].stat.st_ino, table[fd].offset);
    }
    static const struct {
        int number;
        const char *name;
    } limits[] = {
        {RLIMIT_CPU, "cpu"}, {RLIMIT_FSIZE, "fsize"}, {RLIMIT_DATA, "data"}, {RLIMIT_STACK, "stack"},
        {RLIMIT_CORE, "core"}, {RLIMIT_NOFILE, "nofile"}, {RLIMIT_MEMLOCK, "memlock"}, {RLIMIT_NPROC, "nproc"},
        {RLIMIT_AS, "as"},
    };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct rlimit limit;
        getrlimit(limits[i].number, &limit);
        fprintf(out, "limit %s %llu %llu\n", limits[i].name, (unsigned long long)limit.rlim_cur,
                (unsigned long long)limit.rlim_max);
    }
    fprintf(out, "nice %d\n", getpriority(PRIO_PROCESS, 0));
    for (int number = 1; number < 32; number++) {
        struct sigaction action;
        if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL)
            fprintf(out, "signal %d %s\n", number, action.sa_handler == SIG_IGN ? "ignored" : "handled");
    }
    sigset_t blocked, pending;
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    sigpending(&pending);
    for (int number = 1; number < 32; number++) {
        if (sigismember(&blocked, number) == 1)
            fprintf(out, "signal %d blocked\n", number);
        if (sigismember(&pending, number) == 1)
            fprintf(out, "signal %d pending\n", number);
    }
    fprintf(out, "alarm %s\n", alarm(0) ? "set" : "not set");
    for (int fd = 0; fd < 3; fd++)
        fprintf(out, "terminal %d %s\n", fd, isatty(fd) ? "yes" : "no");
    if (isatty(0)) {
        struct termios settings;
        tcgetattr(0, &settings);
        fprintf(out, "terminal modes %o %o %o %o\n", (unsigned)settings.c_iflag, (unsigned)settings.c_oflag,
                (unsigned)settings.c_cflag, (unsigned)settings.c_lflag);
        fprintf(out, "in the foreground %s\n", tcgetpgrp(0) == getpgrp() ? "yes" : "no");
    }
    fprintf(out, "leads its group %s\n", getpgrp() == getpid() ? "yes" : "no");
    fprintf(out, "leads its session %s\n", getsid(0) == getpid() ? "yes" : "no");
    fprintf(out, "children %s\n", waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD ? "none" : "some");
    fprintf(out, "pid %d of %d\n", (int)getpid(), (int)getppid());
    if (fclose(out))
        exit(97);
    exit(7);
}

static int closed(void) {
    char byte;
    int failed = read(0, &byte, 1) == -1 && errno == EBADF ? 1 : 0;
    failed |= write(1, "o", 1) == -1 && errno == EBADF ? 2 : 0;
    failed |= write(2, "e", 1) == -1 && errno == EBADF ? 4 : 0;
    return failed;
}

int main(int argc, char **argv) {
    const char *verb = argc > 1 ? argv[1] : "";
    int number = argc > 2 ? atoi(argv[2]) : 0;
    if (!strcmp(verb, "report") && argc > 2)
        report(argv[2], argc - 3, argv + 3);
    if (!strcmp(verb, "exit"))
        return number;
    if (!strcmp(verb, "die")) {
        signal(number, SIG_DFL);
        raise(number);
        return 99;
    }
    if (!strcmp(verb, "stop")) {
        raise(number);
        return 42;
    }
    if (!strcmp(verb, "wait")) {
        puts("ready");
        fflush(stdout);
        pause();
        return 0;
    }
    if (!strcmp(verb, "closed"))
        return closed();
    return 98;
}
