/* A caller: makes the state that a process inherits, then starts a program in one of the ways that there are.
 *
 *   caller [SETTING...] WAY PROGRAM [ARGUMENT...]
 *
 * Settings: ignore=N, block=N, close=FD, open=FD:FILE, limit=NAME:N, nice=N, umask=OCTAL, directory=PATH, gone=PATH (a directory
 *   that is removed once it is the working directory), alarm=SECONDS, argv0=NAME.
 * Ways that replace the caller: execv, execvp, fexecve (the program's name is then /dev/fd/N).
 * Ways that start a child, whose end becomes the caller's: spawn, spawnp (posix_spawn, posix_spawnp), fork, system,
 *   session (a child on a terminal of its own), watch (the child may leave no other process: exit code 96),
 *   stopped (the child must stop; it is then continued).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void fail(const char *what) {
    fprintf(stderr, "caller: %s: %s\n", what, strerror(errno));
    exit(95);
}

static void limit(const char *setting) {
    static const struct {
        const char *name;
        int number;
    } names[] = {{"fsize", RLIMIT_FSIZE}, {"nofile", RLIMIT_NOFILE}, {"core", RLIMIT_CORE}, {"cpu", RLIMIT_CPU},
                 {"stack", RLIMIT_STACK}, {"nproc", RLIMIT_NPROC}, {"memlock", RLIMIT_MEMLOCK}};
    const char *colon = strchr(setting, ':');
    for (size_t i = 0; colon && i < sizeof names / sizeof *names; i++) {
        if (strlen(names[i].name) == (size_t)(colon - setting) && !strncmp(setting, names[i].name, colon - setting)) {
            rlim_t number = strtoull(colon + 1, NULL, 10);
            struct rlimit both = {number, number};
            if (setrlimit(names[i].number, &both))
                fail(setting);
            return;
        }
    }
    fail(setting);
}

static int set(char *setting) {
    char *value = strchr(setting, '=');
    if (!value)
        return 0;
    size_t length = value++ - setting;
    int number = atoi(value);
#define IS(name) (length == sizeof name - 1 && !strncmp(setting, name, length))
    if (IS("ignore")) {
        if (signal(number, SIG_IGN) == SIG_ERR)
            fail(setting);
    } else if (IS("block")) {
        sigset_t mask;
        sigemptyset(&mask);
        sigaddset(&mask, number);
        if (sigprocmask(SIG_BLOCK, &mask, NULL))
            fail(setting);
    } else if (IS("close")) {
        close(number);
    } else if (IS("open")) {
        char *colon = strchr(value, ':');
        int fd = colon ? open(colon + 1, O_RDWR) : -1;
        if (fd == -1 || (fd != number && (dup2(fd, number) == -1 || close(fd))) || lseek(number, 3, SEEK_SET) == -1)
            fail(setting);
    } else if (IS("limit")) {
        limit(value);
    } else if (IS("nice")) {
        if (setpriority(PRIO_PROCESS, 0, number))
            fail(setting);
    } else if (IS("umask")) {
        umask(strtol(value, NULL, 8));
    } else if (IS("directory")) {
        if (chdir(value))
            fail(setting);
    } else if (IS("gone")) {
        if (mkdir(value, 0700) || chdir(value) || rmdir(value))
            fail(setting);
    } else if (IS("alarm")) {
        alarm(number);
    } else {
        return 0;
    }
    return 1;
}

/* Ends as the child did. */
static int as(int status) {
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    signal(WTERMSIG(status), SIG_DFL);
    raise(WTERMSIG(status));
    return 94;
}

static int ended(pid_t child) {
    int status;
    while (waitpid(child, &status, 0) == -1) {
        if (errno != EINTR)
            fail("waitpid");
    }
    return status;
}

/* A child on a terminal of its own: what it writes there is copied to standard output, what comes on standard input is
 * typed there, a byte `~` only after the child has said something. */
static int session(char **argv) {
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master == -1 || grantpt(master) || unlockpt(master))
        fail("terminal");
    pid_t child = fork();
    if (child == 0) {
        setsid();
        int slave = open(ptsname(master), O_RDWR);
        if (slave == -1 || ioctl(slave, TIOCSCTTY, 0))
            fail("controlling terminal");
        for (int fd = 0; fd < 3; fd++)
            dup2(slave, fd);
        if (slave > 2)
            close(slave);
        execv(argv[0], argv);
        fail(argv[0]);
    }
    int heard = 0, typing = 1, status = 0;
    for (;;) {
        struct pollfd wait[2] = {{master, POLLIN, 0}, {typing && heard ? 0 : -1, POLLIN, 0}};
        int ready = poll(wait, 2, 50);
        char bytes[4096];
        if (ready > 0 && wait[0].revents) {
            ssize_t length = read(master, bytes, sizeof bytes);
            if (length > 0) {
                heard = 1;
                if (write(1, bytes, length) != length)
                    fail("output");
                continue;
            }
        }
        if (ready > 0 && wait[1].revents) {
            ssize_t length = read(0, bytes, 1);
            if (length == 1) {
                if (write(master, bytes, 1) != 1)
                    fail("terminal");
            } else {
                typing = 0;
            }
        }
        int state = waitpid(child, &status, WNOHANG | WUNTRACED);
        if (state == child && WIFSTOPPED(status)) {
            printf("stopped by %d\n", WSTOPSIG(status));
            fflush(stdout);
            kill(child, SIGCONT);
        } else if (state == child) {
            /* What it said last. */
            fcntl(master, F_SETFL, O_NONBLOCK);
            ssize_t length;
            while ((length = read(master, bytes, sizeof bytes)) > 0) {
                if (write(1, bytes, length) != length)
                    fail("output");
            }
            return status;
        }
    }
}

/* Whether the app has left a process to whoever adopts orphans. A broker ends with the last program that it attends to, and is
   then no more than its exit status. */
static int is_one_left(void) {
    siginfo_t info;
    alarm(60);
    while (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) == 0) {
        char path[64], name[32] = "";
        snprintf(path, sizeof path, "/proc/%d/comm", (int)info.si_pid);
        FILE *comm = fopen(path, "r");
        if (!comm || !fgets(name, sizeof name, comm) || strcmp(name, "unibin-broker\n"))
            return 1;
        fclose(comm);
        waitpid(info.si_pid, NULL, 0);
    }
    alarm(0);
    return errno != ECHILD;
}

static int start(const char *way, char **argv) {
    pid_t child = -1;
    if (!strcmp(way, "session"))
        return session(argv);
    if (!strncmp(way, "spawn", 5)) {
        int error = (way[5] ? posix_spawnp : posix_spawn)(&child, argv[0], NULL, NULL, argv, environ);
        errno = error;
        if (error)
            fail(way);
        return ended(child);
    }
    if (!strcmp(way, "system"))
        return system(argv[0]);
    if (!strcmp(way, "watch"))
        prctl(PR_SET_CHILD_SUBREAPER, 1);
    child = fork();
    if (child == 0) {
        execv(argv[0], argv);
        fail(argv[0]);
    }
    int status;
    if (!strcmp(way, "stopped")) {
        if (waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status))
            return status;
        printf("stopped by %d\n", WSTOPSIG(status));
        fflush(stdout);
        kill(child, SIGCONT);
    }
    status = ended(child);
    if (!strcmp(way, "watch") && is_one_left()) {
        fprintf(stderr, "caller: a process is left\n");
        exit(96);
    }
    return status;
}

/* Every signal as a login shell leaves it: what started the tests may ignore some, as nohup(1) does. */
static void default_signals(void) {
    sigset_t none;
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL); /* refused for SIGKILL and SIGSTOP, and for what the library keeps for itself */
    sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, NULL))
        fail("sigprocmask");
}

int main(int argc, char **argv) {
    int at = 1;
    default_signals();
    char *argv0 = NULL;
    for (; at < argc; at++) {
        if (!strncmp(argv[at], "argv0=", 6))
            argv0 = argv[at] + 6;
        else if (!set(argv[at]))
            break;
    }
    if (argc - at < 2)
        return 95;
    const char *way = argv[at];
    char **rest = argv + at + 1;
    char *program = rest[0];
    if (argv0)
        rest[0] = argv0;
    if (!strcmp(way, "execv"))
        execv(program, rest);
    else if (!strcmp(way, "execvp"))
        execvp(program, rest);
    else if (!strcmp(way, "fexecve"))
        fexecve(open(program, O_RDONLY), rest, environ);
    else
        return as(start(way, rest));
    fail(program);
    return 95;
}
