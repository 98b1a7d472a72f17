/* A program whose source nobody has any more. */
#include <limits.h>
#include <stdio.h>

int engine_version(void);
int engine_average(int a, int b);

int main(void)
{
    printf("engine %d: the average is %s\n", engine_version(), engine_average(INT_MAX, INT_MAX) == INT_MAX ? "right" : "wrong");
    return 0;
}
