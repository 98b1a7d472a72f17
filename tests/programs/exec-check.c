/* Asks whether each of its arguments could be executed (AT_EXECVE_CHECK, Linux 6.14), and says what the kernel
   says. It goes on afterwards: nothing is executed. An empty argument waits for a byte on the standard input. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        char *none[] = { NULL };
        if (!*argv[i]) {
            puts("waits");
            fflush(stdout);
            getchar();
            continue;
        }
        long said = syscall(SYS_execveat, AT_FDCWD, argv[i], none, none, 0x10000);
        puts(said ? strerror(errno) : "yes");
        fflush(stdout);
    }
    return 0;
}
