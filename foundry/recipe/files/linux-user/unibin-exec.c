/*
 * Programs that a program starts: execve and execveat, for `-children on`.
 *
 * A file is looked at as the kernel would. A program of our target is continued by this same emulator,
 * executed anew with the same options; scripts are followed to their interpreters; programs of other targets
 * are continued by their emulators, if these were named. Everything else, and every error that the kernel can
 * find by itself, is the kernel's: it gets the call for the file that is meant.
 *
 * Options travel as arguments, never in the environment, which reaches the new program as the guest gave it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 * Copyright unibin's authors
 */
#include "qemu/osdep.h"
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <elf.h>
#include "qemu/cutils.h"
#include "qemu.h"
#include "user-internals.h"
#include "user/safe-syscall.h"
#include "special-errno.h"
#include "unibin-exec.h"
#include "unibin-ids.h"
#include "unibin-vfork.h"
#include "unibin-view.h"

#ifndef AT_EXECVE_CHECK
#define AT_EXECVE_CHECK 0x10000
#endif

/* How much of a script's first line counts: BINPRM_BUF_SIZE of <linux/binfmts.h>. */
#define HEAD_SIZE 256
/* Scripts whose interpreters are scripts, that many deep (exec_binprm of fs/exec.c). */
#define DEPTH_MAX 5
/* Each interpreter adds two arguments at most. */
#define FRONT_MAX (2 * (DEPTH_MAX + 1) + 1)

/* "unibinex": the argument of an execve that starts an emulator of ours for a program. */
#define UNIBIN_EXEC_MARK ((long)0x756e6962696e6578)

#define SELF "/proc/self/exe"
#define CONTINUED "continued="

/* What an ELF header says of a target. */
typedef struct {
    const char *name;
    uint8_t class, data;
    uint16_t machine;
    uint32_t flags_mask, flags;
} Machine;

/* EF_MIPS_ABI2: 32-bit programs of the n32 kind. */
#define N32 0x20

static const Machine machines[] = {
    { "aarch64", ELFCLASS64, ELFDATA2LSB, EM_AARCH64 },
    { "aarch64_be", ELFCLASS64, ELFDATA2MSB, EM_AARCH64 },
    { "alpha", ELFCLASS64, ELFDATA2LSB, EM_ALPHA },
    { "arm", ELFCLASS32, ELFDATA2LSB, EM_ARM },
    { "armeb", ELFCLASS32, ELFDATA2MSB, EM_ARM },
    { "hexagon", ELFCLASS32, ELFDATA2LSB, 164 },
    { "hppa", ELFCLASS32, ELFDATA2MSB, EM_PARISC },
    { "i386", ELFCLASS32, ELFDATA2LSB, EM_386 },
    { "loongarch64", ELFCLASS64, ELFDATA2LSB, 258 },
    { "m68k", ELFCLASS32, ELFDATA2MSB, EM_68K },
    { "microblaze", ELFCLASS32, ELFDATA2MSB, 189 },
    { "microblazeel", ELFCLASS32, ELFDATA2LSB, 189 },
    { "mips", ELFCLASS32, ELFDATA2MSB, EM_MIPS, N32, 0 },
    { "mipsel", ELFCLASS32, ELFDATA2LSB, EM_MIPS, N32, 0 },
    { "mipsn32", ELFCLASS32, ELFDATA2MSB, EM_MIPS, N32, N32 },
    { "mipsn32el", ELFCLASS32, ELFDATA2LSB, EM_MIPS, N32, N32 },
    { "mips64", ELFCLASS64, ELFDATA2MSB, EM_MIPS },
    { "mips64el", ELFCLASS64, ELFDATA2LSB, EM_MIPS },
    { "or1k", ELFCLASS32, ELFDATA2MSB, 92 },
    { "ppc", ELFCLASS32, ELFDATA2MSB, EM_PPC },
    { "ppc64", ELFCLASS64, ELFDATA2MSB, EM_PPC64 },
    { "ppc64le", ELFCLASS64, ELFDATA2LSB, EM_PPC64 },
    { "riscv32", ELFCLASS32, ELFDATA2LSB, EM_RISCV },
    { "riscv64", ELFCLASS64, ELFDATA2LSB, EM_RISCV },
    { "s390x", ELFCLASS64, ELFDATA2MSB, EM_S390 },
    { "sh4", ELFCLASS32, ELFDATA2LSB, EM_SH },
    { "sh4eb", ELFCLASS32, ELFDATA2MSB, EM_SH },
    { "sparc", ELFCLASS32, ELFDATA2MSB, EM_SPARC },
    { "sparc32plus", ELFCLASS32, ELFDATA2MSB, EM_SPARC32PLUS },
    { "sparc64", ELFCLASS64, ELFDATA2MSB, EM_SPARCV9 },
    { "x86_64", ELFCLASS64, ELFDATA2LSB, EM_X86_64 },
    { "xtensa", ELFCLASS32, ELFDATA2LSB, EM_XTENSA },
    { "xtensaeb", ELFCLASS32, ELFDATA2MSB, EM_XTENSA },
};

/* The host's machines, as far as -native-by has to know them; `uint16_t` numbers of ELF. */
static const uint16_t host_machines[] = {
#if defined(__x86_64__) || defined(__i386__)
    EM_X86_64, EM_386,
#elif defined(__aarch64__) || defined(__arm__)
    EM_AARCH64, EM_ARM,
#elif defined(__riscv)
    EM_RISCV,
#elif defined(__powerpc__)
    EM_PPC64, EM_PPC,
#elif defined(__s390x__)
    EM_S390,
#elif defined(__loongarch__)
    258,
#elif defined(__mips__)
    EM_MIPS,
#endif
    EM_NONE
};

typedef struct {
    const Machine *machine;
    const char *file;
} Also;

bool unibin_children;
static const char *native_by;
static const char *tree;
static int exec_fd = -1;
static const char *given_name;
/* This program, after a chroot. */
static int self_fd = -1;
/* Options for programs of this target, and those that hold for every target. */
static GPtrArray *own_options, *all_options;
static GArray *also_list;

static const Machine *machine_called(const char *name, size_t length)
{
    for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
        if (strlen(machines[i].name) == length && !memcmp(machines[i].name, name, length)) {
            return &machines[i];
        }
    }
    return NULL;
}

static G_NORETURN void usage_error(const char *option, const char *arg, const char *fact)
{
    fprintf(stderr, "qemu: -%s `%s`: %s\n", option, arg, fact);
    exit(EXIT_FAILURE);
}

/* A path that means the same in every working directory. */
static char *absolute(const char *path)
{
    g_autofree char *cwd = NULL;

    if (path[0] == '/' || path[0] == '\0') {
        return g_strdup(path);
    }
    cwd = g_get_current_dir();
    return g_build_filename(cwd, path, NULL);
}

void unibin_option_children(const char *arg)
{
    if (g_str_has_prefix(arg, CONTINUED)) {
        given_name = arg + strlen(CONTINUED);
        unibin_children = true;
    } else if (!strcmp(arg, "on")) {
        unibin_children = true;
    } else if (!strcmp(arg, "off")) {
        unibin_children = unibin_root;
    } else {
        usage_error("children", arg, "neither `on` nor `off`");
    }
}

bool unibin_exec_is_continued(void)
{
    return given_name != NULL;
}

void unibin_option_also(const char *arg)
{
    const char *equals = strchr(arg, '=');
    Also also = { NULL, NULL };

    if (!equals || !equals[1]) {
        usage_error("also", arg, "not of the form TARGET=FILE");
    }
    also.machine = machine_called(arg, equals - arg);
    if (!also.machine) {
        usage_error("also", arg, "no such target");
    }
    also.file = absolute(equals + 1);
    if (!also_list) {
        also_list = g_array_new(false, false, sizeof(Also));
    }
    g_array_append_val(also_list, also);
}

void unibin_option_native_by(const char *arg)
{
    native_by = absolute(arg);
}

void unibin_option_exec_fd(const char *arg)
{
    if (qemu_strtoi(arg, NULL, 10, &exec_fd) || exec_fd < 0) {
        usage_error("exec-fd", arg, "not a descriptor");
    }
}

/*
 * A descriptor that the guest does not know of, and cannot close: high, so that none of its own gets another
 * number for it.
 */
static void hold_self(int fd)
{
    struct rlimit limit;
    int high = 256;

    if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur < 2 * high) {
        high = limit.rlim_cur / 2;
    }
    self_fd = fcntl(fd, F_DUPFD_CLOEXEC, high);
}

void unibin_exec_keep_self(void)
{
    int fd;

    if (!unibin_children || self_fd >= 0) {
        return;
    }
    fd = open(SELF, O_PATH | O_CLOEXEC);
    if (fd >= 0) {
        hold_self(fd);
        close(fd);
    }
}

void unibin_option_self_fd(const char *arg)
{
    int fd;

    if (qemu_strtoi(arg, NULL, 10, &fd) || fd < 0) {
        usage_error("self-fd", arg, "not a descriptor");
    }
    hold_self(fd);
    close(fd);
}

bool unibin_exec_holds(int fd)
{
    return fd >= 0 && fd == self_fd;
}

void unibin_exec_give_way(int fd)
{
    if (unibin_exec_holds(fd)) {
        hold_self(fd);
    }
}

#ifdef __NR_close_range
int unibin_exec_close_range(unsigned int first, unsigned int last, int flags)
{
    int ret = 0;

    if (self_fd < 0 || first > self_fd || last < self_fd) {
        return syscall(__NR_close_range, first, last, flags);
    }
    if (first < self_fd) {
        ret = syscall(__NR_close_range, first, self_fd - 1, flags);
    }
    if (!ret && last > self_fd) {
        ret = syscall(__NR_close_range, self_fd + 1, last, flags);
    }
    return ret;
}
#endif

/* Whether this program is to be executed by its descriptor. */
static bool is_self_held(void)
{
    return self_fd >= 0 && access(SELF, X_OK);
}

bool unibin_is_continued(int argc, char **argv)
{
    return argc > 2 && !strcmp(argv[1], "-children") && g_str_has_prefix(argv[2], CONTINUED);
}

static void keep(GPtrArray **list, const char *name, const char *value)
{
    if (!*list) {
        *list = g_ptr_array_new();
    }
    g_ptr_array_add(*list, g_strconcat("-", name, NULL));
    if (value) {
        g_ptr_array_add(*list, g_strdup(value));
    }
}

void unibin_keep_option(const char *name, const char *value)
{
    /*
     * What concerns the first program only: its name and variables, which its children have from it; the
     * debugger; what is put anew into each list.
     */
    static const char *const once[] = { "0", "E", "U", "g", "h", "help", "version", "children", "exec-fd",
                                        "self-fd", "also", "native-by", "ids", "root" };
    /* What every emulator understands in the same way. */
    static const char *const common[] = { "d", "D", "strace", "r", "seed" };
    g_autofree char *changed = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(once); i++) {
        if (!strcmp(name, once[i])) {
            return;
        }
    }
    if (!strcmp(name, "L")) {
        tree = absolute(value);
        keep(&own_options, name, tree);
        keep(&all_options, name, tree);
        return;
    }
    if (!strcmp(name, "view")) {
        keep(&own_options, name, value);
        keep(&all_options, name, value);
        return;
    }
    if (!strcmp(name, "D")) {
        /* A log file is emptied when it is opened, so each process needs its own. */
        g_autofree char *path = absolute(value);
        changed = strchr(path, '%') ? g_strdup(path) : g_strconcat(path, ".%d", NULL);
        value = changed;
    }
    keep(&own_options, name, value);
    for (size_t i = 0; i < ARRAY_SIZE(common); i++) {
        if (!strcmp(name, common[i])) {
            keep(&all_options, name, value);
        }
    }
}

int unibin_exec_file(char *real_path)
{
    char link[40];
    ssize_t length;

    if (exec_fd < 0) {
        return -1;
    }
    snprintf(link, sizeof(link), "/proc/self/fd/%d", exec_fd);
    length = readlink(link, real_path, PATH_MAX - 1);
    length = unibin_view_shown(real_path, MAX(length, 0));
    real_path[length] = '\0';
    return exec_fd;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

void unibin_name_process(const char *path)
{
    prctl(PR_SET_NAME, given_name ? given_name : base_name(path));
}

/* A call in the making. */
typedef struct {
    /* The file, for this process: as openat takes it. */
    int dirfd;
    const char *path;
    bool no_follow;
    /* What the new program is told about the file, and whether that leads nowhere after the exec. */
    const char *name;
    bool name_lost;
    /* Whether the file has to be handed over open, since no path leads to it for sure. */
    bool by_fd;
    /* The open file, or -1. */
    int fd;
    uint8_t head[HEAD_SIZE + 1];
    ssize_t head_size;
    /* Whether anything is other than the kernel would find by itself. */
    bool changed;
    /* With a view: where the tree's file really is, for a program that does not see the view. */
    char *real;
    /* Interpreters and their arguments, in reverse order, in place of argv[0]; and for such a program. */
    char *front[FRONT_MAX];
    char *real_front[FRONT_MAX];
    int front_size;
    char **argv;
    /* What is to be freed. */
    GPtrArray *strings;
} Call;

static char *own(Call *call, char *string)
{
    g_ptr_array_add(call->strings, string);
    return string;
}

/* The path behind `/proc/PID/`, where PID is this process. */
static const char *behind_proc_self(const char *path)
{
    char number[24];

    if (!g_str_has_prefix(path, "/proc/")) {
        return NULL;
    }
    path += strlen("/proc/");
    if (g_str_has_prefix(path, "self/")) {
        return path + strlen("self/");
    }
    if (g_str_has_prefix(path, "thread-self/")) {
        return path + strlen("thread-self/");
    }
    snprintf(number, sizeof(number), "%d/", getpid());
    return g_str_has_prefix(path, number) ? path + strlen(number) : NULL;
}

/* Whether a path leads through a descriptor, so that it means another file, or none, after the exec. */
static bool is_through_descriptor(const char *path)
{
    const char *rest = behind_proc_self(path);

    return (rest && g_str_has_prefix(rest, "fd/")) || g_str_has_prefix(path, "/dev/fd/")
           || !strcmp(path, "/dev/stdin") || !strcmp(path, "/dev/stdout") || !strcmp(path, "/dev/stderr");
}

/* The tree's file of that path, if there is one. */
static char *in_tree(Call *call, const char *path)
{
    g_autofree char *full = NULL;
    size_t length;
    struct stat st;

    if (!tree || unibin_view_tree || path[0] != '/') {
        return NULL;
    }
    length = strlen(tree);
    while (length && tree[length - 1] == '/') {
        length--;
    }
    if (!length || (!strncmp(path, tree, length) && path[length] == '/')) {
        return NULL;
    }
    full = g_strdup_printf("%.*s%s", (int)length, tree, path);
    if (stat(full, &st) || !S_ISREG(st.st_mode)) {
        return NULL;
    }
    return own(call, g_steal_pointer(&full));
}

/* Sets where a path leads in the view. False: errno says what is wrong. */
static bool find_in_view(Call *call, int dirfd, const char *path)
{
    ViewAt at;
    struct stat st, called;

    if (unibin_view_at(&at, dirfd, path, call->no_follow ? VIEW_NOFOLLOW : 0)) {
        return false;
    }
    if (at.same) {
        return true;
    }
    call->dirfd = at.fd;
    call->path = own(call, g_strdup(at.host));
    call->changed = true;
    if (at.tree) {
        call->real = (char *)call->path;
        /* By the name that it was called by, where a link in the tree leads to the same file. */
        if (!unibin_view_at(&at, dirfd, path, VIEW_NOFOLLOW) && at.tree && !stat(call->path, &st)
            && !stat(at.host, &called) && st.st_dev == called.st_dev && st.st_ino == called.st_ino) {
            call->real = own(call, g_strdup(at.host));
        }
    }
    return true;
}

/* Sets which file a path means. False: errno says what is wrong. */
static bool find(Call *call, int dirfd, const char *path, int flags)
{
    const char *proc = behind_proc_self(path);
    char *mapped;

    call->dirfd = dirfd;
    call->path = call->name = path;
    call->real = NULL;
    call->no_follow = flags & AT_SYMLINK_NOFOLLOW;
    call->name_lost = call->by_fd = false;
    if (unibin_view_tree && *path && !find_in_view(call, dirfd, path)) {
        return false;
    }
    if (proc && !strcmp(proc, "exe") && !call->no_follow) {
        /* The program, not the emulator. */
        call->name = real_exec_path;
        if (!unibin_view_tree) {
            call->path = real_exec_path;
        }
        call->changed = true;
    } else if (path[0] == '/') {
        mapped = in_tree(call, path);
        if (mapped) {
            call->path = call->name = mapped;
            call->changed = true;
        }
        call->by_fd = is_through_descriptor(path);
    } else if (dirfd != AT_FDCWD) {
        /* As the kernel names it: alloc_bprm of fs/exec.c. */
        int fd_flags = fcntl(dirfd, F_GETFD);
        call->name_lost = fd_flags >= 0 && (fd_flags & FD_CLOEXEC);
        call->name = own(call, g_strdup_printf(path[0] ? "/dev/fd/%d/%s" : "/dev/fd/%d", dirfd, path));
        call->by_fd = true;
        if (!path[0]) {
            call->no_follow = false;
            call->dirfd = AT_FDCWD;
            call->path = own(call, g_strdup_printf("/proc/self/fd/%d", dirfd));
        }
    }
    return true;
}

static void forget(Call *call)
{
    if (call->fd >= 0) {
        close(call->fd);
        call->fd = -1;
    }
}

typedef enum { SEEN, UNREADABLE, UNKNOWN, FAILED } Look;

/*
 * Opens the file and reads its first bytes. UNKNOWN and UNREADABLE: the kernel will say what is wrong, or
 * knows how to execute it. FAILED: errno says why. Only regular files are opened: other ones may wait for a
 * peer.
 */
static Look look(Call *call)
{
    struct stat st;
    int no_follow = call->no_follow ? O_NOFOLLOW : 0;

    forget(call);
    if (fstatat(call->dirfd, call->path, &st, call->no_follow ? AT_SYMLINK_NOFOLLOW : 0)
        || !S_ISREG(st.st_mode) || faccessat(call->dirfd, call->path, X_OK, AT_EACCESS)) {
        return UNKNOWN;
    }
    call->fd = openat(call->dirfd, call->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | no_follow);
    if (call->fd < 0) {
        return errno == EMFILE || errno == ENFILE ? FAILED : UNREADABLE;
    }
    do {
        call->head_size = pread(call->fd, call->head, HEAD_SIZE, 0);
    } while (call->head_size < 0 && errno == EINTR);
    if (call->head_size < 0) {
        return FAILED;
    }
    memset(call->head + call->head_size, 0, sizeof(call->head) - call->head_size);
    return SEEN;
}

/*
 * Whether the kernel would execute this file, were it of the host: errno says why not. Kernels before 6.14
 * have no such question; there, a lease is refused while somebody has the file open for writing.
 */
static bool is_executable(Call *call)
{
    static bool no_check;
    bool busy;

    if (!no_check) {
        if (!syscall(__NR_execveat, call->fd, "", NULL, NULL, AT_EMPTY_PATH | AT_EXECVE_CHECK)) {
            return true;
        }
        if (errno == EACCES || errno == ETXTBSY || errno == EPERM) {
            return false;
        }
        no_check = true;
    }
    /* If somebody opens the file while we hold the lease, we get a signal: one that is ignored by default. */
    fcntl(call->fd, F_SETSIG, SIGURG);
    busy = fcntl(call->fd, F_SETLEASE, F_RDLCK) && errno == EAGAIN;
    if (!busy) {
        fcntl(call->fd, F_SETLEASE, F_UNLCK);
    }
    errno = ETXTBSY;
    return !busy;
}

static uint64_t number(const Call *call, size_t at, size_t size)
{
    uint64_t value = 0;

    for (size_t i = 0; i < size; i++) {
        size_t byte = call->head[EI_DATA] == ELFDATA2MSB ? i : size - 1 - i;
        value = value << 8 | call->head[at + byte];
    }
    return value;
}

static bool is_of(const Call *call, const Machine *machine)
{
    bool wide = call->head[EI_CLASS] == ELFCLASS64;
    uint32_t flags = number(call, wide ? 48 : 36, 4);

    return machine && call->head[EI_CLASS] == machine->class && call->head[EI_DATA] == machine->data
           && number(call, 18, 2) == machine->machine && (flags & machine->flags_mask) == machine->flags;
}

/* Whether the kernel would load this for a program of ours. False: errno says why not. */
static bool is_interpreter(Call *call, const char *path)
{
    size_t header_size = call->head[EI_CLASS] == ELFCLASS64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
    uint8_t head[sizeof(Elf64_Ehdr)];
    struct stat st;
    ssize_t size;
    int fd;

    if (stat(path, &st)) {
        return false;
    }
    if (!S_ISREG(st.st_mode)) {
        errno = EACCES;
        return false;
    }
    if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS)) {
        return false;
    }
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return false;
    }
    size = pread(fd, head, header_size, 0);
    close(fd);
    errno = size == header_size ? ELIBBAD : EIO;
    return size == header_size && !memcmp(head, ELFMAG, SELFMAG) && head[EI_CLASS] == call->head[EI_CLASS]
           && head[EI_DATA] == call->head[EI_DATA] && !memcmp(head + 18, call->head + 18, 2);
}

/*
 * Looks at what load_elf_binary of fs/binfmt_elf.c looks at before it gives up the old program: the headers,
 * and the interpreter, which must be there. False: errno says what is wrong.
 */
static bool is_loadable(Call *call)
{
    bool wide = call->head[EI_CLASS] == ELFCLASS64;
    size_t header_size = wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
    uint64_t type = number(call, 16, 2);
    uint64_t table = wide ? number(call, 32, 8) : number(call, 28, 4);
    uint64_t entry_size = number(call, wide ? 54 : 42, 2);
    uint64_t count = number(call, wide ? 56 : 44, 2);
    bool swap = (call->head[EI_DATA] == ELFDATA2MSB) != HOST_BIG_ENDIAN;
    g_autofree uint8_t *headers = NULL;

    errno = ENOEXEC;
    if ((type != ET_EXEC && type != ET_DYN) || entry_size != header_size || count == 0
        || count > 65536 / header_size) {
        return false;
    }
    headers = g_malloc(count * header_size);
    if (pread(call->fd, headers, count * header_size, table) != count * header_size) {
        errno = ENOEXEC;
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const Elf64_Phdr *h64 = (void *)(headers + i * header_size);
        const Elf32_Phdr *h32 = (void *)(headers + i * header_size);
        uint32_t kind = swap ? bswap32(h32->p_type) : h32->p_type;
        uint64_t at, size;
        g_autofree char *interpreter = NULL;

        if (kind != PT_INTERP) {
            continue;
        }
        if (wide) {
            at = swap ? bswap64(h64->p_offset) : h64->p_offset;
            size = swap ? bswap64(h64->p_filesz) : h64->p_filesz;
        } else {
            at = swap ? bswap32(h32->p_offset) : h32->p_offset;
            size = swap ? bswap32(h32->p_filesz) : h32->p_filesz;
        }
        errno = ENOEXEC;
        if (size < 2 || size > PATH_MAX) {
            return false;
        }
        interpreter = g_malloc(size);
        if (pread(call->fd, interpreter, size, at) != size) {
            errno = EIO;
            return false;
        }
        errno = ENOEXEC;
        if (interpreter[size - 1]) {
            return false;
        }
        if (!call->by_fd) {
            /* There may be but one descriptor left. */
            forget(call);
        }
        if (unibin_view_tree) {
            ViewAt place;
            return !unibin_view_at(&place, AT_FDCWD, interpreter, 0) && is_interpreter(call, place.host);
        }
        return is_interpreter(call, in_tree(call, interpreter) ?: interpreter);
    }
    return true;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

/*
 * Takes a script's first line apart as load_script of fs/binfmt_script.c does, and puts its interpreter and
 * the one argument in front. Returns the interpreter's path, or NULL: errno says why.
 */
static char *interpreter_of(Call *call)
{
    char *end = (char *)call->head + HEAD_SIZE - 1;
    char *line = (char *)call->head + 2;
    char *newline = memchr(call->head, '\n', HEAD_SIZE);
    char *name, *name_end, *argument;

    errno = ENOEXEC;
    for (name = line; name < (newline ?: end) && is_blank(*name); name++) {
    }
    if (newline) {
        end = newline;
    } else {
        /* The line may have been cut: within the argument is no matter, within the path is. */
        if (name == end) {
            return NULL;
        }
        for (name_end = name; name_end < end && *name_end && !is_blank(*name_end); name_end++) {
        }
        if (name_end == end && *end && !is_blank(*end)) {
            return NULL;
        }
    }
    while (end > line && is_blank(end[-1])) {
        end--;
    }
    if (name >= end) {
        return NULL;
    }
    if (!*name) {
        /* The kernel takes this for the working directory. */
        errno = EACCES;
        return NULL;
    }
    for (name_end = name; name_end < end && *name_end && !is_blank(*name_end); name_end++) {
    }
    argument = NULL;
    if (name_end < end && *name_end) {
        for (argument = name_end; argument < end && is_blank(*argument); argument++) {
        }
        argument = own(call, g_strndup(argument, end - argument));
    }
    if (call->name_lost) {
        errno = ENOENT;
        return NULL;
    }
    name = own(call, g_strndup(name, name_end - name));
    /* The script takes the place of argv[0], which was the script's interpreter's name, if there was one. */
    if (call->front_size) {
        call->front_size--;
    }
    call->real_front[call->front_size] = call->real ?: (char *)call->name;
    call->front[call->front_size++] = (char *)call->name;
    if (argument && *argument) {
        call->real_front[call->front_size] = argument;
        call->front[call->front_size++] = argument;
    }
    call->real_front[call->front_size] = name;
    call->front[call->front_size++] = name;
    return name;
}

/* The new program's argv[0]; the kernel does not let it be missing (Linux 5.18). */
static char *argv0_of(Call *call)
{
    return call->front_size ? call->front[call->front_size - 1] : call->argv[0] ?: (char *)"";
}

/*
 * Appends the arguments behind argv[0], as they are after the scripts, and the end of the list. `native`: for a
 * program that does not see the view.
 */
static void append_arguments(Call *call, GPtrArray *list, bool native)
{
    for (int i = call->front_size - 1; i-- > 0; ) {
        g_ptr_array_add(list, native ? call->real_front[i] : call->front[i]);
    }
    for (char **rest = call->argv; *rest; rest++) {
        if (rest != call->argv) {
            g_ptr_array_add(list, *rest);
        }
    }
    g_ptr_array_add(list, NULL);
}

/*
 * `fd`: the program, where that is not -1. One of our own is marked in the last argument, which the call has
 * no use for: whoever looks at calls for programs that need help can let it pass.
 */
static int execute_file(int fd, const char *path, char **argv, char **envp, bool native)
{
    const long mark = native ? 0 : UNIBIN_EXEC_MARK;
    int ret, error;

    unibin_vfork_publish();
    unibin_signals_for_exec(true, native);
    ret = fd >= 0 ? safe_syscall(__NR_execveat, fd, "", argv, envp, (long)AT_EMPTY_PATH, mark)
                  : safe_syscall(__NR_execve, path, argv, envp, 0L, 0L, mark);
    error = errno;
    unibin_signals_for_exec(false, native);
    errno = error;
    return ret;
}

static int execute(const char *path, char **argv, char **envp, bool native)
{
    return execute_file(-1, path, argv, envp, native);
}

/* The kernel gets the call; if we found nothing that it would not find, exactly as it was. */
static int by_kernel(Call *call, int dirfd, const char *path, char **envp, int flags, bool at)
{
    g_autoptr(GPtrArray) list = NULL;
    int ret, error;

    forget(call);
    if (call->changed && (flags & AT_EXECVE_CHECK)) {
        return syscall(__NR_execveat, call->dirfd, call->path, call->argv, envp, flags);
    }
    if (call->changed) {
        list = g_ptr_array_new();
        g_ptr_array_add(list, argv0_of(call));
        append_arguments(call, list, true);
        return execute(call->path, (char **)list->pdata, envp, true);
    }
    if (!at) {
        return execute(path, call->argv, envp, true);
    }
    unibin_vfork_publish();
    unibin_signals_for_exec(true, true);
    ret = safe_syscall(__NR_execveat, dirfd, path, call->argv, envp, flags);
    error = errno;
    unibin_signals_for_exec(false, true);
    errno = error;
    return ret;
}

/* A program of the host's, by the program that -native-by names. */
static int by_other(Call *call, char **envp)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new();

    forget(call);
    g_ptr_array_add(list, (char *)"native");
    g_ptr_array_add(list, (char *)call->name);
    g_ptr_array_add(list, argv0_of(call));
    append_arguments(call, list, true);
    return execute(native_by, (char **)list->pdata, envp, true);
}

/* Adds what continues a program by the emulator `file`: the options before argv[0]. */
static void append_options(Call *call, GPtrArray *list, bool same)
{
    GPtrArray *options = same ? own_options : all_options;

    for (guint i = 0; options && i < options->len; i++) {
        if (!unibin_view_tree && !strcmp(options->pdata[i], "-view")) {
            /* It has been left. */
            i++;
            continue;
        }
        g_ptr_array_add(list, options->pdata[i]);
    }
    for (unsigned int i = 0; ; i++) {
        char *root = unibin_root_option(i);

        if (!root) {
            break;
        }
        g_ptr_array_add(list, (char *)"-root");
        g_ptr_array_add(list, own(call, root));
    }
    if (unibin_ids) {
        g_ptr_array_add(list, (char *)"-ids");
        g_ptr_array_add(list, own(call, unibin_ids_option()));
    }
    for (guint i = 0; also_list && i < also_list->len; i++) {
        Also *also = &g_array_index(also_list, Also, i);
        g_ptr_array_add(list, (char *)"-also");
        g_ptr_array_add(list, own(call, g_strdup_printf("%s=%s", also->machine->name, also->file)));
    }
    if (!same) {
        /* The way back. */
        char self[PATH_MAX];
        ssize_t length = readlink(SELF, self, sizeof(self) - 1);
        if (length > 0) {
            self[length] = '\0';
            g_ptr_array_add(list, (char *)"-also");
            g_ptr_array_add(list, own(call, g_strdup_printf("%s=%s", TARGET_NAME, self)));
        }
    }
    if (native_by) {
        g_ptr_array_add(list, (char *)"-native-by");
        g_ptr_array_add(list, (char *)native_by);
    }
}

/*
 * The name that the kernel gives the process: of the file that was asked for, scripts included; without a
 * path, that of the file that is executed (Linux 6.14).
 */
static char *process_name(Call *call, const char *path)
{
    char link[40], target[PATH_MAX];
    ssize_t length;

    if (!*path) {
        snprintf(link, sizeof(link), "/proc/self/fd/%d", call->fd);
        length = readlink(link, target, sizeof(target) - 1);
        if (length > 0) {
            target[length] = '\0';
            if (g_str_has_suffix(target, " (deleted)")) {
                target[length - strlen(" (deleted)")] = '\0';
            }
            path = target;
        }
    }
    return own(call, g_strdup_printf(CONTINUED "%.15s", base_name(path)));
}

/* A program of a target of ours: by the emulator `file`. */
static int by_emulator(Call *call, const char *file, char *name, char **envp)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new();
    bool same = !strcmp(file, SELF);
    int fd = -1, self = -1, ret, error;
    char *argv0 = argv0_of(call);

    /* A name that means something to the emulator is not for the host to see. */
    g_ptr_array_add(list, g_str_has_suffix(argv0, "-binfmt-P") ? name + strlen(CONTINUED) : argv0);
    g_ptr_array_add(list, (char *)"-children");
    g_ptr_array_add(list, name);
    append_options(call, list, same);
    if (call->by_fd) {
        fd = fcntl(call->fd, F_DUPFD, 0);
        if (fd < 0) {
            return -1;
        }
        g_ptr_array_add(list, (char *)"-exec-fd");
        g_ptr_array_add(list, own(call, g_strdup_printf("%d", fd)));
    }
    if (same && is_self_held()) {
        self = fcntl(self_fd, F_DUPFD, self_fd);
        if (self < 0) {
            return -1;
        }
        g_ptr_array_add(list, (char *)"-self-fd");
        g_ptr_array_add(list, own(call, g_strdup_printf("%d", self)));
    }
    g_ptr_array_add(list, (char *)"-0");
    g_ptr_array_add(list, argv0);
    if (call->name[0] == '-') {
        g_ptr_array_add(list, (char *)"--");
    }
    g_ptr_array_add(list, (char *)call->name);
    append_arguments(call, list, false);
    ret = execute_file(self, file, (char **)list->pdata, envp, false);
    error = errno;
    if (fd >= 0) {
        close(fd);
    }
    if (self >= 0) {
        close(self);
    }
    errno = error;
    return ret;
}

static bool is_hosts(const Call *call)
{
    uint16_t machine = number(call, 18, 2);

    for (const uint16_t *host = host_machines; *host != EM_NONE; host++) {
        if (*host == machine) {
            return call->head[EI_DATA] == (HOST_BIG_ENDIAN ? ELFDATA2MSB : ELFDATA2LSB);
        }
    }
    return false;
}

/* Which emulator is for this ELF file; NULL: none. */
static const char *emulator_for(const Call *call)
{
    if (is_of(call, machine_called(TARGET_NAME, strlen(TARGET_NAME)))) {
        return SELF;
    }
    for (guint i = 0; also_list && i < also_list->len; i++) {
        Also *also = &g_array_index(also_list, Also, i);
        if (is_of(call, also->machine)) {
            return also->file;
        }
    }
    return NULL;
}

static int follow(Call *call, int dirfd, const char *path, char **envp, int flags, bool at)
{
    const char *file;
    bool is_elf;
    char *name;
    int ret;

    if ((flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_EXECVE_CHECK))
        || (!*path && (!(flags & AT_EMPTY_PATH) || dirfd == AT_FDCWD))) {
        return by_kernel(call, dirfd, path, envp, flags, at);
    }
    if (!find(call, dirfd, path, flags)) {
        return -1;
    }
    for (int depth = 0; ; depth++) {
        char *interpreter;

        if (depth > DEPTH_MAX) {
            errno = ELOOP;
            return -1;
        }
        switch (look(call)) {
        case SEEN:
            break;
        case UNREADABLE:
            if (unibin_root) {
                errno = EACCES;
                return -1;
            }
            ret = by_kernel(call, dirfd, path, envp, flags, at);
            if (ret < 0 && errno == ENOEXEC) {
                /* The kernel could have executed it, an emulator has to read it. */
                errno = EACCES;
            }
            return ret;
        case UNKNOWN:
            return by_kernel(call, dirfd, path, envp, flags, at);
        case FAILED:
            return -1;
        }
        if (call->head[0] == '#' && call->head[1] == '!') {
            if (flags & AT_EXECVE_CHECK) {
                return by_kernel(call, dirfd, path, envp, flags, at);
            }
            if (!is_executable(call)) {
                return -1;
            }
            interpreter = interpreter_of(call);
            if (!interpreter) {
                return -1;
            }
            if (!find(call, AT_FDCWD, interpreter, 0)) {
                return -1;
            }
            continue;
        }
        is_elf = call->head_size >= sizeof(Elf32_Ehdr) && !memcmp(call->head, ELFMAG, SELFMAG);
        file = is_elf ? emulator_for(call) : NULL;
        if (!file && !unibin_root && !(is_elf && native_by && is_hosts(call))) {
            return by_kernel(call, dirfd, path, envp, flags, at);
        }
        if (!is_executable(call)) {
            return -1;
        }
        if (flags & AT_EXECVE_CHECK) {
            return 0;
        }
        if (!file && unibin_root) {
            /* Whatever the kernel would execute would see the host's root. */
            errno = ENOEXEC;
            return -1;
        }
        if (!file) {
            return by_other(call, envp);
        }
        name = process_name(call, path);
        if (!is_loadable(call)) {
            return -1;
        }
        return by_emulator(call, file, name, envp);
    }
}

int unibin_execve(int dirfd, const char *path, char **argv, char **envp, int flags, bool at)
{
    Call call = { .fd = -1, .argv = argv };
    int ret, error;

    call.strings = g_ptr_array_new_with_free_func(g_free);
    ret = follow(&call, dirfd, path, envp, flags, at);
    error = errno;
    forget(&call);
    g_ptr_array_unref(call.strings);
    errno = error;
    return ret;
}
