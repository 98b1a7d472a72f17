/* Asks whether each of its arguments could be executed (AT_EXECVE_CHECK, Linux 6.14), and says what the kernel
   says. It goes on afterwards: nothing is executed. */
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
        long said = syscall(SYS_execveat, AT_FDCWD, argv[i], none, none, 0x10000);
        puts(said ? strerror(errno) : "yes");
        fflush(stdout);
    }
    return 0;
}
