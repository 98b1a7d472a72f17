/* Tells where it runs from and what of which files is mapped: the answer of a library, level, argv[0], its own file, LD_* variables, maps. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef LEVEL
#define LEVEL "0"
#endif

extern char **environ;
const char *answer(void);

int main(int count, char **arguments)
{
    char line[8192];
    ssize_t length = readlink("/proc/self/exe", line, sizeof line - 1);
    line[length < 0 ? 0 : length] = 0;
    printf("answer=%s\nlevel=%s\nargv0=%s\nexe=%s\n", answer(), LEVEL, arguments[0], line);
    for (char **variable = environ; *variable; variable++)
        if (!strncmp(*variable, "LD_", 3))
            printf("env=%s\n", *variable);
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        char *path = strchr(line, '/');
        if (path)
            printf("map=%s", path);
    }
    return count > 1 ? 7 : 0;
}
