/* Executes a program in a directory that is open by a number: `at NUMBER DIRECTORY PROGRAM ARGUMENTS`. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

extern char **environ;

int main(int count, char **arguments)
{
    int number = count > 3 ? atoi(arguments[1]) : -1;
    int directory = count > 3 ? open(arguments[2], O_RDONLY | O_DIRECTORY) : -1;
    if (directory < 0 || dup2(directory, number) < 0)
        return 8;
    syscall(SYS_execveat, number, arguments[3], arguments + 3, environ, 0);
    return 9;
}
