/*
 * Children of a process with a lot of memory see it and change it; it need not be copied for that. Argument:
 * MiB.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
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
static volatile int running = 1;
static volatile long value;

static int status_of(pid_t pid)
{
    int status = -1;
    return waitpid(pid, &status, 0) == pid ? status : -1;
}

typedef int Function(void);

__attribute__((noinline, noclone, aligned(64))) static int forty_two(void)
{
    return 42;
}

__attribute__((noinline, noclone, aligned(64))) static int forty_three(void)
{
    return 43;
}

/* Code that is made at run time, and changed by the child. */
static void with_code(size_t size)
{
    char *code = mmap(NULL, size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    Function *here = (Function *)(code + 4096), *there = (Function *)(code + size / 2);

    memcpy(here, forty_two, 32);
    memcpy(there, forty_two, 32);
    __builtin___clear_cache(code, code + size);
    CHECK(here() == 42);
    for (int i = 0; i < 5; i++) {
        pid_t pid = vfork();
        if (pid == 0) {
            value = here() + there();
            memcpy(here, i % 2 ? forty_two : forty_three, 32);
            __builtin___clear_cache(code, code + size);
            value = value * 100 + here();
            _exit(0);
        }
        CHECK(status_of(pid) == 0);
        CHECK(value == (i % 2 ? 8542 : 8443));
        CHECK(here() == (i % 2 ? 42 : 43) && there() == 42);
    }
    munmap(code, size);
}

/* Maps and unmaps beside the heap while others fork. */
static void *churn(void *opaque)
{
    while (running) {
        char *p = mmap(NULL, 40 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        p[5] = 1;
        p[30 << 20] = 2;
        pid_t pid = fork();
        if (pid == 0) {
            /* A usual fork has it all. */
            _exit(p[5] == 1 && p[30 << 20] == 2 ? 0 : 1);
        }
        CHECK(status_of(pid) == 0);
        munmap(p, 40 << 20);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    size_t size = (size_t)(argc > 1 ? atoi(argv[1]) : 100) << 20, step = 4096 * 37;
    char *heap = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned char *shared = mmap(NULL, 32 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int file[2];
    pid_t pid;
    pthread_t thread;

    for (size_t i = 0; i < size; i += 4096) {
        heap[i] = i >> 12;
        heap[i + 100] = i >> 20;
    }
    CHECK(pipe(file) == 0);

    /* read and written by the child's own code, here and there */
    pid = vfork();
    if (pid == 0) {
        long sum = 0;
        for (size_t i = 0; i < size; i += step) {
            sum += heap[i] == (char)(i >> 12) && heap[i + 100] == (char)(i >> 20);
            heap[i + 200] = 1;
        }
        for (size_t i = 0; i < 32 << 20; i += 1 << 20) {
            shared[i] = 3;
        }
        value = sum;
        _exit(0);
    }
    CHECK(status_of(pid) == 0 && value == (long)((size + step - 1) / step));
    for (size_t i = 0; i < size; i += 4096) {
        CHECK(heap[i] == (char)(i >> 12) && heap[i + 100] == (char)(i >> 20));
        CHECK(heap[i + 200] == (i % step == 0));
    }
    CHECK(shared[31 << 20] == 3);

    /* by system calls */
    memset(heap + size / 2, 'q', 200000);
    pid = vfork();
    if (pid == 0) {
        value = write(file[1], heap + size / 2 + 1000, 3000);
        value += read(file[0], heap + size / 4 + 5000, 3000);
        _exit(0);
    }
    CHECK(status_of(pid) == 0 && value == 6000);
    CHECK(heap[size / 4 + 5000] == 'q' && heap[size / 4 + 7999] == 'q' && heap[size / 4 + 8000] != 'q');
    strcpy(heap + size / 3, "/bin/sh");
    strcpy(heap + size / 3 + 70000, "exit 7");
    pid = vfork();
    if (pid == 0) {
        execl(heap + size / 3, "sh", "-c", heap + size / 3 + 70000, NULL);
        _exit(99);
    }
    CHECK(status_of(pid) == 7 << 8);

    /* forks, threads and mappings of the child */
    pid = vfork();
    if (pid == 0) {
        pid_t inner = fork();
        if (inner == 0) {
            _exit(heap[size - 4096] == (char)((size - 4096) >> 12) ? 4 : 5);
        }
        value = status_of(inner) >> 8;
        inner = vfork();
        if (inner == 0) {
            heap[size - 8192 + 300] = 9;
            _exit(heap[size - 8192 + 100] == (char)((size - 8192) >> 20) ? 6 : 7);
        }
        value = value * 10 + (status_of(inner) >> 8);
        _exit(0);
    }
    CHECK(status_of(pid) == 0 && value == 46 && heap[size - 8192 + 300] == 9);
    pid = vfork();
    if (pid == 0) {
        heap[4096] = 1;
        munmap(heap + 0x111000, 0x23000);
        mprotect(heap + 0x411000, 0x23000, PROT_READ);
        mmap(heap + 0x811000, 0x23000, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        heap[0x811000 + 5] = 5;
        heap[0x811000 - 1] = 6;
        value = heap[0x411000 + 100] == (char)(0x411000 >> 20);
        _exit(0);
    }
    CHECK(status_of(pid) == 0 && value == 1 && heap[4096] == 1);
    CHECK(heap[0x811000] == 0 && heap[0x811000 + 5] == 5 && heap[0x811000 - 1] == 6);
    CHECK(heap[0x834000] == (char)(0x834000 >> 12));
    CHECK(write(file[1], heap + 0x111000, 1) < 0 && errno == EFAULT);
    CHECK(read(file[0], heap + 0x411000, 0) == 0);
    CHECK(heap[0x110000] == (char)(0x110000 >> 12) && heap[0x134000] == (char)(0x134000 >> 12));

    with_code(1 << 20);
    with_code(64 << 20);

    /* while other threads fork in the usual way */
    pthread_create(&thread, NULL, churn, NULL);
    for (int i = 0; i < 100; i++) {
        char *args[] = { "sh", "-c", "exit 3", NULL };
        const char *path = i % 10 ? "/no/such/file" : "/bin/sh";
        CHECK(posix_spawn(&pid, path, NULL, NULL, args, environ) == (i % 10 ? ENOENT : 0));
        if (i % 10 == 0) {
            CHECK(status_of(pid) == 3 << 8);
        }
    }
    running = 0;
    pthread_join(thread, NULL);
    if (!wrong) {
        puts("ok");
    }
    return wrong != 0;
}
