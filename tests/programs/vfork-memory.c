/*
 * What a vfork child does to memory is what the parent finds: bytes, the heap, mappings; and never the
 * parent's other pages.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int wrong;
static volatile int counter;
static volatile char big[1 << 20];
#define CHECK(what) \
    do { \
        if (!(what)) { \
            printf("line %d: %s (errno %d)\n", __LINE__, #what, errno); \
            wrong++; \
        } \
    } while (0)

static int status_of(pid_t pid)
{
    int status = -1;
    return waitpid(pid, &status, 0) == pid ? status : -1;
}

static volatile int running = 1;
static volatile unsigned long other[64];
static void *count(void *opaque)
{
    while (running) {
        for (int i = 0; i < 64; i += 2) {
            other[i]++;
        }
    }
    return NULL;
}

static int in_clone(void *arg)
{
    *(int *)arg = 42;
    counter = 7;
    _exit(3);
}

int main(void)
{
    static char *volatile block;
    static void *volatile map;
    static char *volatile file;
    volatile int local = 1;
    volatile unsigned long total = 0;
    pthread_t thread;
    pid_t pid;
    char *stack = malloc(65536);
    volatile int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    /* bytes on the stack, in data and in many pages */
    pid = vfork();
    if (pid == 0) {
        local = 2;
        counter = 5;
        for (int i = 0; i < sizeof(big); i += 1000) {
            big[i] = i % 251 + 1;
        }
        shared[0] = 9;
        _exit(17);
    }
    CHECK(pid > 0);
    CHECK(local == 2 && counter == 5 && shared[0] == 9);
    for (int i = 0; i < sizeof(big); i += 1000) {
        CHECK(big[i] == (char)(i % 251 + 1));
    }
    CHECK(status_of(pid) == 17 << 8);

    /* after a failed exec */
    pid = vfork();
    if (pid == 0) {
        char *argv[] = { "x", NULL };
        execv("/no/such/file", argv);
        counter = errno;
        _exit(127);
    }
    CHECK(counter == ENOENT);
    CHECK(status_of(pid) == 127 << 8);

    /* before a successful one */
    pid = vfork();
    if (pid == 0) {
        char *argv[] = { "true", NULL };
        counter = 1234;
        execv("/bin/true", argv);
        counter = errno;
        _exit(127);
    }
    CHECK(counter == 1234);
    CHECK(status_of(pid) == 0);

    /* the heap, grown by the child, small blocks and large ones, freed by the parent */
    for (int i = 0; i < 20; i++) {
        pid = vfork();
        if (pid == 0) {
            size_t size = i % 2 ? 3000 + i * 20000 : 300000 + i * 100000;
            block = malloc(size);
            memset(block, 'a' + i, size);
            block[size - 1] = 'z';
            _exit(0);
        }
        CHECK(status_of(pid) == 0);
        size_t size = i % 2 ? 3000 + i * 20000 : 300000 + i * 100000;
        CHECK(block[0] == 'a' + i && block[size - 2] == 'a' + i && block[size - 1] == 'z');
        char *again = malloc(size * 2);
        memset(again, 1, size * 2);
        if (i % 3) {
            free(block);
        }
        free(again);
    }

#ifdef __GLIBC__
    /* many changes of the heap's size; musl's sbrk makes none */
    pid = vfork();
    if (pid == 0) {
        char *first = sbrk(0);
        for (int i = 0; i < 600; i++) {
            *(char *)sbrk(64) = i;
        }
        block = first;
        _exit(0);
    }
    CHECK(status_of(pid) == 0);
    CHECK((char *)sbrk(0) == block + 600 * 64 && block[64 * 5] == 5);
    sbrk(-300 * 64);
#endif

    /* mappings: made, unmapped, protected, of a file */
    char *gone = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *hard = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pid = vfork();
    if (pid == 0) {
        map = mmap(NULL, 100000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        memset(map, 'm', 100000);
        munmap(gone, 8192);
        mprotect(hard, 8192, PROT_READ | PROT_WRITE);
        hard[5000] = 'h';
        int fd = open("/proc/self/exe", O_RDONLY);
        file = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
        close(fd);
        _exit(0);
    }
    CHECK(status_of(pid) == 0);
    CHECK(((char *)map)[0] == 'm' && ((char *)map)[99999] == 'm');
    ((char *)map)[1] = 'n';
    CHECK(mincore(gone, 8192, (void *)big) < 0 && errno == ENOMEM);
    CHECK(hard[5000] == 'h');
    hard[0] = 1;
    CHECK(!memcmp(file, "\177ELF", 4));

    /* nested, and a usual fork within */
    pid = vfork();
    if (pid == 0) {
        pid_t inner = vfork();
        if (inner == 0) {
            counter = 100;
            _exit(1);
        }
        int status = status_of(inner);
        counter += status >> 8;
        inner = fork();
        if (inner == 0) {
            counter = 5000;
            big[5] = 5;
            _exit(0);
        }
        status_of(inner);
        _exit(0);
    }
    CHECK(status_of(pid) == 0);
    CHECK(counter == 101);

    /* clone on a stack of one's own */
    int value = 0;
    pid = clone(in_clone, stack + 65536, CLONE_VM | CLONE_VFORK | SIGCHLD, &value);
    CHECK(value == 42 && counter == 7);
    CHECK(status_of(pid) == 3 << 8);

    /* what other threads write meanwhile stays, in the same pages too */
    pthread_create(&thread, NULL, count, NULL);
    for (int i = 0; i < 200; i++) {
        unsigned long was = other[0];
        pid = vfork();
        if (pid == 0) {
            for (int k = 1; k < 64; k += 2) {
                other[k]++;
            }
            usleep(200);
            _exit(0);
        }
        CHECK(status_of(pid) == 0);
        CHECK(other[0] >= was);
        total += other[1];
    }
    running = 0;
    pthread_join(thread, NULL);
    CHECK(other[1] == 200 && other[63] == 200 && other[0] >= other[62]);
    CHECK(total == 200 * 201 / 2);

    /* handlers, masks, directories and descriptors of the child are its own */
    signal(SIGUSR1, SIG_IGN);
    sigset_t set, now;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    char before[4096], after[4096];
    CHECK(getcwd(before, sizeof(before)));
    int fd = dup(0);
    pid = vfork();
    if (pid == 0) {
        signal(SIGUSR1, SIG_DFL);
        sigprocmask(SIG_BLOCK, &set, NULL);
        _exit(chdir("/") || close(fd) || setsid() < 0);
    }
    CHECK(status_of(pid) == 0);
    CHECK(signal(SIGUSR1, SIG_DFL) == SIG_IGN);
    sigprocmask(SIG_BLOCK, NULL, &now);
    CHECK(!sigismember(&now, SIGUSR2));
    CHECK(getcwd(after, sizeof(after)) && !strcmp(before, after));
    CHECK(close(fd) == 0);

    if (!wrong) {
        puts("ok");
    }
    return wrong != 0;
}
