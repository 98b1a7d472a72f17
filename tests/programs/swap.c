/* An attacker: exchanges two names for each other, again and again, until its standard input ends.
 *
 *   swap ONE OTHER
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif

#include <sys/syscall.h>

int main(int argc, char **argv) {
    unsigned pause = 0;
    if (argc != 3)
        return 95;
    puts("swapping");
    fflush(stdout);
    for (;;) {
        struct pollfd input = {0, POLLIN, 0};
        if (syscall(SYS_renameat2, AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE)) {
            perror("swap");
            return 1;
        }
        /* Every rhythm from as fast as it goes to a few in a millisecond: what is attacked has its own. */
        pause = (pause * 1103515245u + 12345u) % 2147483648u;
        usleep(pause / 65536 % 400);
        if (poll(&input, 1, 0))
            return 0;
    }
}
