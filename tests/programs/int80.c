/* Executes a program by the 32-bit way of calling the kernel out of a 64-bit program: PROGRAM [ARGUMENT]...
 * Prints the error if that fails. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

int main(int argc, char **argv)
{
    int map = MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT;
    char *page = mmap(0, 65536, PROT_READ | PROT_WRITE, map, -1, 0);
    if (page == MAP_FAILED || argc < 2)
        return 2;
    uint32_t *list = (uint32_t *)page;
    char *strings = page + 4096;
    for (int i = 1; i < argc; i++) {
        *list++ = (uint32_t)(uintptr_t)strings;
        strings = stpcpy(strings, argv[i]) + 1;
    }
    int result;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(11), "b"((uint32_t)(uintptr_t)(page + 4096)), "c"((uint32_t)(uintptr_t)page), "d"(0)
                     : "memory");
    puts(strerror(-result));
    return 3;
}
