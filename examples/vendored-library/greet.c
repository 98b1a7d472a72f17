/* A dynamic program: it needs libgreeting.so and the C library. */
#include <stdio.h>

const char *greeting(void);

int main(void)
{
    puts(greeting());
    return 0;
}
