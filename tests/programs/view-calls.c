// What each call says of each path, one line each. Run below a real overlay file system (or in a real chroot)
// and below an emulator with the same tree (or root), the lines must be the same.
//
//     view-calls LIST look         calls that change nothing
//     view-calls LIST change       calls that change something, and are undone; of no file of the tree
//     view-calls LIST break DIR    calls that would change the tree; what they make otherwise is made in DIR
//
// LIST has lines `LABEL PATH`; a label stands for its path, whose names are other ones each time. With SHALLOW,
// directories below a directory are not listed.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

#include "error-name.h"

#define PATHS_MOST 256

static struct {
    char label[64], path[PATH_MAX];
} paths[PATHS_MOST];
static int path_count;
static const char *label = "";

// Prints what a call said; true: it succeeded.
static int say(const char *call, long result)
{
    printf("%s %s %s\n", label, call, result < 0 ? error_name(errno) : "ok");
    return result >= 0;
}

static void say_text(const char *call, const char *text)
{
    printf("%s %s %s\n", label, call, text ? text : error_name(errno));
}

static void say_stat(const char *call, long result, const struct stat *st)
{
    if (result < 0) {
        say(call, result);
        return;
    }
    printf("%s %s %o", label, call, st->st_mode & S_IFMT);
    if (!S_ISDIR(st->st_mode)) {
        printf(" %o %ld", st->st_mode & 07777, (long)st->st_size);
    }
    printf("\n");
}

static int opened(const char *call, int fd)
{
    char text[64];
    struct stat st;

    if (!say(call, fd)) {
        return -1;
    }
    if (!fstat(fd, &st) && S_ISREG(st.st_mode)) {
        ssize_t got = read(fd, text, sizeof(text) - 1);
        text[got > 0 ? got : 0] = '\0';
        text[strcspn(text, "\n")] = '\0';
        say_text("  contents", text);
    }
    return fd;
}

static void open_as(const char *call, const char *path, int flags)
{
    int fd = opened(call, open(path, flags, 0600));

    if (fd >= 0) {
        close(fd);
    }
}

// What a link of /proc is, if it is a path.
static void say_link(const char *call, const char *link)
{
    char target[PATH_MAX];
    ssize_t length = readlink(link, target, sizeof(target) - 1);

    if (length >= 0) {
        target[length] = '\0';
    }
    say_text(call, length < 0 ? NULL : target);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char **)a, *(char **)b);
}

// The names of a directory, sorted, with what is wrong with them.
static void list(const char *path, int depth)
{
    char *names[4096], text[PATH_MAX];
    int count = 0;
    DIR *directory = opendir(path);
    struct dirent *entry;

    if (!directory) {
        say("opendir", -1);
        return;
    }
    while (count < 4096 && (entry = readdir(directory))) {
        struct stat st;

        if (fstatat(dirfd(directory), entry->d_name, &st, AT_SYMLINK_NOFOLLOW)) {
            printf("%s listed %s %s\n", label, entry->d_name, error_name(errno));
        } else if (entry->d_type != DT_UNKNOWN && IFTODT(st.st_mode) != entry->d_type) {
            printf("%s listed %s is of type %o, not %d\n", label, entry->d_name, st.st_mode & S_IFMT,
                   entry->d_type);
        } else if (strcmp(entry->d_name, "..") && getenv("INODES") && entry->d_ino != st.st_ino) {
            printf("%s listed %s has inode %lld, not %lld\n", label, entry->d_name, (long long)st.st_ino,
                   (long long)entry->d_ino);
        }
        snprintf(text, sizeof(text), "%s %o", entry->d_name, st.st_mode & S_IFMT);
        names[count++] = strdup(text);
    }
    qsort(names, count, sizeof(names[0]), by_name);
    for (int i = 0; i < count; i++) {
        printf("%s lists %s%s\n", label, names[i], i && !strcmp(names[i], names[i - 1]) ? " TWICE" : "");
    }
    // Each place that telldir gives leads to the same next name; from the start there are as many.
    {
        static char next[4096][256];
        static long places[4096];
        int wrong = 0, again = 0;

        rewinddir(directory);
        for (int i = 0; i < count; i++) {
            places[i] = telldir(directory);
            entry = readdir(directory);
            snprintf(next[i], sizeof(next[i]), "%s", entry ? entry->d_name : "");
            again += entry != NULL;
        }
        for (int i = count; i-- > 0; ) {
            seekdir(directory, places[i]);
            entry = readdir(directory);
            wrong += !entry || strcmp(entry->d_name, next[i]);
        }
        printf("%s seekdir %s\n", label, again == count && !wrong ? "ok" : "WRONG");
    }
    for (int i = 0; depth > 0 && i < count; i++) {
        char *space = strrchr(names[i], ' ');

        *space = '\0';
        if (!strcmp(space + 1, "40000") && strcmp(names[i], ".") && strcmp(names[i], "..")) {
            snprintf(text, sizeof(text), "%s/%s", path, names[i]);
            list(text, depth - 1);
        }
    }
    for (int i = 0; i < count; i++) {
        free(names[i]);
    }
    closedir(directory);
}

// From the root by descriptors, a name at a time.
static void descend(const char *path)
{
    char copy[PATH_MAX], cwd[PATH_MAX], link[40];
    struct stat st;
    int fd = open("/", O_RDONLY | O_DIRECTORY);

    strcpy(copy, path);
    for (char *name = strtok(copy, "/"); name; name = strtok(NULL, "/")) {
        int next = openat(fd, name, O_RDONLY | O_NONBLOCK);

        if (next < 0) {
            say("descend", -1);
            close(fd);
            return;
        }
        close(fd);
        fd = next;
    }
    say_stat("descend", fstat(fd, &st), &st);
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    say_link("  fd", link);
    if (!fchdir(fd)) {
        say_text("  cwd", getcwd(cwd, sizeof(cwd)));
        say_link("  /proc/self/cwd", "/proc/self/cwd");
    }
    close(fd);
}

static void look(const char *path)
{
    char text[PATH_MAX];
    struct stat st;
    struct statx stx;
    struct statfs fs;
    int fd;
    long length;
    struct { uint64_t flags, mode, resolve; } how = { O_RDONLY, 0, 0 };

    say("access F", access(path, F_OK));
    say("access R", access(path, R_OK));
    say("access X", access(path, X_OK));
    say("faccessat N", faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW));
    say_stat("stat", stat(path, &st), &st);
    say_stat("lstat", lstat(path, &st), &st);
    length = statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &stx);
    if (say("statx", length)) {
        printf("%s   mode %o\n", label, stx.stx_mode & S_IFMT);
    }
    say("statx N", statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &stx));
    length = readlink(path, text, sizeof(text) - 1);
    if (length >= 0) {
        text[length] = '\0';
    }
    say_text("readlink", length < 0 ? NULL : text);
    say("statfs", statfs(path, &fs));
    say("getxattr", getxattr(path, "user.none", text, sizeof(text)));
    say("lgetxattr", lgetxattr(path, "user.none", text, sizeof(text)));
    fd = inotify_init();
    say("inotify", inotify_add_watch(fd, path, IN_CLOSE_WRITE));
    close(fd);
    open_as("open", path, O_RDONLY | O_NONBLOCK);
    open_as("open NOFOLLOW", path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
    open_as("open DIRECTORY", path, O_RDONLY | O_DIRECTORY);
    open_as("open PATH", path, O_PATH);
    open_as("open PATH NOFOLLOW", path, O_PATH | O_NOFOLLOW);
    fd = open(path, O_RDONLY | O_CREAT | O_EXCL, 0600);
    if (say("open CREAT EXCL", fd)) {
        close(fd);
        unlink(path);
    }
    fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
    if (opened("openat2", fd) >= 0) {
        close(fd);
    }
    how.resolve = 0x04;
    fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
    if (opened("openat2 NO_SYMLINKS", fd) >= 0) {
        close(fd);
    }
    if (say("mkdir", mkdir(path, 0700))) {
        rmdir(path);
    }
    if (say("symlink", symlink("nowhere", path))) {
        unlink(path);
    }
    if (say("mknod", mknod(path, S_IFIFO | 0600, 0))) {
        unlink(path);
    }
    say_text("realpath", realpath(path, text));
    if (say("chdir", chdir(path))) {
        say_text("  cwd", getcwd(text, sizeof(text)));
        say_stat("  stat ..", stat("..", &st), &st);
        say("  access ../m", access("../m", F_OK));
    }
    if (chdir("/")) {
        exit(3);
    }
    descend(path);
    if (chdir("/")) {
        exit(3);
    }
    if (!lstat(path, &st) && S_ISDIR(st.st_mode)) {
        list(path, getenv("SHALLOW") ? 0 : 3);
    }
}

// Like `look`, but the names that these calls make are removed.
static void change(const char *path)
{
    struct stat st;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char other[PATH_MAX + 8];
    int fd;

    fd = opened("open CREAT", open(path, O_RDWR | O_CREAT, 0640));
    if (fd >= 0) {
        say("write", write(fd, "new\n", 4));
        close(fd);
        open_as("open again", path, O_RDONLY);
        say("chmod", chmod(path, 0604));
        say("truncate", truncate(path, 2));
        say_stat("stat", stat(path, &st), &st);
        say("access W", access(path, W_OK));
        snprintf(other, sizeof(other), "%s.b", path);
        say("link", link(path, other));
        say("rename", rename(other, path));
        say("rename away", rename(path, other));
        say("rename back", rename(other, path));
        say("link", link(path, other));
        say("unlink", unlink(other));
        say("unlink", unlink(path));
        say_stat("lstat", lstat(path, &st), &st);
    }
    if (say("mkdir", mkdir(path, 0700))) {
        snprintf(other, sizeof(other), "%s/f", path);
        open_as("open CREAT below", other, O_RDWR | O_CREAT);
        say("rmdir", rmdir(path));
        say("unlink", unlink(other));
        say("rmdir", rmdir(path));
    }
    if (say("symlink", symlink("nowhere", path))) {
        say("unlink", unlink(path));
    }
    if (strlen(path) < sizeof(address.sun_path)) {
        strcpy(address.sun_path, path);
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (say("bind", bind(fd, (struct sockaddr *)&address, sizeof(address)))) {
            int client = socket(AF_UNIX, SOCK_STREAM, 0);

            say("listen", listen(fd, 1));
            say("connect", connect(client, (struct sockaddr *)&address, sizeof(address)));
            close(client);
            say("unlink", unlink(path));
        }
        close(fd);
    }
}

// The same file from each directory above it.
static void break_in_from_above(const char *path, int is_link)
{
    char directory[PATH_MAX];
    struct timespec times[2] = { { 1, 0 }, { 1, 0 } };

    strcpy(directory, path);
    for (char *slash; (slash = strrchr(directory, '/')) && slash > directory; ) {
        const char *rest = path + (slash - directory) + 1;
        char made[PATH_MAX];
        int fd;

        *slash = '\0';
        fd = open(directory, O_RDONLY | O_DIRECTORY);
        if (fd < 0) {
            continue;
        }
        say("above: openat RW", openat(fd, rest, O_RDWR | O_NOFOLLOW));
        say("above: openat RW CREAT", openat(fd, rest, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
        say("above: unlinkat", unlinkat(fd, rest, 0));
        say("above: utimensat", utimensat(fd, rest, times, AT_SYMLINK_NOFOLLOW));
        say("above: renameat", renameat(fd, rest, AT_FDCWD, "/proc/self/cwd/stolen"));
        say("above: linkat", linkat(fd, rest, fd, "stolen", 0));
        if (!fchdir(fd)) {
            say("below: open RW", open(rest, O_RDWR | O_NOFOLLOW));
            say("below: unlink", unlink(rest));
            snprintf(made, sizeof(made), "%s/made", rest);
            say("below: mkdir", is_link ? (errno = ENOTDIR, -1) : mkdir(made, 0700));
            say("below: open CREAT", is_link ? (errno = ENOTDIR, -1) : open(made, O_CREAT | O_RDWR, 0600));
        }
        close(fd);
    }
    if (chdir("/")) {
        exit(3);
    }
}

// None of these may succeed for a file or a directory that is the tree's.
static void break_in(const char *path, const char *directory)
{
    char other[PATH_MAX], link_path[64];
    struct timespec times[2] = { { 1, 0 }, { 1, 0 } };
    struct utimbuf old = { 1, 1 };
    struct stat st;
    int fd, flags = 0, is_directory;

    if (lstat(path, &st)) {
        say("lstat", -1);
        return;
    }
    is_directory = S_ISDIR(st.st_mode);
    break_in_from_above(path, S_ISLNK(st.st_mode));
    snprintf(other, sizeof(other), "%s/other", directory);
    unlink(other);
    fd = open(other, O_WRONLY | O_CREAT, 0600);
    close(fd);
    say("open W", open(path, O_WRONLY | O_NOFOLLOW));
    say("open RW", open(path, O_RDWR | O_NOFOLLOW));
    say("open R TRUNC", is_directory ? (errno = EISDIR, -1) : open(path, O_RDONLY | O_TRUNC | O_NOFOLLOW));
    say("open RW CREAT", open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
    say("open APPEND", open(path, O_WRONLY | O_APPEND | O_NOFOLLOW));
    say("open TMPFILE", S_ISLNK(st.st_mode) ? (errno = ENOTDIR, -1) : open(path, O_TMPFILE | O_RDWR, 0600));
    say("truncate", is_directory || S_ISLNK(st.st_mode) ? (errno = EISDIR, -1) : truncate(path, 0));
    if (!S_ISLNK(st.st_mode)) {
        say("chmod", chmod(path, 0777));
        say("chown", chown(path, getuid(), getgid()));
        say("utime", utime(path, &old));
        say("setxattr", setxattr(path, "user.x", "x", 1, 0));
        say("removexattr", removexattr(path, "user.x"));
        say("access W", access(path, W_OK));
    }
    say("fchmodat2 N", syscall(452, AT_FDCWD, path, 0777, AT_SYMLINK_NOFOLLOW));
    say("lchown", lchown(path, getuid(), getgid()));
    say("utimensat N", utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW));
    say("lsetxattr", lsetxattr(path, "user.x", "x", 1, 0));
    say("link away", link(path, "/proc/self/cwd/stolen"));
    snprintf(link_path, sizeof(link_path), "%s/stolen", directory);
    say("link away", link(path, link_path));
    say("rename away", rename(path, link_path));
    say("rename onto", rename(other, path));
    say("exchange", syscall(SYS_renameat2, AT_FDCWD, other, AT_FDCWD, path, 2));
    say("unlink", unlink(path));
    say("rmdir", rmdir(path));
    say("symlink", symlink("x", path));
    say("mkdir", mkdir(path, 0700));
    if (S_ISLNK(st.st_mode)) {
        return;
    }
    fd = open(path, O_RDONLY);
    if (!say("open R", fd)) {
        return;
    }
    say("fchmod", fchmod(fd, 0777));
    say("fchown", fchown(fd, getuid(), getgid()));
    say("futimens", futimens(fd, times));
    say("fchmodat2 fd", syscall(452, fd, "", 0777, AT_EMPTY_PATH));
    say("fchownat fd", fchownat(fd, "", getuid(), getgid(), AT_EMPTY_PATH));
    say("utimensat fd", utimensat(fd, "", times, AT_EMPTY_PATH));
    say("fsetxattr", fsetxattr(fd, "user.x", "x", 1, 0));
    say("fremovexattr", fremovexattr(fd, "user.x"));
    say("ftruncate", ftruncate(fd, 0));
    say("fallocate", fallocate(fd, 0, 0, 100));
    say("write", write(fd, "x", 1));
    say("setflags", ioctl(fd, 0x40086602, &flags));
    say("linkat fd", linkat(fd, "", AT_FDCWD, link_path, AT_EMPTY_PATH));
    if (!is_directory) {
        say("mmap", mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
    }
    snprintf(other, sizeof(other), "/proc/self/fd/%d", fd);
    say("open fd RW", open(other, O_RDWR));
    say("open fd TRUNC", is_directory ? (errno = EISDIR, -1) : open(other, O_RDONLY | O_TRUNC));
    say("chmod fd", chmod(other, 0777));
    say("truncate fd", is_directory ? (errno = EISDIR, -1) : truncate(other, 0));
    say("setxattr fd", setxattr(other, "user.x", "x", 1, 0));
    say("linkat fd path", linkat(AT_FDCWD, other, AT_FDCWD, link_path, AT_SYMLINK_FOLLOW));
    snprintf(other, sizeof(other), "/proc/thread-self/fd/%d", fd);
    say("open thread fd RW", open(other, O_RDWR));
    snprintf(other, sizeof(other), "/dev/fd/%d", fd);
    say("open dev fd RW", open(other, O_RDWR));
    if (is_directory) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int unix_socket = socket(AF_UNIX, SOCK_STREAM, 0);

        say("openat CREAT", openat(fd, "made", O_CREAT | O_RDWR, 0600));
        say("openat CREAT R", openat(fd, "made", O_CREAT | O_RDONLY, 0600));
        say("openat CREAT EXCL", openat(fd, "made", O_CREAT | O_EXCL | O_RDWR, 0600));
        say("openat TMPFILE", openat(fd, ".", O_TMPFILE | O_RDWR, 0600));
        say("mkdirat", mkdirat(fd, "made", 0700));
        say("mknodat", mknodat(fd, "made", S_IFIFO | 0600, 0));
        say("symlinkat", symlinkat("x", fd, "made"));
        say("renameat", renameat(AT_FDCWD, paths[0].path, fd, "made"));
        say("linkat", linkat(AT_FDCWD, directory, fd, "made", 0));
        if (!fchdir(fd)) {
            strcpy(address.sun_path, "made");
            say("bind", bind(unix_socket, (struct sockaddr *)&address, sizeof(address)));
            say("mkdir .", mkdir("made", 0700));
            say("utimensat cwd/", utimensat(AT_FDCWD, "/proc/self/cwd/", times, AT_SYMLINK_NOFOLLOW));
            say("lchown cwd/", lchown("/proc/self/cwd/", getuid(), getgid()));
        }
        if (chdir("/")) {
            exit(3);
        }
        close(unix_socket);
    }
    close(fd);
}

int main(int argc, char **argv)
{
    FILE *file = argc > 2 ? fopen(argv[1], "r") : NULL;

    setvbuf(stdout, NULL, _IOLBF, 0);
    umask(0);
    while (file && path_count < PATHS_MOST
           && fscanf(file, "%63s %4000s", paths[path_count].label, paths[path_count].path) == 2) {
        path_count++;
    }
    if (!path_count) {
        return 2;
    }
    for (int i = 0; i < path_count; i++) {
        label = paths[i].label;
        if (chdir("/")) {
            return 3;
        }
        if (!strcmp(argv[2], "look")) {
            look(paths[i].path);
        } else if (!strcmp(argv[2], "change")) {
            change(paths[i].path);
        } else {
            break_in(paths[i].path, argv[3]);
        }
    }
    return 0;
}
