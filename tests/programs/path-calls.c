/* Times calls that take a path: nanoseconds of each, a line for each kind. Arguments: how often each is made, and
   `KIND NAME PATH` for each. Kinds: `stat`, `open` (and close), `relative` (lstat of the last part, relative to
   the directory), `list` (all entries of the directory). */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e9 + time.tv_nsec;
}

int main(int argc, char **argv)
{
    long times = argc > 1 ? atol(argv[1]) : 1;
    for (int i = 2; i + 2 < argc; i += 3) {
        const char *kind = argv[i], *path = argv[i + 2], *last = strrchr(path, '/');
        struct stat stat_;
        int directory = AT_FDCWD;
        long found = 0, rounds = times;
        if (!strcmp(kind, "relative") && last) {
            char above[4096];
            snprintf(above, sizeof(above), "%.*s", (int)(last - path), path);
            directory = open(above, O_RDONLY | O_DIRECTORY);
        }
        if (!strcmp(kind, "list")) {
            rounds = times / 100 + 1;
        }
        double begin = now();
        for (long n = 0; n < rounds; n++) {
            if (!strcmp(kind, "stat")) {
                found += !stat(path, &stat_);
            } else if (!strcmp(kind, "open")) {
                int file = open(path, O_RDONLY);
                found += file >= 0;
                if (file >= 0) {
                    close(file);
                }
            } else if (!strcmp(kind, "relative")) {
                found += last && !fstatat(directory, last + 1, &stat_, AT_SYMLINK_NOFOLLOW);
            } else {
                DIR *list = opendir(path);
                while (list && readdir(list)) {
                    found++;
                }
                if (list) {
                    closedir(list);
                }
            }
        }
        printf("%s\t%.0f\t%ld\n", argv[i + 1], (now() - begin) / rounds, found / rounds);
        if (directory >= 0) {
            close(directory);
        }
    }
    return 0;
}
