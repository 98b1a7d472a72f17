/*
 * x86: with TF set, every instruction gets SIGTRAP, also across calls by address and returns that have run
 * without TF before; without TF none does.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <ucontext.h>

static volatile int traps, seen_function;

__attribute__((noinline)) static int add(int x) { __asm__ volatile("" : "+r"(x)); return x + 1; }

static int (*volatile function)(int) = add;

#ifdef __x86_64__
#define PC REG_RIP
#define SET "pushfq\n\torq $0x100, (%%rsp)\n\tpopfq"
#define CLEAR "pushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq"
#else
#define PC REG_EIP
#define SET "pushfl\n\torl $0x100, (%%esp)\n\tpopfl"
#define CLEAR "pushfl\n\tandl $~0x100, (%%esp)\n\tpopfl"
#endif

static void on_trap(int sig, siginfo_t *info, void *context)
{
    ucontext_t *u = context;

    traps++;
    seen_function += (void *)u->uc_mcontext.gregs[PC] == (void *)add;
}

int main(void)
{
    struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
    int i, x = 0, bad = 0, before;

    sigaction(SIGTRAP, &action, NULL);
    for (i = 0; i < 100; i++) {
        before = traps;
        x = function(x);
        x = function(x);
        if (traps != before) {
            printf("%d traps without TF\n", traps - before);
            bad = 1;
        }
        seen_function = 0;
        __asm__ volatile(SET : : : "memory");
        x = function(x);
        x = function(x);
        __asm__ volatile(CLEAR : : : "memory");
        if (seen_function != 2) {
            printf("stopped %d times at the start of the function, not 2\n", seen_function);
            bad = 1;
            break;
        }
    }
    puts(bad || x != 400 ? "wrong" : "ok");
    return bad;
}
