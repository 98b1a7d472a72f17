/*
 * riscv64: a fault-only-first load shortens vl in the middle of a block.  What an indirect jump or a return
 * reaches afterwards must work with the new vl, not with code for the longest one.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Adds 1 to the vl elements at P. */
__attribute__((naked, noinline)) static void add_one(unsigned char *p)
{
    __asm__(".option push\n\t.option arch, +v\n\t"
            "vl1r.v v8, (a0)\n\tvadd.vi v8, v8, 1\n\tvs1r.v v8, (a0)\n\tret\n\t.option pop");
}

static void on_ill(int sig)
{
    puts("NOT RUN: no vectors");
    exit(0);
}

int main(void)
{
    unsigned char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned char out[256];
    int round, i, bad = 0, left;
    long vl, max;

    signal(SIGILL, on_ill);
    mprotect(page + 4096, 4096, PROT_NONE);
    for (round = 0; round < 200; round++) {
        left = round & 1 ? 4096 : 5;    /* bytes up to the page that cannot be read */
        memset(out, 7, sizeof out);
        /* The load, the jump: one block.  add_one runs with the vl that the load left. */
        __asm__ volatile(".option push\n\t.option arch, +v\n\t"
                         "vsetvli %1, zero, e8, m1, tu, mu\n\t"
                         "nop\n\tvle8ff.v v0, (%2)\n\t"
                         "mv a0, %3\n\tjalr ra, %4\n\t"
                         "csrr %0, vl\n\t.option pop"
                         : "=&r"(vl), "=&r"(max) : "r"(page + 4096 - left), "r"(out), "r"(add_one)
                         : "a0", "ra", "memory");
        if (vl != (left < max ? left : max)) {
            printf("vl %ld, not %d\n", vl, left);
            bad = 1;
        }
        for (i = 0; i < 256; i++) {
            bad |= out[i] != (i < vl ? 8 : 7);
        }
    }
    puts(bad ? "wrong" : "ok");
    return bad;
}
