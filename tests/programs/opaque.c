/* Makes itself opaque, and executes a program: `opaque PROGRAM`. */
#include <sys/prctl.h>
#include <unistd.h>

int main(int count, char **arguments)
{
    if (count < 2 || prctl(PR_SET_DUMPABLE, 0) != 0)
        return 8;
    execv(arguments[1], arguments + 1);
    return 9;
}
