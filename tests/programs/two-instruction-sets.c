/*
 * arm: calls between A32 and T32 functions, by address and by BLX to a constant, and returns out of IT
 * blocks.  The same return instruction goes back to either instruction set.
 */
#include <stdio.h>

#define A32 __attribute__((target("arm"), noinline)) static int
#define T32 __attribute__((target("thumb"), noinline)) static int

A32 arm_add(int x) { __asm__ volatile("" : "+r"(x)); return x + 1; }
T32 thumb_add(int x) { __asm__ volatile("" : "+r"(x)); return x + 10; }

/* Returns within an IT block: 1 for 0, else 2. */
__attribute__((target("thumb"), naked, noinline)) static int in_it_block(int x)
{
    __asm__(".thumb\n\tcmp r0, #0\n\tittt eq\n\tmoveq r0, #1\n\tnopeq\n\tbxeq lr\n\tmov r0, #2\n\tbx lr");
}

/* The same in A32. */
__attribute__((target("arm"), naked, noinline)) static int conditional(int x)
{
    __asm__(".arm\n\tcmp r0, #0\n\tmoveq r0, #1\n\tbxeq lr\n\tmov r0, #2\n\tbx lr");
}

static int (*volatile functions[4])(int) = { arm_add, thumb_add, in_it_block, conditional };

A32 from_arm(int i, int x) { return functions[i](x) + arm_add(0) + thumb_add(0); }
T32 from_thumb(int i, int x) { return functions[i](x) + arm_add(0) + thumb_add(0); }

int main(void)
{
    int i, x, bad = 0, want;

    for (x = 0; x < 4000; x++) {
        for (i = 0; i < 4; i++) {
            want = (i == 0 ? x % 2 + 1 : i == 1 ? x % 2 + 10 : x % 2 ? 2 : 1) + 11;
            bad += from_arm(i, x % 2) != want;
            bad += from_thumb(i, x % 2) != want;
        }
    }
    if (bad) {
        printf("%d results are wrong\n", bad);
    }
    puts(bad ? "wrong" : "ok");
    return bad != 0;
}
