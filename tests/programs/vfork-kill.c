/*
 * A child that is killed at any moment of its short life leaves the parent sound. Arguments: how many; MiB of
 * memory that the parent has, with the child's arguments in it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static volatile int done;
/* How long a spawn and its program take, in nanoseconds. */
static long usual;

static long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000l + t.tv_nsec;
}

/* Kills what is a child of this process, without being told when: the spawn is still under way. */
static void *killer(void *opaque)
{
    char path[64];
    unsigned seed = (unsigned)(long)opaque;
    snprintf(path, sizeof(path), "/proc/%d/task/%ld/children", getpid(), (long)opaque);
    while (!done) {
        struct timespec pause = { 0, rand_r(&seed) % (rand_r(&seed) % 4 ? usual : 3 * usual) };
        char text[64] = "";
        nanosleep(&pause, NULL);
        int fd = open(path, O_RDONLY);
        if (fd >= 0) {
            if (read(fd, text, sizeof(text) - 1) > 0 && atoi(text) > 1) {
                kill(atoi(text), SIGKILL);
            }
            close(fd);
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 1000, killed = 0, ran = 0, failed = 0, wrong = 0;
    char *child_argv[] = { "true", NULL };
    pthread_t thread;
    size_t size = argc > 2 ? (size_t)atoi(argv[2]) << 20 : 0;

    if (size) {
        char *heap = malloc(size);
        memset(heap, 'h', size);
        strcpy(heap + size / 2, "true");
        child_argv[0] = heap + size / 2;
    }
    if (access("/proc/thread-self/children", R_OK)) {
        puts("NOT RUN: no /proc/PID/task/TID/children");
        return 77;
    }
    for (int i = 0; i < 5; i++) {
        long start = now(), took;
        pid_t pid;
        if (posix_spawn(&pid, "/bin/true", NULL, NULL, child_argv, environ) || waitpid(pid, NULL, 0) != pid) {
            puts("no spawn");
            return 1;
        }
        took = now() - start;
        usual = i && usual < took ? usual : took;
    }
    usual = usual > 300000000 ? 300000000 : usual;
    pthread_create(&thread, NULL, killer, (void *)(long)gettid());
    for (int i = 0; i < rounds; i++) {
        pid_t pid = -1;
        int status;
        int error = posix_spawn(&pid, i % 3 ? "/bin/true" : "/no/such/file", NULL, NULL, child_argv, environ);
        if (error) {
            failed++;
            wrong += error != ENOENT;
            continue;
        }
        if (waitpid(pid, &status, 0) != pid) {
            wrong++;
        } else if (WIFSIGNALED(status)) {
            killed++;
        } else if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
            ran++;
        } else {
            wrong++;
        }
        free(malloc(rand() % 100000));
    }
    done = 1;
    pthread_join(thread, NULL);
    if (wrong || !killed || !ran || !failed) {
        printf("%d wrong, %d killed, %d ran, %d failed\n", wrong, killed, ran, failed);
        return 1;
    }
    fprintf(stderr, "%d killed, %d ran, %d failed\n", killed, ran, failed);
    puts("ok");
    return 0;
}
