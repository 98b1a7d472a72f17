/* A small virtual machine: one indirect jump for each of its instructions, as in every interpreter. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { ADD, SUBTRACT, SHIFT, EXCLUSIVE_OR, LOAD, STORE, LOOP, STOP };

int main(int count, char **arguments)
{
    static const unsigned char code[] = {ADD, SHIFT, EXCLUSIVE_OR, STORE, SUBTRACT, LOAD, ADD, EXCLUSIVE_OR, STORE, LOOP, STOP};
    static const void *const labels[] = {&&add, &&subtract, &&shift, &&exclusive_or, &&load, &&store, &&loop, &&stop};
    long turns = count > 1 ? atol(arguments[1]) : 1000;
    uint64_t a = 1, b = 0x9e3779b97f4a7c15, memory[16] = {0};
    const unsigned char *next = code;
#define NEXT goto *labels[*next++]
    NEXT;
add:
    a += b;
    NEXT;
subtract:
    b -= a >> 3;
    NEXT;
shift:
    a = a << 7 | a >> 57;
    NEXT;
exclusive_or:
    a ^= b;
    NEXT;
load:
    b = memory[a & 15];
    NEXT;
store:
    memory[b & 15] = a;
    NEXT;
loop:
    if (--turns > 0)
        next = code;
    NEXT;
stop:
    printf("%016llx\n", (unsigned long long)(a ^ b));
    return 0;
}
