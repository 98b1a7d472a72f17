/*
 * What calls about users, groups, owners and capabilities say, one line each. Natively as real root, and
 * below an emulator that keeps the ids (-ids 0:0) as anybody, the output must be the same. Arguments: a
 * directory of its own, and in hexadecimal the capabilities that this machine lets root have. Or one of
 * these: `tell`, what a program that is started finds; `apart DIRECTORY`, what is other than natively;
 * `chroot DIRECTORY`, programs that are started where there is no /proc; `note FILE TEXT` and
 * `noted FILE...`, attributes of files.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

/* The calls themselves, with ids of 32 bits: the C library makes them in every thread. */
#ifdef SYS_setresuid32
#define CALL(name) SYS_##name##32
#else
#define CALL(name) SYS_##name
#endif
#define NONE 0xffffffffu
#define LARGE 4000000000u
#define OPAQUE_ID 4294967294u

static char self[4096], mask_text[32];
static uint64_t mask;

static const char *error_of(long ret)
{
    static char text[32];

    if (ret >= 0) {
        snprintf(text, sizeof(text), "%ld", ret);
    } else {
        snprintf(text, sizeof(text), "%s", errno == EPERM ? "EPERM" : errno == EINVAL ? "EINVAL"
                 : errno == EACCES ? "EACCES" : errno == ENOENT ? "ENOENT" : errno == ENODATA ? "ENODATA"
                 : errno == EBADF ? "EBADF" : errno == EOPNOTSUPP ? "EOPNOTSUPP" : strerror(errno));
    }
    return text;
}

/* In a child, so that nothing that it changes stays. */
#define CHILD(what)                                 \
    do {                                            \
        fflush(stdout);                             \
        pid_t child_ = fork();                      \
        if (!child_) {                              \
            what;                                   \
            fflush(stdout);                         \
            _exit(0);                               \
        }                                           \
        int status_ = -1;                           \
        waitpid(child_, &status_, 0);               \
        if (status_) {                              \
            printf("a child: %#x\n", status_);      \
        }                                           \
    } while (0)

static void show_ids(void)
{
    uint32_t r, e, s;

    syscall(CALL(getresuid), &r, &e, &s);
    printf(" uid %u %u %u %u", r, e, s, (uint32_t)syscall(CALL(setfsuid), NONE));
    syscall(CALL(getresgid), &r, &e, &s);
    printf(" gid %u %u %u %u", r, e, s, (uint32_t)syscall(CALL(setfsgid), NONE));
}

static uint64_t capability_set(int which)
{
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[2];

    memset(data, 0, sizeof(data));
    if (syscall(SYS_capget, &header, data)) {
        return 1;
    }
    return mask & (which == 0 ? (uint64_t)data[1].permitted << 32 | data[0].permitted
           : which == 1 ? (uint64_t)data[1].effective << 32 | data[0].effective
           : (uint64_t)data[1].inheritable << 32 | data[0].inheritable);
}

static long set_capabilities(uint64_t permitted, uint64_t effective, uint64_t inheritable)
{
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[2] = {
        { effective & mask, permitted & mask, inheritable & mask },
        { (effective & mask) >> 32, (permitted & mask) >> 32, (inheritable & mask) >> 32 },
    };

    return syscall(SYS_capset, &header, data);
}

static void show(const char *label, long ret)
{
    printf("%s: %s", label, error_of(ret));
    show_ids();
    printf(" cap %llx %llx %llx keep %d bits %x\n", (unsigned long long)capability_set(0),
           (unsigned long long)capability_set(1), (unsigned long long)capability_set(2), prctl(PR_GET_KEEPCAPS),
           prctl(PR_GET_SECUREBITS));
}

/* Tables of all calls from many states. */

static const uint32_t some[] = { 0, 7, LARGE, NONE };
#define SOME 4

static void calls(int of_groups)
{
    char label[128];
    const char *kind = of_groups ? "gid" : "uid";

    for (int state = 0; state < 27; state++) {
        uint32_t r = some[state % 3], e = some[state / 3 % 3], s = some[state / 9];

        for (int number = 0; number < 2 * SOME + SOME * SOME + SOME * SOME * SOME; number++) {
            int n = number;
            fflush(stdout);
            if (fork() == 0) {
                long ret;

                /* Groups of a process without rights. */
                syscall(of_groups ? CALL(setresgid) : CALL(setresuid), r, e, s);
                if (of_groups && state % 2) {
                    syscall(CALL(setresuid), 7, 7, 7);
                }
                if (n < SOME) {
                    snprintf(label, sizeof(label), "%s %u %u %u: set %u", kind, r, e, s, some[n]);
                    ret = syscall(of_groups ? CALL(setgid) : CALL(setuid), some[n]);
                } else if ((n -= SOME) < SOME) {
                    snprintf(label, sizeof(label), "%s %u %u %u: setfs %u", kind, r, e, s, some[n]);
                    ret = (uint32_t)syscall(of_groups ? CALL(setfsgid) : CALL(setfsuid), some[n]) % 1000;
                } else if ((n -= SOME) < SOME * SOME) {
                    uint32_t a = some[n % SOME], b = some[n / SOME];
                    snprintf(label, sizeof(label), "%s %u %u %u: setre %u %u", kind, r, e, s, a, b);
                    ret = syscall(of_groups ? CALL(setregid) : CALL(setreuid), a, b);
                } else {
                    n -= SOME * SOME;
                    uint32_t a = some[n % SOME], b = some[n / SOME % SOME], c = some[n / SOME / SOME];
                    snprintf(label, sizeof(label), "%s %u %u %u: setres %u %u %u", kind, r, e, s, a, b, c);
                    ret = syscall(of_groups ? CALL(setresgid) : CALL(setresuid), a, b, c);
                }
                show(label, ret);
                fflush(stdout);
                _exit(0);
            }
            wait(NULL);
        }
    }
}

static void round_trips(void)
{
    show("seteuid 7", seteuid(7));
    show("seteuid 8", seteuid(8));
    show("seteuid 0", seteuid(0));
    show("setegid 9", setegid(9));
    show("setuid 7", setuid(7));
    show("seteuid 0 again", seteuid(0));
    show("setuid 0 again", setuid(0));
    show("setgid 0", setgid(0));
    show("setgid 10", setgid(10));
}

static void limits_of_ids(void)
{
    show("setuid 4294967295", syscall(CALL(setuid), NONE));
    /* With 32 bits this id for files, which the call returns, is as an error. */
    CHILD(printf("setuid 4294967294: %s", error_of(syscall(CALL(setuid), OPAQUE_ID)));
          printf(" %u %u\n", getuid(), geteuid()));
    CHILD(show("setgid 4000000000", syscall(CALL(setgid), LARGE)));
    CHILD(show("setuid 4000000000", syscall(CALL(setuid), LARGE)));
}

static void groups(void)
{
    gid_t list[1000];
    int count;

    printf("groups at first: %d\n", getgroups(0, NULL));
    for (int i = 0; i < 300; i++) {
        list[i] = i % 2 ? 5 * i : LARGE - i;
    }
    printf("setgroups 300: %s\n", error_of(setgroups(300, list)));
    printf("getgroups 10: %s\n", error_of(getgroups(10, list)));
    count = getgroups(1000, list);
    printf("getgroups 1000: %d:", count);
    for (int i = 0; i < count; i++) {
        printf(" %u", list[i]);
    }
    list[3] = NONE;
    printf("\nsetgroups with none: %s\n", error_of(setgroups(5, list)));
    printf("getgroups: %d\n", getgroups(0, NULL));
    printf("setgroups 65537: %s\n", error_of(syscall(CALL(setgroups), 65537, list)));
    printf("setegid 5: %s\n", error_of(setegid(5)));
    printf("setuid: %s\n", error_of(setuid(7)));
    printf("setgroups 0: %s\n", error_of(setgroups(0, NULL)));
    printf("getgroups: %d\n", getgroups(0, NULL));
}

/* Capabilities. */

static void keep_capabilities(void)
{
    show("keep 2", prctl(PR_SET_KEEPCAPS, 2, 0, 0, 0));
    show("keep", prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
    show("setuid 7", setuid(7));
    show("setuid 8", setuid(8));
    show("effective: setuid", set_capabilities(1 << CAP_SETUID | 1 << CAP_CHOWN, 1 << CAP_SETUID, 0));
    show("setuid 8", setuid(8));
    show("more", set_capabilities(1 << CAP_SETUID | 1 << CAP_SETGID, 0, 0));
    show("more effective", set_capabilities(1 << CAP_SETUID, 1 << CAP_CHOWN, 0));
    show("setgid 8", setgid(8));
    show("setuid 0", setuid(0));
    show("not root", seteuid(9));
}

static void other_capabilities(void)
{
    struct __user_cap_header_struct header = { 1, 0 };
    struct __user_cap_data_struct data[2];
    char label[64];

    printf("capget 1: %s", error_of(syscall(SYS_capget, &header, data)));
    printf(" %x\n", header.version);
    header.version = 2;
    printf("capset 2: %s", error_of(syscall(SYS_capset, &header, data)));
    printf(" %x\n", header.version);
    header = (struct __user_cap_header_struct) { _LINUX_CAPABILITY_VERSION_3, 1 };
    printf("capset of 1: %s\n", error_of(syscall(SYS_capset, &header, data)));
    printf("bounding 3: %s\n", error_of(prctl(PR_CAPBSET_READ, 3)));
    printf("bounding 64: %s\n", error_of(prctl(PR_CAPBSET_READ, 64)));
    printf("drop 3: %s\n", error_of(prctl(PR_CAPBSET_DROP, 3)));
    printf("drop 64: %s\n", error_of(prctl(PR_CAPBSET_DROP, 64)));
    printf("bounding 3: %s\n", error_of(prctl(PR_CAPBSET_READ, 3)));
    show("inheritable 3", set_capabilities(~0ull, ~0ull, 1 << 3));
    show("inheritable 4", set_capabilities(~0ull, ~0ull, 1 << 4));
    printf("ambient 5: %s\n", error_of(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 5, 0, 0)));
    printf("ambient 4: %s\n", error_of(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 4, 0, 0)));
    printf("ambient 4: %s\n", error_of(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 4, 0, 0)));
    printf("ambient 99: %s\n", error_of(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 99, 0, 0)));
    printf("ambient what: %s\n", error_of(prctl(PR_CAP_AMBIENT, 9, 4, 0, 0)));
    CHILD(printf("ambient lower: %s\n", error_of(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, 4, 0, 0)));
          printf("ambient 4: %s\n", error_of(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 4, 0, 0))));
    CHILD(printf("ambient clear: %s\n", error_of(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)));
          printf("ambient 4: %s\n", error_of(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 4, 0, 0))));
    CHILD(show("setuid 7", setuid(7));
          printf("ambient 4: %s\n", error_of(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 4, 0, 0)));
          printf("drop 4: %s\n", error_of(prctl(PR_CAPBSET_DROP, 4))));
    for (int i = 0; i < 3; i++) {
        unsigned long bits = i == 0 ? 1 << 20 : i == 1 ? SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED : 0;
        snprintf(label, sizeof(label), "securebits %lx", bits);
        show(label, prctl(PR_SET_SECUREBITS, bits, 0, 0, 0));
    }
    show("setresuid 7 7 7", setresuid(7, 7, 7));
}

/* Owners of files. */

static void tell_file(const char *label, const char *path)
{
    struct stat st;
    struct statx sx;

    memset(&sx, 0, sizeof(sx));
    if (lstat(path, &st)) {
        printf("%s: %s\n", label, error_of(-1));
        return;
    }
    statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &sx);
    printf("%s: %u %u %o statx %u %u %o\n", label, st.st_uid, st.st_gid, st.st_mode, sx.stx_uid, sx.stx_gid,
           sx.stx_mode);
}

static void make(const char *path, mode_t mode)
{
    int fd = open(path, O_CREAT | O_WRONLY, mode);
    struct stat st;

    if (fd >= 0 && !fstat(fd, &st)) {
        printf("made %s: %u %u %o\n", path, st.st_uid, st.st_gid, st.st_mode);
    } else {
        printf("not made %s: %s\n", path, error_of(-1));
    }
    close(fd);
}

/* Who may change what, of a file of 7:8 with this mode. */
static void change(uint32_t user, uint32_t group, uint32_t more)
{
    static const mode_t modes[] = { 0644, 04755, 02755, 02644, 06711 };
    static const uint32_t to[][2] = { { 7, 8 }, { 7, 9 }, { 10, NONE }, { NONE, 8 }, { NONE, 9 }, { NONE, 12 },
                                      { NONE, NONE }, { 0, 0 }, { LARGE, LARGE } };
    char label[128];

    for (int m = 0; m < 5; m++) {
        for (int t = 0; t < 9 + 5; t++) {
            unlink("f");
            close(open("f", O_CREAT | O_EXCL | O_WRONLY, 0600));
            chown("f", 7, 8);
            chmod("f", modes[m]);
            fflush(stdout);
            if (fork() == 0) {
                long ret;

                setgroups(1, &more);
                setresgid(group, group, group);
                setresuid(user, user, user);
                if (t < 9) {
                    snprintf(label, sizeof(label), "%u %u %u: %o chown %u %u", user, group, more, modes[m],
                             to[t][0], to[t][1]);
                    ret = chown("f", to[t][0], to[t][1]);
                } else {
                    snprintf(label, sizeof(label), "%u %u %u: %o chmod %o", user, group, more, modes[m],
                             modes[t - 9]);
                    ret = chmod("f", modes[t - 9]);
                }
                printf("%s: %s\n", label, error_of(ret));
                tell_file("then", "f");
                fflush(stdout);
                _exit(0);
            }
            wait(NULL);
        }
    }
    unlink("f");
}

static long listen_at(const char *path)
{
    struct sockaddr_un address = { AF_UNIX, "" };

    strcpy(address.sun_path, path);
    return bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof(address));
}

static void files(void)
{
    int fd;

    umask(022);
    make("a", 0644);
    printf("chown: %s\n", error_of(chown("a", 7, 8)));
    tell_file("a", "a");
    printf("chown -1 9: %s\n", error_of(chown("a", -1, 9)));
    tell_file("a", "a");
    printf("chmod 4755: %s\n", error_of(chmod("a", 04755)));
    tell_file("a", "a");
    printf("chown takes set-id: %s\n", error_of(chown("a", 0, 0)));
    tell_file("a", "a");
    printf("chmod 0: %s\n", error_of(chmod("a", 0)));
    tell_file("a", "a");
    printf("root may write: %d\n", access("a", W_OK));
    make("a", 0644);
    printf("large: %s\n", error_of(chown("a", LARGE, LARGE + 1)));
    tell_file("a", "a");
    printf("opaque: %s\n", error_of(chown("a", OPAQUE_ID, OPAQUE_ID)));
    tell_file("a", "a");
    printf("mkdir: %s\n", error_of(mkdir("d", 0755)));
    printf("chown: %s\n", error_of(chown("d", 7, 8)));
    printf("chmod 3775: %s\n", error_of(chmod("d", 03775)));
    tell_file("d", "d");
    make("d/file", 0666);
    printf("mkdir: %s\n", error_of(mkdir("d/sub", 0777)));
    tell_file("d/sub", "d/sub");
    make("d/sub/file", 0400);
    fd = open("d", O_RDONLY | O_DIRECTORY);
    close(openat(fd, "by-fd", O_CREAT | O_WRONLY, 0604));
    tell_file("d/by-fd", "d/by-fd");
    printf("fchownat: %s\n", error_of(fchownat(fd, "by-fd", 11, 12, 0)));
    tell_file("d/by-fd", "d/by-fd");
    printf("fchmodat: %s\n", error_of(fchmodat(fd, "by-fd", 0705, 0)));
    tell_file("d/by-fd", "d/by-fd");
    printf("fchownat of the descriptor: %s\n", error_of(fchownat(fd, "", 13, -1, AT_EMPTY_PATH)));
    printf("fchown: %s\n", error_of(fchown(fd, -1, 14)));
    tell_file("d", "d");
    printf("fchmod: %s\n", error_of(fchmod(fd, 0500)));
    tell_file("d", "d");
    make("d/still", 0644);
    close(fd);
    fd = open("d", O_PATH);
    printf("fchmod of a path: %s\n", error_of(syscall(SYS_fchmod, fd, 0755)));
    printf("fchown of a path: %s\n", error_of(syscall(CALL(fchown), fd, 1, 1)));
    printf("fchownat of a path: %s\n", error_of(fchownat(fd, "", 15, 16, AT_EMPTY_PATH)));
    tell_file("d", "d");
    close(fd);
    symlink("a", "l");
    printf("lchown: %s\n", error_of(lchown("l", 20, 21)));
    tell_file("a", "a");
    printf("chown of a link: %s\n", error_of(chown("l", 22, 23)));
    tell_file("a", "a");
    printf("no such file: %s\n", error_of(chown("none", 1, 1)));
    printf("no such file: %s\n", error_of(chmod("none", 1)));
    mkfifo("p", 0644);
    printf("chown of a fifo: %s\n", error_of(chown("p", 1, 1)));
    mknod("r", S_IFREG | 0640, 0);
    tell_file("r", "r");
    printf("rename: %s\n", error_of(rename("a", "b")));
    tell_file("b", "b");
    link("b", "c");
    tell_file("c", "c");
    printf("attributes: %s\n", error_of(listxattr("b", NULL, 0)));
    printf("attribute: %s\n", error_of(getxattr("b", "user.unibin.owner", NULL, 0)));
    printf("own attribute: %s\n", error_of(setxattr("b", "user.mine", "1", 1, 0)));
    printf("attributes: %s\n", error_of(listxattr("b", NULL, 0)));
    chmod(".", 0777);
    CHILD(setgroups(0, NULL); setgid(31); setuid(30);
          make("by-user", 0644);
          make("by-user-closed", 0);
          make("by-user-set-id", 06755);
          printf("mkdir: %s\n", error_of(mkdir("by-user-d", 0700)));
          tell_file("by-user-d", "by-user-d");
          printf("its own: %s\n", error_of(chmod("by-user", 02755)));
          tell_file("by-user", "by-user");
          printf("root's: %s\n", error_of(chmod("r", 0777)));
          printf("give away: %s\n", error_of(chown("by-user", 1, -1)));
          symlink("dangling", "to-dangling");
          make("to-dangling", 0644);
          tell_file("dangling", "dangling");
          fd = open(".", O_TMPFILE | O_RDWR, 0640);
          struct stat st;
          if (fd >= 0 && !fstat(fd, &st)) printf("unnamed: %u %u %o\n", st.st_uid, st.st_gid, st.st_mode);
          printf("bind: %s\n", error_of(listen_at("by-user-socket")));
          printf("its own: %s\n", error_of(chmod("by-user-socket", 0666)));
          printf("its own: %s\n", error_of(chown("by-user-socket", -1, 31)));
          printf("give away: %s\n", error_of(chown("by-user-socket", 1, -1)));
          printf("may write r: %s\n", error_of(access("r", W_OK)));
          printf("may read r: %s\n", error_of(access("r", R_OK)));
          printf("may write by-user: %s\n", error_of(access("by-user", W_OK)));
          printf("may read by-user-closed: %s\n", error_of(access("by-user-closed", R_OK)));
          printf("chroot: %s\n", error_of(chroot("."))));
    tell_file("by-user", "by-user");
    tell_file("by-user-closed", "by-user-closed");
    tell_file("by-user-d", "by-user-d");
    CHILD(setfsgid(41); setfsuid(40); make("by-fsuid", 0644));
    for (int i = 0; i < 4; i++) {
        CHILD(change(i == 0 ? 0 : i == 1 ? 7 : i == 2 ? 7 : 30, i == 1 ? 8 : 20, i == 3 ? 8 : 9));
    }
}

/* Programs that are started. */

static void tell(const char *label)
{
    gid_t list[64];
    int count = getgroups(64, list);

    printf("%s:", label);
    show_ids();
    printf(" aux %lu %lu %lu %lu secure %lu cap %llx %llx %llx keep %d groups", getauxval(AT_UID), getauxval(AT_EUID),
           getauxval(AT_GID), getauxval(AT_EGID), getauxval(AT_SECURE), (unsigned long long)capability_set(0),
           (unsigned long long)capability_set(1), (unsigned long long)capability_set(2), prctl(PR_GET_KEEPCAPS));
    for (int i = 0; i < count; i++) {
        printf(" %u", list[i]);
    }
    printf("\n");
}

static void start(const char *path, const char *label)
{
    char *argv[] = { (char *)path, "tell", (char *)label, mask_text, NULL };
    char *envp[] = { NULL };

    fflush(stdout);
    execve(path, argv, envp);
    printf("%s: not started: %s\n", label, error_of(-1));
}

static void spawn(const char *path, char *label)
{
    char *argv[] = { (char *)path, "tell", label, mask_text, NULL };
    char *envp[] = { NULL };
    pid_t pid;
    int error;

    fflush(stdout);
    error = posix_spawn(&pid, path, NULL, NULL, argv, envp);
    printf("spawn %d\n", error);
    if (!error) {
        waitpid(pid, NULL, 0);
    }
}

static void copy_self(const char *to)
{
    char buffer[65536];
    int from = open(self, O_RDONLY), fd = open(to, O_CREAT | O_EXCL | O_WRONLY, 0755);
    ssize_t got;

    while ((got = read(from, buffer, sizeof(buffer))) > 0) {
        if (write(fd, buffer, got) != got) {
            break;
        }
    }
    close(from);
    close(fd);
}

static void programs(void)
{
    static const mode_t modes[] = { 0755, 04755, 02755, 06755, 02745, 04711 };
    gid_t list[] = { 50, LARGE, 49 };
    char path[64], label[64];

    for (int m = 0; m < 6; m++) {
        for (int owner = 0; owner < 2; owner++) {
            if (modes[m] == 02745 && !owner) {
                /* Members of the group may not execute it, but for the one user of the host they may. */
                continue;
            }
            snprintf(path, sizeof(path), "./program-%o-%d", modes[m], owner);
            copy_self(path);
            chown(path, owner ? 60 : 0, owner ? 61 : 0);
            chmod(path, modes[m]);
            for (int who = 0; who < 6; who++) {
                snprintf(label, sizeof(label), "program %o of %d by %d", modes[m], owner, who);
                CHILD(setgroups(3, list);
                      if (who == 1) { setresgid(70, 70, 70); setresuid(71, 71, 71); }
                      if (who == 2) { setresgid(70, 70, 70); setresuid(71, 71, 71);
                                      prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }
                      if (who == 3) { setresuid(0, 71, 0); }
                      if (who == 4) { prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0); setresuid(71, 71, 71); }
                      if (who == 5) { setresuid(71, 0, 0); }
                      start(path, label));
            }
        }
    }
    /* Of a script these bits give nothing. */
    FILE *script = fopen("script", "w");
    fprintf(script, "#!%s tell\n", self);
    fclose(script);
    chown("script", 60, 61);
    chmod("script", 06755);
    CHILD(setresuid(71, 71, 71); fflush(stdout); execl("./script", "script", mask_text, NULL));
    CHILD(set_capabilities(~0ull, ~0ull, ~0ull); prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0);
          start(self, "inheritable, ambient"));
    CHILD(set_capabilities(~0ull, ~0ull, ~0ull); prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS, 0, 0, 0);
          setresuid(71, 71, 71); prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0);
          start(self, "ambient of a user"));
    CHILD(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT, 0, 0, 0); start(self, "no root"));
    CHILD(prctl(PR_CAPBSET_DROP, CAP_CHOWN); start(self, "less bounding"));
    CHILD(setgroups(2, list); setresgid(5, 6, 6); setresuid(7, LARGE, 7); spawn(self, "spawned"));
    CHILD(setgroups(1, list); setresgid(6, 6, 6); setresuid(7, 7, 7);
          if (!vfork()) { setgroups(0, NULL); start(self, "vforked"); _exit(0); }
          wait(NULL); show("parent", 0));
}

/* Threads. */

static pthread_barrier_t barrier;

static void *in_thread(void *unused)
{
    (void)unused;
    show("thread begins", 0);
    show("thread alone", syscall(CALL(setresuid), 80, 80, 0));
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    show("thread after all", 0);
    return NULL;
}

static void threads(void)
{
    pthread_t thread;

    pthread_barrier_init(&barrier, NULL, 2);
    syscall(CALL(setresgid), 90, 90, 0);
    pthread_create(&thread, NULL, in_thread, NULL);
    pthread_barrier_wait(&barrier);
    show("main still", 0);
    show("main all", setgid(0));
    show("main all", seteuid(91));
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    show("main after", 0);
}

/* Peers, limits, processes. */

static void peers(void)
{
    struct sockaddr_un address = { AF_UNIX, "socket" };
    int server = socket(AF_UNIX, SOCK_STREAM, 0), one = 1, pair[2];
    struct ucred peer;
    socklen_t length = sizeof(peer);

    printf("bind: %s\n", error_of(bind(server, (struct sockaddr *)&address, sizeof(address))));
    chmod("socket", 0777);
    listen(server, 5);
    fflush(stdout);
    for (int i = 0; i < 3; i++) {
        int ends[2];
        char byte;

        if (pipe(ends)) {
            return;
        }
        pid_t pid = fork();
        if (!pid) {
            int fd = socket(AF_UNIX, SOCK_STREAM, 0);
            setresgid(i ? 100 : 0, i ? 101 : 0, i ? 101 : 0);
            setresuid(i == 2 ? LARGE : 0, i ? i == 2 ? LARGE : 103 : 0, 0);
            int failed = connect(fd, (struct sockaddr *)&address, sizeof(address));
            close(ends[1]);
            /* Here to be asked about until the other side has asked. */
            if (read(ends[0], &byte, 1)) {
            }
            getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length);
            printf("server: %d %u %u\n", failed, peer.uid, peer.gid);
            fflush(stdout);
            _exit(0);
        }
        int fd = accept(server, NULL, NULL);
        length = sizeof(peer);
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length);
        printf("client %d: %u %u %d\n", i, peer.uid, peer.gid, peer.pid == pid);
        fflush(stdout);
        close(ends[0]);
        close(ends[1]);
        waitpid(pid, NULL, 0);
        fflush(stdout);
    }
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) {
        return;
    }
    setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one));
    for (int i = 0; i < 5; i++) {
        int ends[2];
        char byte;

        if (pipe(ends)) {
            return;
        }
        fflush(stdout);
        pid_t pid = fork();
        char control[CMSG_SPACE(sizeof(struct ucred))];
        struct iovec part = { "x", 1 };
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
        if (!pid) {
            struct ucred as = { getpid(), i == 2 ? 110 : i == 3 ? 5 : 0, i == 3 ? 6 : i == 2 ? 111 : 0 };
            if (i == 1 || i == 2) {
                as.uid = 110;
                as.gid = 111;
            }
            if (i) {
                setresgid(111, 111, 111);
                setresuid(110, 110, 110);
                message.msg_control = control;
                message.msg_controllen = sizeof(control);
                struct cmsghdr *head = CMSG_FIRSTHDR(&message);
                head->cmsg_level = SOL_SOCKET;
                head->cmsg_type = SCM_CREDENTIALS;
                head->cmsg_len = CMSG_LEN(sizeof(as));
                memcpy(CMSG_DATA(head), &as, sizeof(as));
            }
            const char *sent = error_of(sendmsg(pair[1], &message, 0));
            close(ends[1]);
            if (read(ends[0], &byte, 1)) {
            }
            printf("send %d: %s\n", i, sent);
            fflush(stdout);
            _exit(0);
        }
        if (i < 3) {
            message.msg_control = control;
            message.msg_controllen = sizeof(control);
            part.iov_base = &byte;
            recvmsg(pair[0], &message, 0);
            struct cmsghdr *head = CMSG_FIRSTHDR(&message);
            if (head && head->cmsg_type == SCM_CREDENTIALS) {
                memcpy(&peer, CMSG_DATA(head), sizeof(peer));
                printf("got %d: %u %u %d\n", i, peer.uid, peer.gid, peer.pid == pid);
            }
            fflush(stdout);
        }
        close(ends[0]);
        close(ends[1]);
        waitpid(pid, NULL, 0);
    }
}

static void lines_of(const char *label, const char *path)
{
    char line[4096];
    FILE *file = fopen(path, "r");

    while (file && fgets(line, sizeof(line), file)) {
        if (!strncmp(line, "Uid:", 4) || !strncmp(line, "Gid:", 4) || !strncmp(line, "Groups:", 7)) {
            printf("%s: %s", label, line);
        } else if (!strncmp(line, "CapEff:", 7) || !strncmp(line, "CapPrm:", 7)) {
            printf("%s: %.7s %llx\n", label, line, strtoull(line + 7, NULL, 16) & (unsigned long long)mask);
        }
    }
    if (file) {
        fclose(file);
    }
}

static void processes(void)
{
    struct rlimit limit;
    gid_t list[] = { 121 };
    int ends[2], back[2];
    char byte, path[64];

    printf("limit: %s", error_of(getrlimit(RLIMIT_LOCKS, &limit)));
    printf(" %llx %llx\n", (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
    CHILD(limit.rlim_cur = 12; printf("set: %s", error_of(setrlimit(RLIMIT_LOCKS, &limit)));
          getrlimit(RLIMIT_LOCKS, &limit); printf(" %llx\n", (unsigned long long)limit.rlim_cur));
    setgroups(1, list);
    CHILD(setresgid(120, 121, 122); setresuid(123, 124, 125); lines_of("self", "/proc/self/status");
          lines_of("thread-self", "/proc/thread-self/status"));
    if (pipe(ends) || pipe(back)) {
        return;
    }
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) {
        setresgid(121, 121, 121);
        setresuid(130, 130, 130);
        /* As after an execve; a process that has changed its ids is root's in /proc otherwise. */
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
        if (write(back[1], "x", 1) != 1) {
            _exit(1);
        }
        close(ends[1]);
        if (read(ends[0], &byte, 1)) {
        }
        _exit(0);
    }
    if (read(back[0], &byte, 1)) {
    }
    snprintf(path, sizeof(path), "/proc/%d", pid);
    struct stat st;
    if (!stat(path, &st)) {
        printf("stat of a process: %u %u %o\n", st.st_uid, st.st_gid, st.st_mode);
    }
    snprintf(path, sizeof(path), "/proc/%d/fd", pid);
    if (!stat(path, &st)) {
        printf("stat of its directory: %u %u %o\n", st.st_uid, st.st_gid, st.st_mode);
    }
    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    lines_of("another", path);
    close(ends[0]);
    close(ends[1]);
    waitpid(pid, NULL, 0);
}

/* What is other than natively. */
static void apart(void)
{
    struct stat st;

    printf("block device: %s\n", error_of(mknod("block", S_IFBLK | 0600, 0x801)));
    printf("character device: %s\n", error_of(mknod("character", S_IFCHR | 0600, 0x103)));
    make("file", 0644);
    printf("attribute: %s\n", error_of(setxattr("file", "user.unibin.owner", "1 1 644", 7, 0)));
    printf("no attribute: %s\n", error_of(removexattr("file", "user.unibin.owner")));
    printf("chown: %s\n", error_of(chown("file", 5, LARGE)));
    printf("chmod: %s\n", error_of(chmod("file", 06011)));
    mkdir("directory", 01000);
    make("plain", 0600);
    chown("plain", 7, 7);
    chown("plain", 0, 0);
    symlink("plain", "link");
    lchown("link", 8, 8);
    tell_file("link", "link");
    tell_file("noted", "noted");
    tell_file("odd", "odd");
    mkfifo("fifo", 0600);
    chown("fifo", 5, 5);
    chmod("fifo", 0);
    tell_file("fifo", "fifo");
    if (!stat("/", &st)) {
        printf("another's: %u %u %s\n", st.st_uid, st.st_gid, error_of(chown("/", 1, 1)));
    }
#ifdef SYS_setresuid32
    printf("16 bits: setuid %s", error_of(syscall(SYS_setresuid, 0xffff, 70, 0xffff)));
    show_ids();
    printf(" setfsuid %ld %ld", syscall(SYS_setfsuid, 0xffff), syscall(SYS_geteuid));
    syscall(SYS_setresuid32, 0, 0, 0);
    syscall(SYS_setresuid32, 0, 70000, 0);
    printf(" large %ld\n", syscall(SYS_geteuid));
#endif
}

static void within(const char *directory)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/program", directory);
    copy_self(path);
    chown(path, 5, 6);
    chmod(path, 06755);
    printf("chroot: %s %s\n", error_of(chroot(directory)), error_of(chdir("/")));
    printf("/proc: %s\n", error_of(access("/proc/self", F_OK)));
    for (int fd = 3; fd < 600; fd++) {
        close(fd);
    }
    CHILD(start("/program", "in a chroot"));
    CHILD(dup2(1, 256); dup2(1, 257); dup2(1, 512); spawn("/program", "once more"));
    CHILD(setgid(9); setuid(8); start("/program", "of a user"));
    fflush(stdout);
    execl("/program", "program", "again", mask_text, NULL);
}

static void attributes(int count, char **files)
{
    char value[100];

    for (int i = 0; i < count; i++) {
        struct stat st;
        ssize_t size = lgetxattr(files[i], "user.unibin.owner", value, sizeof(value) - 1);

        value[size < 0 ? 0 : size] = '\0';
        lstat(files[i], &st);
        printf("%s %o %s\n", files[i], st.st_mode, size < 0 ? error_of(-1) : value);
    }
}

int main(int argc, char **argv)
{
    if (argc == 4 && !strcmp(argv[1], "tell")) {
        mask = strtoull(argv[3], NULL, 16);
        tell(argv[2]);
        return 0;
    }
    if (argc == 4 && !strcmp(argv[1], "note")) {
        return setxattr(argv[2], "user.unibin.owner", argv[3], strlen(argv[3]), 0) ? 1 : 0;
    }
    if (argc > 2 && !strcmp(argv[1], "noted")) {
        attributes(argc - 2, argv + 2);
        return 0;
    }
    if (argc == 3 && !strcmp(argv[1], "apart")) {
        umask(022);
        if (!chdir(argv[2])) {
            apart();
        }
        return 0;
    }
    if (argc == 3 && !strcmp(argv[1], "again")) {
        CHILD(start("/program", "again"));
        return 0;
    }
    if (argc == 3 && !strcmp(argv[1], "chroot") && realpath(argv[0], self)) {
        snprintf(mask_text, sizeof(mask_text), "%x", 0);
        within(argv[2]);
        return 0;
    }
    if (argc != 3 || !realpath(argv[0], self) || chdir(argv[1])) {
        return 2;
    }
    alarm(300);
    snprintf(mask_text, sizeof(mask_text), "%s", argv[2]);
    mask = strtoull(mask_text, NULL, 16);
    show("at first", 0);
    calls(0);
    calls(1);
    CHILD(round_trips());
    CHILD(limits_of_ids());
    CHILD(groups());
    CHILD(keep_capabilities());
    CHILD(other_capabilities());
    CHILD(threads());
    CHILD(files());
    CHILD(programs());
    CHILD(peers());
    CHILD(processes());
    return 0;
}
