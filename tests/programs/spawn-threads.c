/*
 * Four threads start programs with posix_spawn, half of them by paths that lead nowhere: each result is the
 * right one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static int wrong;
static int rounds = 300;
static char self[4096];

static void *spawn(void *opaque)
{
    unsigned seed = (unsigned)(long)opaque;
    for (int i = 0; i < rounds; i++) {
        int code = rand_r(&seed) % 100, status, error;
        char text[8];
        char *right[] = { self, "exit", text, NULL };
        char *nowhere[] = { "nowhere", NULL };
        pid_t pid = -1;
        snprintf(text, sizeof(text), "%d", code);
        if (code % 2) {
            error = posix_spawn(&pid, self, NULL, NULL, right, environ);
            if (error || waitpid(pid, &status, 0) != pid || status != code << 8) {
                __sync_fetch_and_add(&wrong, 1);
                fprintf(stderr, "right path: error %d status %x instead of %d\n", error, status, code);
            }
        } else {
            const char *path = code % 4 ? "/no/such/file" : "/etc/passwd";
            error = posix_spawn(&pid, path, NULL, NULL, nowhere, environ);
            if (error != (code % 4 ? ENOENT : EACCES)) {
                __sync_fetch_and_add(&wrong, 1);
                fprintf(stderr, "wrong path: error %d\n", error);
            }
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread[4];
    if (argc == 3 && !strcmp(argv[1], "exit")) {
        return atoi(argv[2]);
    }
    if (argc == 2) {
        rounds = atoi(argv[1]);
    }
    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0) {
        perror("/proc/self/exe");
        return 1;
    }
    for (long i = 0; i < 4; i++) {
        pthread_create(&thread[i], NULL, spawn, (void *)(i + 1));
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(thread[i], NULL);
    }
    if (wrong) {
        printf("%d wrong\n", wrong);
        return 1;
    }
    puts("ok");
    return 0;
}
