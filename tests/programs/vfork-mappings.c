/*
 * Mappings that a vforked child makes and changes, with one thread, and with a second one that maps memory
 * meanwhile: neither gets the other's contents, and the rights are those that the child has set.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 64 * 1024 };

static sigjmp_buf back;
static int bad, ask[2], answer[2];
static char *volatile of_child, *volatile of_thread, *volatile heap;

#define CHECK(what) do { if (!(what)) { printf("line %d: %s\n", __LINE__, #what); bad = 1; } } while (0)

static void on_fault(int signal)
{
    (void)signal;
    siglongjmp(back, 1);
}

static int is_writable(char *at)
{
    if (sigsetjmp(back, 1))
        return 0;
    *(volatile char *)at = 'w';
    return 1;
}

static int is_all(const char *at, char byte)
{
    for (int i = 0; i < SIZE; i++)
        if (at[i] != byte)
            return 0;
    return 1;
}

static char *mapping(int prot)
{
    char *at = mmap(NULL, SIZE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static void one_thread(void)
{
    char *there = mapping(PROT_READ | PROT_WRITE), *later = mapping(PROT_READ);
    int status;
    pid_t pid = vfork();

    if (pid == 0) {
        of_child = mapping(PROT_NONE);
        memset(there, 'c', SIZE);
        mprotect(there, SIZE, PROT_READ);
        mprotect(later, SIZE, PROT_READ | PROT_WRITE);
        memset(later, 'l', SIZE);
        _exit(3);
    }
    waitpid(pid, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    CHECK(of_child && !is_writable(of_child));
    CHECK(is_all(there, 'c') && !is_writable(there));
    CHECK(is_all(later, 'l') && is_writable(later));
}

/* Maps memory, and makes the heap larger, when the child asks for it. */
static void *other(void *arg)
{
    char byte;

    while (read(ask[0], &byte, 1) == 1 && byte != 'e') {
        of_thread = mapping(PROT_READ | PROT_WRITE);
        memset(of_thread, 't', SIZE);
#ifdef __GLIBC__ /* musl's malloc takes for granted that nobody else moves the end of the heap */
        heap = sbrk(SIZE);
        memset(heap, 'h', SIZE);
#endif
        byte = 'd';
        if (write(answer[1], &byte, 1) != 1)
            break;
    }
    return arg;
}

/* What the child does once the thread has mapped its memory. */
static void as_child(int what)
{
    char byte = 'm';

    if (write(ask[1], &byte, 1) != 1 || read(answer[0], &byte, 1) != 1)
        _exit(1);
    if (what > 0) {
        char *own = mapping(PROT_READ | PROT_WRITE);
        memset(own, 'c', SIZE);
        if (what > 1)
            munmap(own, SIZE);
    }
    syscall(SYS_brk, 0);
    _exit(3);
}

static void two_threads(void)
{
    pthread_t thread;
    char byte = 'e';
    int status;

    CHECK(pipe(ask) == 0 && pipe(answer) == 0);
    pthread_create(&thread, NULL, other, NULL);
    for (int i = 0; i < 30; i++) {
        pid_t pid = vfork();
        if (pid == 0)
            as_child(i % 3);
        waitpid(pid, &status, 0);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
        CHECK(of_thread && is_all(of_thread, 't'));
        CHECK(!heap || is_all(heap, 'h'));
    }
    CHECK(write(ask[1], &byte, 1) == 1);
    pthread_join(thread, NULL);
}

int main(void)
{
    signal(SIGSEGV, on_fault);
    alarm(60);
    one_thread();
    two_threads();
    puts(bad ? "wrong" : "ok");
    return bad;
}
