/*
 * Loops of nothing but indirect calls and returns must see signals: from a timer, from another thread, and
 * those that end a thread.  Forks and vforks in between go on with their own caches.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t ticks, usr1;
static sigjmp_buf out;

static void on_tick(int sig)
{
    if (sig == SIGUSR1) {
        usr1++;
    } else {
        ticks++;
    }
}

static void on_fault(int sig)
{
    siglongjmp(out, sig);
}

static __attribute__((noinline)) int one(int x) { __asm__ volatile("" : "+r"(x)); return x + 1; }
static __attribute__((noinline)) int two(int x) { __asm__ volatile("" : "+r"(x)); return x + 2; }

static int (*volatile functions[2])(int) = { one, two };

static atomic_int stop;

static void *looper(void *result)
{
    int x = 0, i = 0;

    while (!atomic_load(&stop)) {
        x = functions[i ^= 1](x);
    }
    *(int *)result = x;
    return NULL;
}

int main(void)
{
    struct itimerval each_ms = { { 0, 1000 }, { 0, 1000 } }, none = { 0 };
    pthread_t threads[3];
    int results[3], i, x = 0, bad = 0, status;
    volatile int faults = 0;
    pid_t pid;

    signal(SIGALRM, on_tick);
    signal(SIGUSR1, on_tick);
    signal(SIGSEGV, on_fault);
    setitimer(ITIMER_REAL, &each_ms, NULL);
    for (i = 0; ticks < 200; i ^= 1) {
        x = functions[i](x);
    }
    setitimer(ITIMER_REAL, &none, NULL);

    for (i = 0; i < 3; i++) {
        pthread_create(&threads[i], NULL, looper, &results[i]);
    }
    for (i = 0; usr1 < 100 && i < 100000; i++) {
        pthread_kill(threads[i % 3], SIGUSR1);
        usleep(200);
    }
    if (usr1 < 100) {
        printf("threads took %d signals\n", (int)usr1);
        bad = 1;
    }
    for (i = 0; i < 20; i++) {
        pid = i & 1 ? vfork() : fork();
        if (pid == 0) {
            if (i & 1) {
                _exit(i);
            }
            for (x = 0; x < 100000;) {
                x = functions[x & 1](x);
            }
            _exit(i);
        }
        waitpid(pid, &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != i) {
            printf("child %d: status %x\n", i, status);
            bad = 1;
        }
    }
    atomic_store(&stop, 1);
    for (i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }

    for (i = 0; i < 300; i++) {
        if (sigsetjmp(out, 1) == 0) {
            functions[0] = (int (*)(int))(i & 1 ? 0x8 : 0x10000000);
            functions[0](1);
            bad = 1;
            puts("a jump to nothing returned");
        } else {
            faults++;
            functions[0] = one;
        }
        x = functions[0](x);
    }
    if (faults != 300) {
        printf("%d faults\n", faults);
        bad = 1;
    }

    /* A child that only jumps ends by a signal. */
    pid = fork();
    if (pid == 0) {
        for (i = 0;; i ^= 1) {
            x = functions[i](x);
        }
    }
    usleep(20000);
    kill(pid, SIGTERM);
    waitpid(pid, &status, 0);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGTERM) {
        printf("status %x\n", status);
        bad = 1;
    }
    puts(bad ? "wrong" : "ok");
    return bad;
}
