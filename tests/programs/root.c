/* Says what it was built for and a number that its mathematical library has found. */
#include <math.h>
#include <stdio.h>

int main(int count, char **arguments)
{
    (void)arguments;
    printf("root=%.1f bits=%d\n", sqrt(count + 3.0), (int)sizeof(void *) * 8);
    return 0;
}
