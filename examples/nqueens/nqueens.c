/* How many ways there are to place N queens on a board of N by N squares so that none attacks another. */
#include <stdio.h>
#include <stdlib.h>

#if defined __riscv
#define CPU "riscv64"
#elif defined __x86_64__
#define CPU "x86_64"
#elif defined __aarch64__
#define CPU "aarch64"
#else
#define CPU "another CPU"
#endif

/* Bits stand for columns that are attacked: straight down, and along the two diagonals. */
static unsigned long place(unsigned all, unsigned columns, unsigned left, unsigned right)
{
    if (columns == all)
        return 1;
    unsigned long ways = 0;
    for (unsigned free = all & ~(columns | left | right); free; free &= free - 1) {
        unsigned queen = free & -free;
        ways += place(all, columns | queen, (left | queen) << 1, (right | queen) >> 1);
    }
    return ways;
}

int main(int count, char **arguments)
{
    int queens = count > 1 ? atoi(arguments[1]) : 8;
    if (queens < 1 || queens > 16) {
        fprintf(stderr, "usage: %s [QUEENS], 1 to 16\n", arguments[0]);
        return 2;
    }
    printf("%d queens: %lu ways, counted on %s\n", queens, place((1u << queens) - 1, 0, 0, 0), CPU);
    return 0;
}
