/* What a program sees of files: who it is, what its library says, the contents of files and how many names
   are in directories. */
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

const char *answer(void);

int main(int count, char **arguments)
{
    char own[4096] = "", text[256];
    if (readlink("/proc/self/exe", own, sizeof own - 1) < 0)
        return 1;
    printf("%s, %s, %s\n", arguments[0], own, answer());
    for (int i = 1; i < count; i++) {
        DIR *directory = opendir(arguments[i]);
        int names = 0;
        while (directory && readdir(directory))
            names++;
        if (directory) {
            printf("%d\n", names);
            continue;
        }
        FILE *file = fopen(arguments[i], "r");
        printf("%s", file && fgets(text, sizeof text, file) ? text : "none\n");
    }
    return 0;
}
