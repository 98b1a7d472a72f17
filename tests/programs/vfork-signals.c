/*
 * vfork children that live for a while, get signals, start threads and children, change groups and users;
 * parents that get signals meanwhile.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static int wrong;
#define CHECK(what) \
    do { \
        if (!(what)) { \
            printf("line %d: %s (errno %d)\n", __LINE__, #what, errno); \
            wrong++; \
        } \
    } while (0)

static volatile int handled, in_child, value, stage;
static volatile pid_t handler_pid, child_pid;

static void handler(int number)
{
    handled++;
    handler_pid = getpid();
}

static int status_of(pid_t pid)
{
    int status = -1;
    pid_t got;
    do {
        got = waitpid(pid, &status, 0);
    } while (got < 0 && errno == EINTR);
    return got == pid ? status : -1;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static int file[2];

/* Another thread of the parent, which goes on while the parent waits. */
static void *tell(void *opaque)
{
    char byte;
    usleep(100000);
    CHECK(write(file[1], "x", 1) == 1);
    usleep(10000);
    byte = 0;
    (void)byte;
    return NULL;
}

static void *in_thread(void *opaque)
{
    value += 10;
    return NULL;
}

static void *spawner(void *opaque)
{
    for (int i = 0; i < 50; i++) {
        pid_t pid = vfork();
        if (pid == 0) {
            execl("/no/such/file", "x", NULL);
            _exit(errno == ENOENT ? 5 : 6);
        }
        if (status_of(pid) != 5 << 8) {
            __sync_fetch_and_add(&wrong, 1);
        }
    }
    return NULL;
}

static int clone_child(void *arg)
{
    sigset_t set;
    CHECK(sched_yield() == 0);
    sigemptyset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
    signal(SIGTERM, SIG_DFL);
    dup2(file[1], 77);
    value = fcntl(77, F_GETFD);
    stage = setpgid(0, 0) == 0 && getpgrp() == getpid();
    execl("/no/such/file", "x", NULL);
    *(int *)arg = errno;
    _exit(9);
}

int main(void)
{
    struct sigaction act = { .sa_handler = handler };
    struct itimerval timer = { { 0, 0 }, { 0, 50000 } };
    pthread_t thread;
    pid_t pid;
    char byte;
    double start;

    CHECK(pipe(file) == 0);
    sigaction(SIGUSR1, &act, NULL);
    sigaction(SIGALRM, &act, NULL);

    /* a signal to the parent is handled after the child is done, by the parent */
    setitimer(ITIMER_REAL, &timer, NULL);
    start = now();
    pid = vfork();
    if (pid == 0) {
        usleep(200000);
        value = handled;
        _exit(0);
    }
    CHECK(now() - start >= 0.15);
    CHECK(value == 0 && handled == 1 && handler_pid == getpid());
    CHECK(status_of(pid) == 0);

    /* a signal to the child is handled by the child, and changes what the parent sees */
    handled = 0;
    pid = vfork();
    if (pid == 0) {
        kill(getpid(), SIGUSR1);
        _exit(0);
    }
    CHECK(handled == 1 && handler_pid == pid);
    CHECK(status_of(pid) == 0);

    /* one that ends the child */
    pid = vfork();
    if (pid == 0) {
        signal(SIGTERM, SIG_DFL);
        kill(getpid(), SIGTERM); /* not raise: musl's knows the thread by the memory that is shared */
        _exit(0);
    }
    CHECK(status_of(pid) == SIGTERM);
    pid = vfork();
    if (pid == 0) {
        value = 77;
        kill(getpid(), SIGABRT);
        _exit(0);
    }
    CHECK(value == 77 && (status_of(pid) & 0x7f) == SIGABRT);
    pid = vfork();
    if (pid == 0) {
        *(volatile int *)8 = 1;
        _exit(0);
    }
    CHECK((status_of(pid) & 0x7f) == SIGSEGV);

    /* other threads run while a child lives long; the child may wait for them */
    pthread_create(&thread, NULL, tell, NULL);
    start = now();
    pid = vfork();
    if (pid == 0) {
        value = read(file[0], &byte, 1);
        _exit(byte);
    }
    CHECK(value == 1 && now() - start >= 0.05);
    CHECK(status_of(pid) == 'x' << 8);
    pthread_join(thread, NULL);

    /*
     * a child with a thread, a child and a program of its own: it changes mappings, and of such a child nothing
     * is taken over while the parent has another thread, which a thread that was joined is for a moment more
     */
    usleep(200000);
    value = 1;
    pid = vfork();
    if (pid == 0) {
        pthread_t own;
        pid_t inner;
        if (pthread_create(&own, NULL, in_thread, NULL) == 0) {
            pthread_join(own, NULL);
        }
        inner = vfork();
        if (inner == 0) {
            execl("/bin/false", "false", NULL);
            _exit(99);
        }
        value += 100 * (status_of(inner) >> 8);
        inner = fork();
        if (inner == 0) {
            value = 12345;
            _exit(4);
        }
        value += 1000 * (status_of(inner) >> 8);
        _exit(2);
    }
    CHECK(value == 4111);
    CHECK(status_of(pid) == 2 << 8);

    /* as posix_spawn of glibc, musl and Go's forkExec do it */
    for (int i = 0; i < 20; i++) {
        char *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
        int result = 0;
        sigset_t all, old;
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, &old);
        pid = clone(clone_child, stack + 65536, CLONE_VM | CLONE_VFORK | SIGCHLD, &result);
        sigprocmask(SIG_SETMASK, &old, NULL);
        CHECK(result == ENOENT && value == 0 && stage == 1);
        CHECK(fcntl(77, F_GETFD) < 0);
        CHECK(status_of(pid) == 9 << 8);
        munmap(stack, 65536);
    }

    /* children that nobody waits for */
    signal(SIGCHLD, SIG_IGN);
    for (int i = 0; i < 50; i++) {
        pid = vfork();
        if (pid == 0) {
            value = i;
            _exit(1);
        }
        CHECK(pid > 0 && value == i);
        pid = vfork();
        if (pid == 0) {
            kill(getpid(), SIGKILL);
            _exit(1);
        }
        CHECK(pid > 0);
    }
    CHECK(waitpid(-1, NULL, 0) < 0 && errno == ECHILD);
    signal(SIGCHLD, SIG_DFL);

    /* the child's descriptors are all its own, those that it does not know of too */
    pid = vfork();
    if (pid == 0) {
        for (int i = 3; i < 1024; i++) {
            close(i);
        }
        syscall(SYS_close_range, 3, ~0u, 0);
        usleep(50000);
        value = 31;
        _exit(0);
    }
    CHECK(value == 31 && status_of(pid) == 0);

    /* from several threads at a time */
    pthread_t many[6];
    for (int i = 0; i < 6; i++) {
        pthread_create(&many[i], NULL, spawner, NULL);
    }
    for (int i = 0; i < 6; i++) {
        pthread_join(many[i], NULL);
    }

    /* attributes of posix_spawn */
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    sigset_t set;
    char *text = "read line; [ \"$line\" = hello ] && [ $(pwd) = / ] && kill -USR2 $$; exit 1";
    char *argv[] = { "sh", "-c", text, NULL };
    posix_spawnattr_init(&attributes);
    sigemptyset(&set);
    posix_spawnattr_setsigmask(&attributes, &set);
    sigaddset(&set, SIGUSR2);
    posix_spawnattr_setsigdefault(&attributes, &set);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
                             | POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_RESETIDS);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, file[0], 0);
    posix_spawn_file_actions_addclose(&actions, file[1]);
    posix_spawn_file_actions_addchdir_np(&actions, "/");
    signal(SIGUSR2, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    CHECK(write(file[1], "hello\n", 6) == 6);
    CHECK(posix_spawn(&pid, "/bin/sh", &actions, &attributes, argv, environ) == 0);
    CHECK(status_of(pid) == SIGUSR2);
    posix_spawn_file_actions_addopen(&actions, 5, "/no/such/file", O_RDONLY, 0);
    CHECK(posix_spawn(&pid, "/bin/sh", &actions, &attributes, argv, environ) == ENOENT);

    if (!wrong) {
        puts("ok");
    }
    return wrong != 0;
}
