/* Says what it was built for. Static, so that it needs nothing else. */
#include <stdio.h>

#if defined __riscv
#define CPU "riscv64"
#elif defined __aarch64__
#define CPU "aarch64"
#elif defined __x86_64__
#define CPU "x86_64"
#else
#error "no build for this one"
#endif

int main(void)
{
    printf("greetings from " VERSION ", built for " CPU "\n");
    return 0;
}
