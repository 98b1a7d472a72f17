/* qsort(3) with a comparison that is a function of ours: calls and returns through pointers. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static int compare(const void *one, const void *other)
{
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    return (a > b) - (a < b);
}

int main(int count, char **arguments)
{
    size_t length = count > 1 ? (size_t)atol(arguments[1]) : 1000;
    uint32_t *numbers = malloc(length * sizeof *numbers), seed = 1, sum = 0;
    if (numbers == NULL)
        return 1;
    for (size_t i = 0; i < length; i++)
        numbers[i] = seed = seed * 1664525 + 1013904223;
    qsort(numbers, length, sizeof *numbers, compare);
    for (size_t i = 0; i < length; i++)
        sum = sum * 31 + numbers[i];
    printf("%08x\n", (unsigned)sum);
    return 0;
}
