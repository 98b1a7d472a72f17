/* pages: what a program that believes in pages of 4 KiB can do. Each line is one thing and whether it worked. Plain C, so that it
   is compiled for any CPU; it is run as an x86_64 program, whose pages are never larger. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096

static sigjmp_buf back;

static void caught(int number)
{
    (void)number;
    siglongjmp(back, 1);
}

static int faults(volatile char *at)
{
    if (sigsetjmp(back, 1))
        return 1;
    *at = 1;
    return 0;
}

static void told(const char *what, int works)
{
    printf("%s: %s\n", what, works ? "yes" : "no");
    fflush(stdout);
}

int main(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = caught;
    sigaction(SIGSEGV, &action, 0);
    sigaction(SIGBUS, &action, 0);

    FILE *file = tmpfile();
    static char bytes[4 * PAGE];
    memset(bytes, 'a', PAGE);
    memset(bytes + PAGE, 'b', PAGE);
    if (!file || fwrite(bytes, 1, sizeof bytes, file) != sizeof bytes || fflush(file))
        return 1;
    int fd = fileno(file);
    int rw = PROT_READ | PROT_WRITE;

    char *map = mmap(0, PAGE, PROT_READ, MAP_PRIVATE, fd, PAGE);
    told("a file from its second page", map != MAP_FAILED && map[0] == 'b');

    char *room = mmap(0, 64 * PAGE, rw, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        return 1;
    memset(room, 'x', 64 * PAGE);
    map = mmap(room + PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, PAGE);
    told("a file over one page of memory", map != MAP_FAILED && map[0] == 'b' && room[0] == 'x' && room[2 * PAGE] == 'x');
    map = mmap(room + 33 * PAGE, PAGE, rw, MAP_SHARED | MAP_FIXED, fd, PAGE);
    told("a shared, writable file over one page", map != MAP_FAILED && map[0] == 'b');

    char *guarded = mmap(0, 64 * PAGE, rw, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (guarded == MAP_FAILED)
        return 1;
    memset(guarded, 'x', 64 * PAGE);
    int said = mprotect(guarded + PAGE, PAGE, PROT_NONE);
    told("a guard page is allowed", said == 0);
    told("its neighbours stay usable", !faults(guarded) && !faults(guarded + 2 * PAGE));
    told("it guards", faults(guarded + PAGE));

    void *grown = mmap(0, PAGE, rw, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    grown = grown == MAP_FAILED ? grown : mremap(grown, PAGE, 3 * PAGE, MREMAP_MAYMOVE);
    told("one page grows to three", grown != MAP_FAILED);
    return 0;
}
