/*
 * A directory as the root: for `-root DIR`, where the kernel allows neither chroot nor mounts.
 *
 * Every path of the application is looked up here, link by link, below DIR, and the host's call gets what it
 * leads to. `..` does not lead out of DIR, nor does a link. Binds show a directory or a file of the host's at
 * a path of the root, as bind mounts would: `-root wN:SOURCETARGET`, SOURCE being N bytes long, or `rN:...`
 * for one that cannot be written (EROFS). Where two have the same place, the later one counts. Files below
 * DIR are changed in place. A chroot of the application's gives it a directory of the root as its root, with
 * the binds that lie below.
 *
 * There is no state but that: where a descriptor or the working directory is, /proc/self/fd and getcwd(2)
 * say, and the path in the root is worked out from it. A directory that is neither below DIR nor below a
 * bind, which only an inherited descriptor leads to, is the host's: paths relative to it are the kernel's,
 * and it is shown as it is.
 *
 * This is a view, not a wall: the process has all rights of its user outside, too.
 *
 * What it does not have: mounts, which the application can neither see nor make (EPERM); programs that no
 * emulator is for (ENOEXEC), since a native one would have the host's root. /proc/PID/mounts is the host's. The
 * name of a socket with a very long path begins with a descriptor (view_address of unibin-view-hooks.h), and
 * whom a message came from has the name that the host has.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 * Copyright unibin's authors
 */
#include "qemu/osdep.h"
#include <sys/syscall.h>
#include "qemu.h"
#include "user-internals.h"
#include "unibin-exec.h"
#include "unibin-view.h"
#include "unibin-view-map.h"

#define LINKS_MOST 40

/* A path of the root, in a buffer of PATH_MAX; empty for the root itself. It has no links. */
typedef struct {
    char *path;
    size_t length;
} Spot;

typedef struct {
    /* Real path and path in the root; empty for the host's root. */
    char *source, *target;
    size_t source_length, target_length;
    bool read_only;
} Bind;

bool unibin_root;
/* The real path; empty for the host's root. */
static char *root;
static size_t root_length;
static GArray *binds;

static bool is_below(const char *path, const char *directory, size_t length)
{
    return !strncmp(path, directory, length) && (path[length] == '/' || !path[length]);
}

/* The bind that shows what is at this path; NULL: it is the root's own. */
static const Bind *bind_of(const char *path)
{
    for (guint i = binds->len; i-- > 0; ) {
        const Bind *bind = &g_array_index(binds, Bind, i);

        if (is_below(path, bind->target, bind->target_length)) {
            return bind;
        }
    }
    return NULL;
}

/* Where a path of the root really is. False: errno says that it is too long. */
static bool find_real(ViewAt *at, const char *path, size_t length)
{
    const Bind *bind = bind_of(path);
    const char *base = bind ? bind->source : root;
    size_t base_length = bind ? bind->source_length : root_length;
    size_t skipped = bind ? bind->target_length : 0;

    if (base_length + length - skipped >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(at->other, base, base_length);
    strcpy(at->other + base_length, path + skipped);
    return true;
}

/* The path in the root of what has this real path, in its place. -1: it is not in the root. */
static ssize_t find_inside(char *path, size_t length)
{
    char inside[PATH_MAX];

    if (is_below(path, root, root_length)) {
        memmove(path, path + root_length, length - root_length + 1);
        return length - root_length;
    }
    for (guint i = binds->len; i-- > 0; ) {
        const Bind *bind = &g_array_index(binds, Bind, i);
        size_t rest = length - bind->source_length;

        if (is_below(path, bind->source, bind->source_length) && bind->target_length + rest < PATH_MAX) {
            memcpy(inside, bind->target, bind->target_length);
            memcpy(inside + bind->target_length, path + bind->source_length, rest + 1);
            if (bind_of(inside) == bind) {
                memcpy(path, inside, bind->target_length + rest + 1);
                return bind->target_length + rest;
            }
        }
    }
    return -1;
}

/* The real path of a descriptor; -1: it has none. */
static ssize_t path_of(int fd, char *path)
{
    char link[32];
    ssize_t length;

    if (fd == AT_FDCWD) {
        length = syscall(__NR_getcwd, path, PATH_MAX) - 1;
    } else {
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        length = fd < 0 ? -1 : readlink(link, path, PATH_MAX - 1);
    }
    if (length <= 0 || path[0] != '/') {
        return -1;
    }
    path[length] = '\0';
    return length;
}

/* Where a directory is in the root. False: nowhere, or its path leads to it no longer. */
static bool find_spot(int dirfd, Spot *spot)
{
    static const char deleted[] = " (deleted)";
    ssize_t length = path_of(dirfd, spot->path);

    if (length < 0 || (g_str_has_suffix(spot->path, deleted) && access(spot->path, F_OK))) {
        return false;
    }
    if (length == 1) {
        length = 0;
        spot->path[0] = '\0';
    }
    length = find_inside(spot->path, length);
    spot->length = length;
    return length >= 0;
}

/* Whether what has this real path is shown by a bind that cannot be written. */
static bool is_read_only(const char *path)
{
    char inside[PATH_MAX];
    const Bind *bind;
    size_t length = strlen(path);

    if (length >= sizeof(inside)) {
        return false;
    }
    memcpy(inside, path, length + 1);
    if (find_inside(inside, length) < 0) {
        return false;
    }
    bind = bind_of(inside);
    return bind && bind->read_only;
}

bool unibin_root_forbids(int fd)
{
    char path[PATH_MAX];

    return path_of(fd, path) > 0 && is_read_only(path);
}

bool unibin_root_crosses(const ViewAt *from, const ViewAt *to)
{
    return from->name && to->name && bind_of(from->name) != bind_of(to->name);
}

/* What changes a file or a directory, or its names. */
#define CHANGES (VIEW_WRITE | VIEW_CREATE | VIEW_UNLINK | VIEW_RMDIR | VIEW_RENAME | VIEW_LINK)

/* What forbids a change below a bind that cannot be written; 0: the call will say what is wrong. */
static int forbidden(const char *real, int how)
{
    bool there = !faccessat(AT_FDCWD, real, F_OK, AT_SYMLINK_NOFOLLOW);
    char parent[PATH_MAX];
    char *slash;

    if (!there) {
        if (how & (VIEW_UNLINK | VIEW_RMDIR | VIEW_LINK)) {
            return ENOENT;
        }
        strcpy(parent, real);
        slash = strrchr(parent, '/');
        slash[1] = '\0';
        return faccessat(AT_FDCWD, parent, F_OK, 0) ? errno : EROFS;
    }
    if (how & VIEW_LINK) {
        return EXDEV;
    }
    /* What is there is not made. */
    return (how & VIEW_CREATE) && !(how & (VIEW_WRITE | VIEW_RENAME)) ? 0 : EROFS;
}

/* The host's call gets the file at this path. */
static int end(ViewAt *at, const Spot *spot, int how, const char *tail)
{
    const Bind *bind = bind_of(spot->path);
    bool is_place = !spot->length || (bind && spot->length == bind->target_length);
    int error;

    if (is_place && (how & (VIEW_RMDIR | VIEW_RENAME | VIEW_UNLINK))) {
        /* The root or a mount point. */
        return view_fail(EBUSY);
    }
    if (!find_real(at, spot->path, spot->length)) {
        return -1;
    }
    at->same = false;
    at->proc = is_below(spot->path, "/proc", 5);
    if (bind && bind->read_only && (how & CHANGES)) {
        error = forbidden(at->other, how);
        if (error) {
            return view_fail(error);
        }
    }
    if (at->proc && (how & VIEW_WRITE) && (!(how & VIEW_NOFOLLOW) || *tail)) {
        /* Links to files that cannot be written: /proc/self/fd/N. */
        char target[PATH_MAX];
        ssize_t length = readlink(at->other, target, sizeof(target) - 1);

        if (length > 0) {
            target[length] = '\0';
            if (is_read_only(target)) {
                return view_fail(EROFS);
            }
        }
    }
    strcat(at->other, tail);
    at->fd = AT_FDCWD;
    at->host = *at->other ? at->other : "/";
    at->name = spot->path;
    return 0;
}

/* Below /proc/PID: links there are not what they say. */
static bool is_magic(const char *path)
{
    return path[6] >= '0' && path[6] <= '9' && strchr(path + 6, '/');
}

static bool are_one(const char *a, const char *b)
{
    struct stat one, other;

    return !stat(a, &one) && !stat(b, &other) && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/*
 * What a link of /proc/PID stands for, as a path in the root. 0: it is the kernel's to follow. -1 and errno:
 * that is forbidden. `real`: the link, `link`: what it says.
 */
static int follow_magic(const char *real, char *link, ssize_t size, bool last, int how)
{
    const char *behind = unibin_view_behind_self(real);
    ssize_t length;

    if (how & VIEW_NO_MAGIC) {
        return view_fail(ELOOP);
    }
    if (last && behind && !strcmp(behind, "exe") && real_exec_path[0] == '/') {
        /* The program, not the emulator. */
        strcpy(link, real_exec_path);
        return 1;
    }
    if (g_str_has_suffix(real, "/root")) {
        /* All of us have one root, as far as anybody is told. */
        strcpy(link, "/");
        return 1;
    }
    if (last || link[0] != '/' || !are_one(real, link)) {
        return 0;
    }
    if (size == 1) {
        link[--size] = '\0';
    }
    length = find_inside(link, size);
    if (!length) {
        strcpy(link, "/");
    }
    return length >= 0;
}

/* Appends the names of `rest`, whatever they are, to a path. False: there is a `..`, or it is too long. */
static bool append(Spot *spot, const char *rest, const char **tail)
{
    while (*rest) {
        size_t length = strcspn(rest, "/");

        if (length == 2 && rest[0] == '.' && rest[1] == '.') {
            return false;
        }
        if (length == 1 && rest[0] == '.') {
            *tail = "/.";
        } else if (length) {
            if (length > NAME_MAX || spot->length + 1 + length >= PATH_MAX - 3) {
                return false;
            }
            spot->path[spot->length] = '/';
            memcpy(spot->path + spot->length + 1, rest, length);
            spot->length += 1 + length;
            spot->path[spot->length] = '\0';
            *tail = rest[length] ? "/" : "";
        }
        rest += length;
        while (*rest == '/') {
            rest++;
        }
    }
    return true;
}

/*
 * Names in the root that have turned out to be links, such as `bin`: to look for links on the way of such a
 * path is in vain. Should one no longer be a link, nothing is lost but time.
 */
static __thread char links_of_root[8][16];

static bool is_link_of_root(const char *name, size_t length)
{
    for (size_t i = 0; i < ARRAY_SIZE(links_of_root); i++) {
        if (!strncmp(links_of_root[i], name, length) && !links_of_root[i][length]) {
            return true;
        }
    }
    return false;
}

static void note_link_of_root(const char *name, size_t length)
{
    for (size_t i = 0; i < ARRAY_SIZE(links_of_root); i++) {
        if (!links_of_root[i][0]) {
            memcpy(links_of_root[i], name, length);
            break;
        }
    }
}

/* Whether no link is on the way, or the host's call will find what is wrong. */
static bool is_unlinked(const char *path, int how)
{
    int fd = unibin_view_open_unlinked(AT_FDCWD, path, O_PATH | O_CLOEXEC
                                       | (how & (VIEW_NOFOLLOW | VIEW_NAME) ? O_NOFOLLOW : 0));

    if (fd >= 0) {
        close(fd);
        return true;
    }
    return errno == ENOENT || errno == EACCES || errno == ENAMETOOLONG;
}

/* Follows `path` from `spot`. */
static int walk(ViewAt *at, Spot *spot, const char *path, int how)
{
    char text[2][PATH_MAX];
    char link[PATH_MAX];
    const char *next = path;
    const char *tail = "";
    int links = 0;
    bool tried = false;

    for (;;) {
        const char *start, *end_of, *target = NULL;
        size_t length;
        bool last, slash, proc, known;

        for (start = next; *start == '/'; start++) {
        }
        if (!*start) {
            break;
        }
        end_of = strchrnul(start, '/');
        for (next = end_of; *next == '/'; next++) {
        }
        last = !*next;
        slash = last && *end_of;
        length = end_of - start;
        if (length == 1 && start[0] == '.') {
            tail = last ? "/." : "";
            continue;
        }
        if (length == 2 && start[0] == '.' && start[1] == '.') {
            struct stat st;
            char *up;

            if (last && (how & VIEW_NAME)) {
                tail = "/..";
                break;
            }
            /* No link is left, so the parent is the text's; but the child must be a directory. */
            if (!find_real(at, spot->path, spot->length)) {
                return -1;
            }
            strcat(at->other, "/.");
            if (stat(at->other, &st)) {
                return -1;
            }
            up = strrchr(spot->path, '/');
            if (up) {
                *up = '\0';
                spot->length = up - spot->path;
            }
            tail = last ? "/." : "";
            continue;
        }
        proc = is_below(spot->path, "/proc", 5)
               || (!spot->length && length == 4 && !memcmp(start, "proc", 4));
        known = !spot->length && length < sizeof(links_of_root[0]) && is_link_of_root(start, length);
        if (!tried && !proc && !known) {
            size_t before = spot->length;
            const char *tail_then = "";

            tried = true;
            if (append(spot, start, &tail_then)) {
                if (!find_real(at, spot->path, spot->length)) {
                    return -1;
                }
                strcat(at->other, tail_then);
                if (!is_below(spot->path, "/proc", 5)
                    && ((how & VIEW_TRY) || is_unlinked(*at->other ? at->other : "/", how))) {
                    at->unproved = how & VIEW_TRY;
                    at->sure = true;
                    return end(at, spot, how, tail_then);
                }
            }
            spot->length = before;
            spot->path[before] = '\0';
        }
        if (length > NAME_MAX || spot->length + 1 + length >= PATH_MAX - 3) {
            return view_fail(ENAMETOOLONG);
        }
        spot->path[spot->length] = '/';
        memcpy(spot->path + spot->length + 1, start, length);
        spot->path[spot->length + 1 + length] = '\0';
        if (!last || (!(how & VIEW_NAME) && (slash || !(how & VIEW_NOFOLLOW)))) {
            ssize_t size;

            if (!find_real(at, spot->path, spot->length + 1 + length)) {
                return -1;
            }
            size = readlink(at->other, link, sizeof(link) - 1);
            if (size > 0) {
                link[size] = '\0';
                target = link;
                if (proc && is_magic(spot->path)) {
                    int followed = follow_magic(at->other, link, size, last, how);

                    if (followed < 0) {
                        return -1;
                    }
                    if (!followed && !last) {
                        /* A directory that is not in the root. */
                        const char *rest = "";

                        spot->length += 1 + length;
                        if (!append(spot, next, &rest)) {
                            return view_fail(ENOENT);
                        }
                        return end(at, spot, how, rest);
                    }
                    target = followed ? link : NULL;
                }
            } else if (!size || (!last && errno != EINVAL)) {
                return size ? -1 : view_fail(ENOENT);
            }
        }
        if (target) {
            size_t rest = strlen(end_of), target_length = strlen(target);
            char *to = text[++links % 2];

            if (!spot->length && !known && length < sizeof(links_of_root[0])) {
                note_link_of_root(start, length);
            }
            if (links > LINKS_MOST || (how & VIEW_NO_LINKS)) {
                return view_fail(ELOOP);
            }
            if (target_length + rest >= PATH_MAX) {
                return view_fail(ENAMETOOLONG);
            }
            memcpy(to, target, target_length);
            memcpy(to + target_length, end_of, rest + 1);
            if (target[0] == '/') {
                spot->length = 0;
            }
            spot->path[spot->length] = '\0';
            next = to;
            tail = "";
            tried = false;
            continue;
        }
        spot->length += 1 + length;
        tail = slash ? "/" : "";
    }
    return end(at, spot, how, tail);
}

int unibin_root_at(ViewAt *at, int dirfd, const char *path, int how)
{
    Spot spot = { .path = at->buffer };

    if (!*path) {
        if ((how & VIEW_EMPTY) && (how & (VIEW_WRITE | VIEW_LINK)) && unibin_root_forbids(dirfd)) {
            return view_fail(how & VIEW_LINK ? EXDEV : EROFS);
        }
        return 0;
    }
    at->buffer[0] = '\0';
    if (*path != '/' && !find_spot(dirfd, &spot)) {
        /* The call will say what is wrong with the descriptor. */
        return 0;
    }
    return walk(at, &spot, path, how);
}

ssize_t unibin_root_shown(char *path, ssize_t length)
{
    ssize_t inside;

    if (length <= 0 || length >= PATH_MAX || path[0] != '/') {
        return length;
    }
    /* The root's is empty for us. */
    path[length == 1 ? 0 : length] = '\0';
    inside = find_inside(path, length == 1 ? 0 : length);
    if (inside <= 0) {
        path[0] = '/';
        inside = inside ? length : 1;
    }
    path[inside] = '\0';
    return inside;
}

const char *unibin_root_show(const char *path)
{
    return is_below(path, root, root_length) && path[root_length] ? path + root_length : path;
}

static void set_root(char *path)
{
    root = path;
    root_length = strlen(path);
    unibin_view_tree = root;
}

int unibin_root_chroot(const char *path)
{
    g_autofree ViewAt *at = g_new0(ViewAt, 1);
    GArray *left = g_array_new(false, false, sizeof(Bind));
    size_t length;
    struct stat st;
    int ret = unibin_view_at(at, AT_FDCWD, path, VIEW_WHOLE);

    if (!ret) {
        ret = stat(at->host, &st);
    }
    if (!ret && !S_ISDIR(st.st_mode)) {
        ret = view_fail(ENOTDIR);
    }
    if (!ret) {
        ret = access(at->host, X_OK);
    }
    if (!ret && !at->name) {
        ret = view_fail(EPERM);
    }
    if (ret) {
        g_array_free(left, true);
        return ret;
    }
    length = strlen(at->name);
    if (length && find_real(at, at->name, length)) {
        for (guint i = 0; i < binds->len; i++) {
            Bind bind = g_array_index(binds, Bind, i);

            if (bind.target_length > length && is_below(bind.target, at->name, length)
                && bind_of(bind.target) == &g_array_index(binds, Bind, i)) {
                bind.target += length;
                bind.target_length -= length;
                g_array_append_val(left, bind);
            }
        }
        /* Threads that look a path up at this moment may see the old ones: they are not freed. */
        binds = left;
        set_root(g_strdup(at->other));
    }
    return 0;
}

char *unibin_root_option(unsigned int number)
{
    const Bind *bind;

    if (!unibin_root || number > binds->len) {
        return NULL;
    }
    if (!number) {
        return g_strdup(root_length ? root : "/");
    }
    bind = &g_array_index(binds, Bind, number - 1);
    return g_strdup_printf("%c%zu:%s%s", bind->read_only ? 'r' : 'w', MAX(bind->source_length, 1),
                           bind->source_length ? bind->source : "/", bind->target);
}

/* A program that is started gets paths without links. What lies there may be gone by now, and stays bound. */
static char *without_links(const char *path)
{
    char *real = unibin_exec_is_continued() ? g_strdup(path) : realpath(path, NULL);

    if (real && !real[1]) {
        real[0] = '\0';
    }
    return real;
}

static G_NORETURN void refuse(const char *arg, const char *fact)
{
    fprintf(stderr, "qemu: -root `%s`: %s\n", arg, fact);
    exit(EXIT_FAILURE);
}

static void add_bind(const char *arg)
{
    Bind bind = { .read_only = arg[0] == 'r' };
    g_autofree char *source = NULL;
    char *end_of;
    unsigned long length = strtoul(arg + 1, &end_of, 10);

    if (!root) {
        refuse(arg, "the root has to come first");
    }
    if (end_of == arg + 1 || *end_of != ':' || !length || length >= strlen(end_of + 1)
        || end_of[1] != '/' || end_of[1 + length] != '/' || !end_of[2 + length]) {
        refuse(arg, "not of the form wLENGTH:SOURCETARGET");
    }
    source = g_strndup(end_of + 1, length);
    bind.source = without_links(source);
    if (!bind.source) {
        refuse(arg, strerror(errno));
    }
    bind.target = g_strdup(end_of + 1 + length);
    bind.source_length = strlen(bind.source);
    bind.target_length = strlen(bind.target);
    g_array_append_val(binds, bind);
}

void unibin_option_root(const char *arg)
{
    char *path;

    if (arg[0] == 'w' || arg[0] == 'r') {
        add_bind(arg);
        return;
    }
    if (arg[0] != '/') {
        refuse(arg, "not an absolute path");
    }
    if (unibin_view_tree) {
        refuse(arg, "there is one root, and no -view beside it");
    }
    path = without_links(arg);
    if (!path) {
        refuse(arg, strerror(errno));
    }
    binds = g_array_new(false, false, sizeof(Bind));
    set_root(path);
    unibin_root = true;
    /* The kernel would take a program's path for one of the host's. */
    unibin_children = true;
}
