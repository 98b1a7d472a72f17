/*
 * What execve does with files of every kind, one line each. The output for a program of the target below
 * `-children on` must be that of the same program, built for the host, without an emulator. Argument: a
 * directory for the files.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef AT_EXECVE_CHECK
#define AT_EXECVE_CHECK 0x10000
#endif

static char self[4096], dir[4096];

/* Where the programs that this one starts find the directory, since arguments and variables are tested. */
static const char *note_path(void)
{
    static char path[64];
    snprintf(path, sizeof(path), "/tmp/.exec-errors-%u", (unsigned)geteuid());
    return path;
}

/* Tells what a program finds at its start. */
static int tell(int argc, char **argv, char **envp)
{
    struct sigaction act;
    sigset_t mask;
    char comm[32] = "", link[4096] = "";
    struct itimerval timer;
    int n;

    printf("argc %d:", argc);
    for (int i = 0; i < argc; i++) {
        char *s = argv[i];
        if (!strncmp(s, dir, strlen(dir))) {
            printf(" [DIR%s]", s + strlen(dir));
        } else if (strlen(s) > 100) {
            printf(" [%zu x %c]", strlen(s), s[0]);
        } else {
            printf(" [%s]", s);
        }
    }
    for (n = 0; envp[n]; n++) {
    }
    printf(" env %d", n);
    for (int i = 0; i < n && n < 4; i++) {
        printf(" [%.40s]", envp[i]);
    }
    printf(" ign");
    for (int i = 1; i < 32; i++) {
        if (sigaction(i, NULL, &act) == 0 && act.sa_handler == SIG_IGN) {
            printf(" %d", i);
        } else if (sigaction(i, NULL, &act) == 0 && act.sa_handler != SIG_DFL) {
            printf(" handler:%d", i);
        }
    }
    sigprocmask(SIG_BLOCK, NULL, &mask);
    printf(" blocked");
    for (int i = 1; i < 61; i++) {
        if (sigismember(&mask, i)) {
            printf(" %d", i);
        }
    }
    prctl(PR_GET_NAME, comm);
    printf(" comm %s", comm);
    n = readlink("/proc/self/exe", link, sizeof(link) - 1);
    link[n < 0 ? 0 : n] = 0;
    printf(" exe %s", !strcmp(link, self) || (strstr(link, ".rv") && !strstr(link, "qemu")) ? "self" : link);
    printf(" fds");
    for (int i = 0; i < 64; i++) {
        if (fcntl(i, F_GETFD) >= 0) {
            printf(" %d", i);
        }
    }
    getitimer(ITIMER_REAL, &timer);
    printf(" timer %d\n", timer.it_value.tv_sec > 0);
    fflush(stdout);
    return 0;
}

static char *at(const char *name)
{
    static char path[8][8192];
    static int turn;
    turn = (turn + 1) % 8;
    snprintf(path[turn], sizeof(path[turn]), "%s/%s", dir, name);
    return path[turn];
}

static char *put(const char *name, const char *text, size_t length, int mode)
{
    char *path = at(name);
    int fd;
    unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    if (fd < 0 || write(fd, text, length) != (ssize_t)length) {
        perror(path);
        exit(1);
    }
    fchmod(fd, mode);
    close(fd);
    return path;
}

static char *script(const char *name, const char *text)
{
    return put(name, text, strlen(text), 0755);
}

static const char *label;
static void (*prepare)(void);

static int try_at(int fd, const char *path, char **argv, char **envp, int flags)
{
    int status, error[2];
    pid_t pid;
    fflush(stdout);
    printf("%s: ", label);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        alarm(0);
        if (prepare) {
            prepare();
        }
        error[0] = syscall(SYS_execveat, fd, path, argv, envp, flags);
        error[1] = errno;
        if (error[0] == 0) {
            printf("returned 0\n");
        } else {
            printf("%s\n", strerror(error[1]));
        }
        fflush(stdout);
        _exit(99);
    }
    waitpid(pid, &status, 0);
    if (status != 99 << 8 && status) {
        printf("status %x\n", status);
    }
    return status;
}

static char *plain[] = { "argv0", "a", "", "-c", NULL };
static char *few[] = { "A=1", "B=", NULL };

static void try(const char *what, const char *path)
{
    label = what;
    try_at(AT_FDCWD, path, plain, few, 0);
}

/* An ELF file like this program, with one header, of an interpreter; `what` tells what is wrong with it. */
static void try_elf(const char *what, const char *program, int type, int header_size, const char *name,
                    int length)
{
    struct {
        ElfW(Ehdr) file;
        ElfW(Phdr) header;
        char name[200];
    } elf;
    memset(&elf, 0, sizeof(elf));
    memcpy(&elf.file, program, sizeof(elf.file));
    elf.file.e_type = type;
    elf.file.e_phoff = sizeof(elf.file);
    elf.file.e_phentsize = header_size;
    elf.file.e_phnum = 1;
    elf.header.p_type = PT_INTERP;
    elf.header.p_offset = sizeof(elf.file) + sizeof(elf.header);
    elf.header.p_filesz = length;
    snprintf(elf.name, sizeof(elf.name), "%s", name);
    put("elf", (char *)&elf, sizeof(elf), 0755);
    try(what, at("elf"));
}

static void ignore_all(void)
{
    sigset_t set;
    sigfillset(&set);
    for (int i = 1; i < 32; i++) {
        signal(i, SIG_IGN);
    }
    sigprocmask(SIG_BLOCK, &set, NULL);
}

static void caught(int signal)
{
}

static void catch_all(void)
{
    struct itimerval timer = { { 0, 0 }, { 1000, 0 } };
    sigset_t set;
    for (int i = 1; i < 32; i++) {
        signal(i, i % 2 ? caught : SIG_DFL);
    }
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    sigaddset(&set, SIGABRT);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_SETMASK, &set, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
    open("/dev/null", O_RDONLY | O_CLOEXEC);
    open("/dev/null", O_RDONLY);
}

static void few_descriptors(void)
{
    struct rlimit limit = { 6, 6 };
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void not_dumpable(void)
{
    prctl(PR_SET_DUMPABLE, 0);
}

int main(int argc, char **argv, char **envp)
{
    char text[8192], *path;
    int fd, n;

    n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[n < 0 ? 0 : n] = 0;
    if (argc < 2 || strcmp(argv[1], "--dir")) {
        FILE *file = fopen(note_path(), "r");
        if (file) {
            if (!fgets(dir, sizeof(dir), file)) {
                dir[0] = 0;
            }
            fclose(file);
        }
        return tell(argc, argv, envp);
    }
    snprintf(dir, sizeof(dir), "%s", argv[2]);
    FILE *note = fopen(note_path(), "w");
    fputs(dir, note);
    fclose(note);
    alarm(120);

    /* a copy of this program, and scripts that name it */
    fd = open(self, O_RDONLY);
    static char program[8 << 20];
    size_t size = read(fd, program, sizeof(program));
    close(fd);
    put("program", program, size, 0755);
    try("program", at("program"));
    try("missing", at("missing"));
    try("not a directory", at("program/x"));
    try("empty path", "");
    try("directory", dir);
    put("no-x", program, size, 0644);
    try("no x bit", at("no-x"));
    put("half", program, 100, 0755);
    try("cut ELF", at("half"));
    put("header", program, 64, 0755);
    try("ELF header only", at("header"));
    put("empty", "", 0, 0755);
    try("empty file", at("empty"));
    script("text", "echo hello\n");
    try("text without a first line", at("text"));
    script("bad-elf", "\177ELF and nothing that makes sense, but long enough to be looked at by all");
    try("nonsense ELF", at("bad-elf"));
    const int entry = sizeof(ElfW(Phdr));
    try_elf("interpreter missing", program, ET_DYN, entry, "/no/such/ld.so", 15);
    try_elf("interpreter missing, fixed address", program, ET_EXEC, entry, "/no/such/ld.so", 15);
    try_elf("interpreter not terminated", program, ET_DYN, entry, "/no/such/ld.so", 14);
    try_elf("interpreter's name too short", program, ET_DYN, entry, "", 1);
    try_elf("interpreter's name too long", program, ET_DYN, entry, "/", 5000);
    try_elf("interpreter's name behind the end", program, ET_DYN, entry, "/", 4000);
    try_elf("interpreter a directory", program, ET_DYN, entry, "/tmp", 5);
    try_elf("interpreter not executable", program, ET_DYN, entry, "/etc/passwd", 12);
    path = at("text");
    try_elf("interpreter no ELF, short", program, ET_DYN, entry, path, strlen(path) + 1);
    path = script("text-long", "echo so many words that even an ELF header would have had room here\n");
    try_elf("interpreter no ELF", program, ET_DYN, entry, path, strlen(path) + 1);
    try_elf("headers of another size", program, ET_DYN, entry - 1, "/no/such/ld.so", 15);
    try_elf("object file", program, ET_REL, entry, "/no/such/ld.so", 15);
    try_elf("core file", program, ET_CORE, entry, "/no/such/ld.so", 15);
    mkfifo(at("fifo"), 0755);
    try("fifo", at("fifo"));
    symlink("loop", at("loop"));
    try("loop of links", at("loop"));
    symlink("program", at("link"));
    try("link", at("link"));
    label = "link, not followed";
    try_at(AT_FDCWD, at("link"), plain, few, AT_SYMLINK_NOFOLLOW);
    label = "program, not followed";
    try_at(AT_FDCWD, at("program"), plain, few, AT_SYMLINK_NOFOLLOW);
    label = "unknown flag";
    try_at(AT_FDCWD, at("program"), plain, few, 0x8000);
    label = "check only";
    try_at(AT_FDCWD, at("program"), plain, few, AT_EXECVE_CHECK);
    label = "check only, no x bit";
    try_at(AT_FDCWD, at("no-x"), plain, few, AT_EXECVE_CHECK);
    label = "check only, missing";
    try_at(AT_FDCWD, at("missing"), plain, few, AT_EXECVE_CHECK);
    memset(text, 'x', 5000);
    text[5000] = 0;
    try("path too long", text);
    memset(text, 'x', 300);
    text[300] = 0;
    try("name too long", at(text));

    /* being written */
    fd = open(at("program"), O_WRONLY);
    try("being written", at("program"));
    close(fd);
    try("no longer being written", at("program"));

    /* lists */
    label = "no arguments";
    char *none[] = { NULL };
    try_at(AT_FDCWD, at("program"), none, few, 0);
    label = "null lists";
    try_at(AT_FDCWD, at("program"), NULL, NULL, 0);
    label = "bad list";
    try_at(AT_FDCWD, at("program"), (char **)8, few, 0);
    char *bad[] = { "x", (char *)8, NULL };
    label = "bad string";
    try_at(AT_FDCWD, at("program"), bad, few, 0);
    label = "bad path";
    try_at(AT_FDCWD, (char *)8, plain, few, 0);
    static char string[140000];
    memset(string, 's', sizeof(string) - 1);
    char *one[] = { "x", string, NULL };
    label = "string of 139999 bytes";
    try_at(AT_FDCWD, at("program"), one, few, 0);
    string[131071] = 0;
    label = "string of 131071 bytes";
    try_at(AT_FDCWD, at("program"), one, few, 0);
    static char *many[200000];
    string[100] = 0;
    for (int i = 0; i < 15000; i++) {
        many[i] = string;
    }
    label = "15000 arguments of 100 bytes";
    try_at(AT_FDCWD, at("program"), many, few, 0);
    for (int i = 0; i < 100000; i++) {
        many[i] = string;
    }
    label = "100000 arguments of 100 bytes";
    try_at(AT_FDCWD, at("program"), many, few, 0);
    label = "100000 variables of 100 bytes";
    try_at(AT_FDCWD, at("program"), plain, many, 0);
    label = "empty environment";
    try_at(AT_FDCWD, at("program"), plain, none, 0);
    char *dashes[] = { "-binfmt-P", "-L", "--", NULL };
    label = "arguments like options";
    try_at(AT_FDCWD, at("program"), dashes, none, 0);
    char *tricky[] = { "QEMU_ARGV0=x", "QEMU_SET_ENV=C=1", NULL };
    label = "variables of the emulator";
    try_at(AT_FDCWD, at("program"), plain, tricky, 0);
    char *empty0[] = { "", NULL };
    label = "empty argv[0]";
    try_at(AT_FDCWD, at("program"), empty0, few, 0);

    /* scripts */
#define SCRIPT(name, ...) \
    do { \
        snprintf(text, sizeof(text), __VA_ARGS__); \
        script(name, text); \
        try(name, at(name)); \
    } while (0)
    SCRIPT("script", "#!%s\n", at("program"));
    SCRIPT("script-arg", "#! \t%s \t one  two \t \n", at("program"));
    SCRIPT("script-no-newline", "#!%s x", at("program"));
    SCRIPT("script-crlf", "#!%s\r\n", at("program"));
    SCRIPT("script-missing", "#!%s\n", at("missing"));
    SCRIPT("script-empty", "#!\n");
    SCRIPT("script-blank", "#! \t \n");
    SCRIPT("script-two-bytes", "#!");
    SCRIPT("script-dir", "#!%s\n", dir);
    SCRIPT("script-no-x", "#!%s\n", at("no-x"));
    SCRIPT("script-text", "#!%s\n", at("text"));
    SCRIPT("script-slash-only", "#!/\n");
    memset(text, 'y', 2000);
    snprintf(text, 100, "#!%s", at("program"));
    text[strlen(text)] = ' ';
    text[2000] = 0;
    script("script-long-arg", text);
    try("script-long-arg", at("script-long-arg"));
    memset(text, 'y', 2000);
    text[0] = '#';
    text[1] = '!';
    text[2] = '/';
    script("script-long-name", text);
    try("script-long-name", at("script-long-name"));
    for (int length = 250; length < 260; length++) {
        char name[40], padded[400];
        char *target = at("program");
        memset(padded, '/', sizeof(padded));
        strcpy(padded + length - 2 - strlen(target), target);
        snprintf(text, sizeof(text), "#!%s\n", padded);
        snprintf(name, sizeof(name), "script-%d", length);
        script(name, text);
        try(name, at(name));
        snprintf(text, sizeof(text), "#!%s", padded);
        snprintf(name, sizeof(name), "script-cut-%d", length);
        script(name, text);
        try(name, at(name));
        snprintf(text, sizeof(text), "#!%s Z", padded);
        snprintf(name, sizeof(name), "script-arg-%d", length);
        script(name, text);
        try(name, at(name));
    }
    char nul[200];
    n = snprintf(nul, sizeof(nul), "#!%s", at("program"));
    memcpy(nul + n, "\0 x y\n", 6);
    put("script-nul", nul, n + 6, 0755);
    try("script-nul", at("script-nul"));
    n = snprintf(nul, sizeof(nul), "#!%s a", at("program"));
    memcpy(nul + n, "\0b\n", 3);
    put("script-nul-arg", nul, n + 3, 0755);
    try("script-nul-arg", at("script-nul-arg"));
    script("chain-0", "");
    for (int depth = 1; depth <= 8; depth++) {
        char name[40];
        snprintf(name, sizeof(name), "chain-%d", depth - 1);
        snprintf(text, sizeof(text), "#!%s arg%d\n", depth == 1 ? at("program") : at(name), depth);
        snprintf(name, sizeof(name), "chain-%d", depth);
        script(name, text);
        try(name, at(name));
    }
    fd = open(at("script"), O_WRONLY);
    try("script being written", at("script"));
    close(fd);
    fd = open(at("program"), O_WRONLY);
    try("interpreter being written", at("script"));
    close(fd);
    SCRIPT("script-sh", "#!/bin/sh\necho \"sh: $1\"\n");
    SCRIPT("script-env", "#!/usr/bin/env -S sh -c true\n");

    /* relative, through descriptors */
    if (chdir(dir)) {
        return 1;
    }
    try("relative", "program");
    try("relative script", "script");
    try("with dot", "./program");
    put("-dash", program, size, 0755);
    try("dash", "-dash");
    script("rel-script", "#!./program\n");
    try("relative interpreter", "rel-script");
    mkdir("sub", 0755);
    try("up", "sub/../program");
    if (chdir("/")) {
        return 1;
    }
    int dfd = open(dir, O_RDONLY | O_DIRECTORY);
    label = "by directory";
    try_at(dfd, "program", plain, few, 0);
    label = "script by directory";
    try_at(dfd, "script", plain, few, 0);
    label = "missing by directory";
    try_at(dfd, "missing", plain, few, 0);
    label = "absolute, bad descriptor";
    try_at(999, at("program"), plain, few, 0);
    label = "relative, bad descriptor";
    try_at(999, "program", plain, few, 0);
    label = "empty, bad descriptor";
    try_at(999, "", plain, few, AT_EMPTY_PATH);
    label = "empty, current directory";
    try_at(AT_FDCWD, "", plain, few, AT_EMPTY_PATH);
    close(dfd);
    dfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    label = "by CLOEXEC directory";
    try_at(dfd, "program", plain, few, 0);
    label = "script by CLOEXEC directory";
    try_at(dfd, "script", plain, few, 0);
    close(dfd);
    fd = open(at("program"), O_RDONLY);
    label = "descriptor";
    try_at(fd, "", plain, few, AT_EMPTY_PATH);
    label = "descriptor, not followed";
    try_at(fd, "", plain, few, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW);
    snprintf(text, sizeof(text), "/proc/self/fd/%d", fd);
    try("path of descriptor", text);
    snprintf(text, sizeof(text), "/dev/fd/%d", fd);
    try("device path of descriptor", text);
    close(fd);
    fd = open(at("program"), O_RDONLY | O_CLOEXEC);
    label = "CLOEXEC descriptor";
    try_at(fd, "", plain, few, AT_EMPTY_PATH);
    snprintf(text, sizeof(text), "/proc/self/fd/%d", fd);
    try("path of CLOEXEC descriptor", text);
    close(fd);
    fd = open(at("program"), O_PATH | O_CLOEXEC);
    label = "O_PATH descriptor";
    try_at(fd, "", plain, few, AT_EMPTY_PATH);
    close(fd);
    fd = open(at("script"), O_RDONLY);
    label = "script descriptor";
    try_at(fd, "", plain, few, AT_EMPTY_PATH);
    close(fd);
    fd = open(at("script"), O_RDONLY | O_CLOEXEC);
    label = "CLOEXEC script descriptor";
    try_at(fd, "", plain, few, AT_EMPTY_PATH);
    close(fd);
    fd = open(at("program"), O_RDONLY | O_CLOEXEC);
    put("gone", program, size, 0755);
    fd = open(at("gone"), O_RDONLY | O_CLOEXEC);
    unlink(at("gone"));
    label = "deleted";
    try_at(fd, "", plain, few, AT_EMPTY_PATH);
    close(fd);
    fd = memfd_create("inmemory", MFD_CLOEXEC);
    if (write(fd, program, size) != (ssize_t)size) {
        return 1;
    }
    snprintf(text, sizeof(text), "/proc/self/fd/%d", fd);
    int readable = open(text, O_RDONLY | O_CLOEXEC);
    close(fd);
    label = "memfd";
    try_at(readable, "", plain, few, AT_EMPTY_PATH);
    close(readable);
    try("own file", "/proc/self/exe");
    try("own thread's file", "/proc/thread-self/exe");
    snprintf(text, sizeof(text), "/proc/%d/exe", getpid());

    /* programs of the host */
    try("host's", "/bin/true");
    SCRIPT("script-true", "#!/bin/true\n");

    /* what is inherited */
    prepare = ignore_all;
    try("ignored and blocked", at("program"));
    prepare = catch_all;
    try("caught", at("program"));
    prepare = few_descriptors;
    try("few descriptors", at("program"));
    prepare = not_dumpable;
    try("not dumpable", at("program"));
    label = "not dumpable, descriptor";
    fd = open(at("program"), O_RDONLY | O_CLOEXEC);
    try_at(fd, "", plain, few, AT_EMPTY_PATH);
    close(fd);
    prepare = NULL;

    path = at("program");
    chmod(path, 0111);
    try("not readable", path);
    chmod(path, 06755);
    try("set-user-ID", path);
    unlink(note_path());
    return 0;
}
