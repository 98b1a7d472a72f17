/*
 * Code that changes: rewritten in place, by this and by another thread; unmapped and mapped again at the
 * same address; made writable and executable in turn.  Each version must run after the change, never the
 * former one.  The calls are indirect, so that they go through the jump cache.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef int (*function)(void);

#ifdef __powerpc64__
/* Neither every compiler nor every library has __builtin___clear_cache here. */
static void clear_cache(char *from, char *to)
{
    char *p;

    for (p = from; p < to; p += 4) {
        __asm__ volatile("dcbst 0,%0\n\tsync\n\ticbi 0,%0" : : "r"(p) : "memory");
    }
    __asm__ volatile("sync\n\tisync" : : : "memory");
}
#define CLEAR_CACHE clear_cache
#elif defined(__s390x__)
/* Its caches are coherent. */
#define CLEAR_CACHE(from, to) ((void)(from), (void)(to))
#else
#define CLEAR_CACHE __builtin___clear_cache
#endif

/* A function that returns N (0..99). */
static size_t emit(void *at, int n)
{
#if defined(__riscv)
    unsigned code[] = { 0x00000513 | n << 20, 0x00008067 };             /* li a0,n; ret */
#elif defined(__aarch64__)
    unsigned code[] = { 0x52800000 | n << 5, 0xd65f03c0 };              /* mov w0,#n; ret */
#elif defined(__arm__)
    unsigned code[] = { 0xe3a00000 | n, 0xe12fff1e };                   /* mov r0,#n; bx lr */
#elif defined(__x86_64__) || defined(__i386__)
    unsigned char code[] = { 0xb8, n, 0, 0, 0, 0xc3 };                  /* mov $n,%eax; ret */
#elif defined(__powerpc64__)
    unsigned code[] = { 0x38600000 | n, 0x4e800020 };                   /* li r3,n; blr */
#elif defined(__s390x__)
    unsigned char code[] = { 0xa7, 0x29, 0, n, 0x07, 0xfe };            /* lghi %r2,n; br %r14 */
#elif defined(__loongarch__)
    unsigned code[] = { 0x03800004 | n << 10, 0x4c000020 };             /* ori $a0,$zero,n; ret */
#else
#error architecture
#endif
    memcpy(at, code, sizeof code);
    CLEAR_CACHE(at, (char *)at + sizeof code);
    return sizeof code;
}

static void *map(void *at, int prot)
{
    void *p = mmap(at, 65536, prot, MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED : 0), -1, 0);

    if (p == MAP_FAILED) {
        perror("mmap");
        exit(2);
    }
    return p;
}

static char *shared;
static atomic_int turn;

static void *other_thread(void *unused)
{
    int i;

    for (i = 0; i < 500; i++) {
        while (atomic_load(&turn) != 2 * i + 1) {
        }
        emit(shared, i % 100);
        atomic_store(&turn, 2 * i + 2);
    }
    return unused;
}

int main(void)
{
    pthread_t thread;
    volatile function f;
    char *p = map(NULL, PROT_READ | PROT_WRITE | PROT_EXEC);
    int i, j, bad = 0;

    f = (function)p;
    for (i = 0; i < 2000; i++) {
        emit(p, i % 100);
        for (j = 0; j < 3; j++) {
            bad += f() != i % 100;
        }
    }
    if (bad) {
        printf("rewritten in place: %d calls of old code\n", bad);
    }

    for (i = 0; i < 300; i++) {
        munmap(p, 65536);
        map(p, PROT_READ | PROT_WRITE | PROT_EXEC);
        emit(p, i % 100);
        for (j = 0; j < 3; j++) {
            bad += f() != i % 100;
        }
    }
    if (bad) {
        printf("mapped again: %d calls of old code\n", bad);
    }

    for (i = 0; i < 300; i++) {
        mprotect(p, 65536, PROT_READ | PROT_WRITE);
        emit(p, i % 100);
        mprotect(p, 65536, PROT_READ | PROT_EXEC);
        for (j = 0; j < 3; j++) {
            bad += f() != i % 100;
        }
    }
    if (bad) {
        printf("writable and executable in turn: %d calls of old code\n", bad);
    }

    shared = map(NULL, PROT_READ | PROT_WRITE | PROT_EXEC);
    emit(shared, 42);
    f = (function)shared;
    f();
    pthread_create(&thread, NULL, other_thread, NULL);
    for (i = 0; i < 500; i++) {
        atomic_store(&turn, 2 * i + 1);
        while (atomic_load(&turn) != 2 * i + 2) {
        }
        for (j = 0; j < 3; j++) {
            bad += f() != i % 100;
        }
    }
    pthread_join(thread, NULL);

    puts(bad ? "wrong" : "ok");
    return bad != 0;
}
