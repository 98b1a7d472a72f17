/* Starts programs from memory that others use: `lend WAY PROGRAM COUNT`. Each child runs with the parent's
 * memory until it executes PROGRAM, on a stack of one kilobyte with a canary below it and behind that a page
 * that nobody may touch. Says what has changed in that memory, and how many mappings have been left. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, STACK = 1024, GUARDS = 16, CANARY = 0xa5, SPARE = 256 * PAGE };

static const char *program;
static char *arguments[402];
static char *environment[202];
static volatile int failure;

/* The guard pages, a page of which the upper part is the stack. */
static unsigned char *memory;

/* What a child that has a copy of the memory unmaps there, so that a mapping of its own takes the place. */
static unsigned char *spare;

static int child(void *unused) {
    (void)unused;
    execve(program, arguments, environment);
    failure = errno;
    _exit(127);
}

static void *in_thread(void *unused) {
    (void)unused;
    execve(program, arguments, environment);
    failure = errno;
    return NULL;
}

static int mappings(void) {
    FILE *file = fopen("/proc/self/maps", "r");
    int count = 0;
    for (int c; (c = fgetc(file)) != EOF;) count += c == '\n';
    fclose(file);
    return count;
}

static void check(const char *when) {
    for (int at = 0; at < GUARDS * PAGE; at++)
        if (memory[at] != 0) { printf("%s: the guard page was written at %d\n", when, at); exit(1); }
    for (int at = GUARDS * PAGE; at < (GUARDS + 1) * PAGE - STACK; at++)
        if (memory[at] != CANARY) { printf("%s: the canary was written at %d\n", when, at); exit(1); }
}

struct arguments3 { uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls; };

static void start(const char *way) {
    unsigned char *top = memory + (GUARDS + 1) * PAGE;
    int status = 0;
    pid_t pid = -1;
    if (!strcmp(way, "clone")) {
        pid = clone(child, top, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
    } else if (!strcmp(way, "clone3")) {
        struct arguments3 call = {
            .flags = CLONE_VM | CLONE_VFORK, .exit_signal = SIGCHLD,
            .stack = (uint64_t)(top - STACK), .stack_size = STACK,
        };
        long result = SYS_clone3;
        register int (*begin)(void *) __asm__("r12") = child;
        __asm__ volatile("syscall\n test %%rax, %%rax\n jnz 1f\n call *%1\n 1:"
            : "+a"(result) : "r"(begin), "D"(&call), "S"(sizeof call) : "rcx", "r11", "memory");
        pid = result;
    } else if (!strcmp(way, "vfork")) {
        pid = vfork();
        if (pid == 0) child(NULL);
    } else if (!strcmp(way, "copy")) {
        pid = syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
        if (pid == 0) { munmap(spare, SPARE); child(NULL); }
        for (int at = 0; at < SPARE; at++)
            if (spare[at] != CANARY) { printf("%s: the parent's memory was changed at %d\n", way, at); exit(1); }
    } else if (!strcmp(way, "spawn")) {
        failure = posix_spawn(&pid, program, NULL, NULL, arguments, environment);
        if (failure) return;
    } else {
        /* Only a call that fails comes back. */
        pthread_t thread;
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        pthread_attr_setstack(&attributes, memory + GUARDS * PAGE + PAGE, 16 * PAGE);
        pthread_create(&thread, &attributes, in_thread, NULL);
        pthread_join(thread, NULL);
        return;
    }
    if (pid < 0) { printf("%s: %s\n", way, strerror(errno)); exit(1); }
    waitpid(pid, &status, 0);
    if (!failure && status) { printf("%s: status %x\n", way, status); exit(1); }
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    program = argv[2];
    int count = atoi(argv[3]), many = 200, given = 0;
    memory = mmap(NULL, (GUARDS + 1 + 16) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(memory + GUARDS * PAGE, CANARY, PAGE);
    spare = mmap(NULL, SPARE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(spare, CANARY, SPARE);
    arguments[given++] = "program";
    /* One string that is too long for any kernel, after the call has been changed. */
    char *large = malloc(200 * 1024);
    memset(large, 'x', 200 * 1024 - 1);
    large[200 * 1024 - 1] = 0;
    int fails = argc > 4 && !strcmp(argv[4], "fails");
    if (fails) arguments[given++] = large;
    while (given < 400) arguments[given++] = "a";
    for (int at = 0; at < many; at++) {
        environment[at] = malloc(64);
        snprintf(environment[at], 64, "VARIABLE_%d=some value of a variable %d", at, at);
    }
    mprotect(memory, GUARDS * PAGE, PROT_NONE);
    start(argv[1]);
    int before = mappings();
    for (int at = 0; at < count; at++) start(argv[1]);
    int after = mappings();
    if (after != before) { printf("%d mappings before, %d after\n", before, after); return 1; }
    mprotect(memory, GUARDS * PAGE, PROT_READ);
    check(argv[1]);
    if (fails ? failure != E2BIG : failure != 0) { printf("error %d\n", failure); return 1; }
    puts("as it was");
    return 0;
}
