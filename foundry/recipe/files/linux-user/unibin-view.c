/*
 * The union view: a tree of files laid over the host's root, for `-view TREE`.
 *
 * What the application sees is what overlayfs would show with the tree as the upper layer: a name of the tree
 * is the tree's file, every other name is the host's, and a directory of both has the names of both. The tree
 * is never changed: EROFS, where overlayfs would copy a file up; EXDEV for a hard link. A directory of both
 * is the host's directory with the host's attributes, so that what is made in it is made on the host.
 *
 * Which names the tree has, and every exception, is data: the map `.unibin-view` at the top of the tree,
 * which the packer wrote and which is mapped here. A directory may be opaque: the host's directory is not
 * merged. A name may be the host's where the host has it. Only /proc, /sys and /dev are always the host's.
 * Where the tree has a link at its top (`bin` to `usr/bin`) and the host has a directory of that name, the
 * host's names lie below those of the directory that the link leads to, as after a merge of /usr.
 *
 * There is no state but the map. A descriptor of a directory is one of the host's, or of the tree where the
 * host has no such directory; its virtual path is what /proc/self/fd says, less the path of the tree. So it
 * stays right after dup, fork and exec, and nothing has to be forgotten when it is closed. How far a listing
 * has come is in the offset of the host's directory: offsets that no file system gives stand for names of the
 * tree. Nothing is locked or allocated here.
 *
 * A path that leads out of the tree's directories is looked up by the kernel in one call, with
 * RESOLVE_NO_SYMLINKS. Where that finds a link, each name is looked at: a link of the host's may lead back.
 *
 * What it does not cover, so that only the host is seen: open_by_handle_at, RESOLVE_BENEATH and
 * RESOLVE_IN_ROOT, sources of mounts, file systems mounted over the tree, what is asked about other processes
 * (their /proc/PID/exe is the emulator). After a chroot the process has no view. A merged directory has the
 * host's mode even where overlayfs would show the tree's. Links of the tree below its top hide the host's
 * directories of these names. Without /proc a descriptor is the host's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 * Copyright unibin's authors
 */
#include "qemu/osdep.h"
#include <sys/mman.h>
#include <sys/syscall.h>
#include <linux/openat2.h>
#include "qemu.h"
#include "user-internals.h"
#include "unibin-view.h"
#include "unibin-view-map.h"

#define MAP_NAME ".unibin-view"
#define MAP_MAGIC "unibin-view 1\n\0"

#define LINKS_MOST 40

/* All numbers of the map are little-endian. */
typedef struct {
    char magic[16];
    uint32_t directories, names, string_bytes, reserved;
} Header;

typedef struct {
    uint32_t first, count, flags, reserved;
} Directory;

/* A directory of the host's whose names lie below those of a directory of the tree. */
typedef struct {
    char host[NAME_MAX + 2], name[PATH_MAX];
    size_t host_length, name_length;
} Below;

const char *unibin_view_tree;
size_t view_tree_length;
static dev_t tree_device;
static bool other_device;
static uint32_t directory_count, name_count, string_bytes;
static const Directory *directories;
static const Name *names;
static const char *strings;
static Below below[8];
size_t view_below_count;
/* openat2 is missing or refused. */
static bool no_openat2;

static G_NORETURN void refuse(const char *tree, const char *fact)
{
    fprintf(stderr, "qemu: -view `%s`: %s\n", tree, fact);
    exit(EXIT_FAILURE);
}

const Name *view_name_at(uint32_t number)
{
    const Name *name = &names[number];

    if (number >= name_count || le32_to_cpu(name->text) >= string_bytes
        || le32_to_cpu(name->length) >= string_bytes - le32_to_cpu(name->text)) {
        return NULL;
    }
    return name;
}

const char *view_text_of(const Name *name)
{
    return strings + le32_to_cpu(name->text);
}

/* A link's target; NULL: the map is damaged. */
static const char *target_of(const Name *name)
{
    /* The last of all strings ends with a NUL, so each does that begins among them. */
    return le32_to_cpu(name->target) < string_bytes ? strings + le32_to_cpu(name->target) : NULL;
}

bool view_names_of(uint32_t directory, uint32_t *first, uint32_t *count)
{
    if (directory >= directory_count) {
        return false;
    }
    *first = le32_to_cpu(directories[directory].first);
    *count = le32_to_cpu(directories[directory].count);
    return *first <= name_count && *count <= name_count - *first;
}

bool view_is_opaque(uint32_t directory)
{
    return directory < directory_count && (le32_to_cpu(directories[directory].flags) & OPAQUE);
}

int view_look_up(uint32_t directory, const char *text, size_t length, const Name **found)
{
    uint32_t first, count;

    *found = NULL;
    if (!view_names_of(directory, &first, &count)) {
        errno = EIO;
        return -1;
    }
    while (count) {
        uint32_t half = count / 2;
        const Name *name = view_name_at(first + half);
        size_t name_length;
        int order;

        if (!name) {
            errno = EIO;
            return -1;
        }
        name_length = le32_to_cpu(name->length);
        order = memcmp(text, view_text_of(name), MIN(length, name_length));
        if (!order && length == name_length) {
            *found = name;
            return 1;
        }
        if (order > 0 || (!order && length > name_length)) {
            first += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return 0;
}

bool view_is_always_hosts(const char *text, size_t length)
{
    return (length == 4 && !memcmp(text, "proc", 4))
           || (length == 3 && (!memcmp(text, "sys", 3) || !memcmp(text, "dev", 3)));
}

static bool exists(const char *path)
{
    return !faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW);
}

int unibin_view_open_unlinked(int dirfd, const char *path, int flags)
{
    struct open_how how = { .flags = flags, .resolve = RESOLVE_NO_SYMLINKS };
    int fd;

    if (no_openat2) {
        errno = ENOSYS;
        return -1;
    }
    fd = syscall(__NR_openat2, dirfd, path, &how, sizeof(how));
    if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
        /* An old kernel, or a filter. */
        no_openat2 = true;
        errno = ENOSYS;
    }
    return fd;
}

/* Whether the host has a directory there, with no link on the way. */
static bool has_directory(const char *path)
{
    char part[PATH_MAX];
    struct stat st;
    int fd;

    if (!*path) {
        return true;
    }
    fd = unibin_view_open_unlinked(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0) {
        close(fd);
        return true;
    }
    if (errno != ENOSYS && errno != EMFILE && errno != ENFILE) {
        return false;
    }
    for (const char *slash = path; *slash; ) {
        slash = strchrnul(slash + 1, '/');
        if (slash - path >= sizeof(part)) {
            return false;
        }
        memcpy(part, path, slash - path);
        part[slash - path] = '\0';
        if (lstat(part, &st) || !S_ISDIR(st.st_mode)) {
            return false;
        }
    }
    return true;
}

static bool is_below(const char *path, const char *directory, size_t length)
{
    return !strncmp(path, directory, length) && (path[length] == '/' || !path[length]);
}

static bool is_in_tree(const char *path)
{
    return is_below(path, unibin_view_tree, view_tree_length);
}

/* Whether the tree lies below this directory, at its real path. */
static bool is_above_tree(const char *path, size_t length)
{
    return length < view_tree_length && !memcmp(path, unibin_view_tree, length)
           && unibin_view_tree[length] == '/';
}

bool view_path_below(const char *path, char *buffer)
{
    for (size_t i = 0; i < view_below_count; i++) {
        if (is_below(path, below[i].name, below[i].name_length)) {
            strcpy(buffer, below[i].host);
            strcat(buffer, path + below[i].name_length);
            return true;
        }
    }
    return false;
}

/* A directory that lies below another one is that one. False: the path is too long. */
static bool put_above(char *path, size_t *length)
{
    for (size_t i = 0; i < view_below_count; i++) {
        if (is_below(path, below[i].host, below[i].host_length)) {
            size_t rest = *length - below[i].host_length;

            if (below[i].name_length + rest >= PATH_MAX) {
                return false;
            }
            memmove(path + below[i].name_length, path + below[i].host_length, rest + 1);
            memcpy(path, below[i].name, below[i].name_length);
            *length = below[i].name_length + rest;
            return true;
        }
    }
    return true;
}

static void set_root(Place *place)
{
    place->length = 0;
    place->path[0] = '\0';
    place->in_map = true;
    place->directory = 0;
    place->hidden = view_is_opaque(0);
}

/* Sets what the map says of `path`, which has no links. */
static void ask_map(Place *place)
{
    const char *end = place->path;

    place->in_map = true;
    place->directory = 0;
    place->hidden = view_is_opaque(0);
    while (*end) {
        const char *start = end + 1;
        const Name *name;

        end = strchrnul(start, '/');
        if ((start == place->path + 1 && view_is_always_hosts(start, end - start))
            || view_look_up(place->directory, start, end - start, &name) <= 0
            || TYPE(name) != TYPE_DIRECTORY) {
            place->in_map = false;
            return;
        }
        place->directory = le32_to_cpu(name->target);
        place->hidden |= view_is_opaque(place->directory);
    }
}

/* The same, and `path` becomes that of the tree's directory, if the host's lies below one. */
static void find_place(Place *place)
{
    ask_map(place);
    if (!place->in_map && view_below_count) {
        char path[PATH_MAX];
        Place above = { .path = path, .length = place->length };

        memcpy(path, place->path, place->length + 1);
        if (put_above(path, &above.length)) {
            ask_map(&above);
            if (above.in_map) {
                memcpy(place->path, path, above.length + 1);
                above.path = place->path;
                *place = above;
            }
        }
    }
}

static ssize_t read_descriptor(int fd, char *path)
{
    char link[32] = "/proc/self/fd/";
    char digits[16];
    char *to = link + strlen(link);
    int count = 0;

    do {
        digits[count++] = '0' + fd % 10;
        fd /= 10;
    } while (fd);
    while (count) {
        *to++ = digits[--count];
    }
    *to = '\0';
    return readlink(link, path, PATH_MAX - 1);
}

/*
 * Makes the path of a file in the tree, or of a directory, the virtual one. False, and the path is as it was:
 * it is not what a virtual path leads to, since the map does not have this directory or the host has it too;
 * so somebody looks at the tree itself, at its real path.
 */
static bool leave_tree(Place *place, size_t length, bool directory)
{
    char other[PATH_MAX + NAME_MAX];
    bool virtual = !directory;

    place->length = length - view_tree_length;
    memmove(place->path, place->path + view_tree_length, place->length + 1);
    find_place(place);
    if (place->in_map) {
        virtual = place->hidden || !(has_directory(place->path)
                                     || (view_path_below(place->path, other) && has_directory(other)));
    }
    if (virtual) {
        return true;
    }
    place->in_map = place->hidden = false;
    memmove(place->path + view_tree_length, place->path, length - view_tree_length + 1);
    memcpy(place->path, unibin_view_tree, view_tree_length);
    place->length = length;
    return false;
}

/*
 * The place of a directory's descriptor, or of the working directory; `tree`: that is the tree's itself.
 * False: it has no path.
 */
static bool place_of(int dirfd, Place *place, bool *tree)
{
    ssize_t length;

    if (dirfd == AT_FDCWD) {
        length = syscall(__NR_getcwd, place->path, PATH_MAX) - 1;
    } else {
        length = dirfd < 0 ? -1 : read_descriptor(dirfd, place->path);
    }
    if (length <= 0 || place->path[0] != '/') {
        return false;
    }
    place->path[length] = '\0';
    *tree = is_in_tree(place->path);
    if (*tree && leave_tree(place, length, true)) {
        return true;
    }
    if (length == 1) {
        length = 0;
        place->path[0] = '\0';
    }
    place->length = length;
    find_place(place);
    return true;
}

ssize_t unibin_view_shown(char *path, ssize_t length)
{
    char virtual[PATH_MAX];
    Place place = { .path = virtual };

    if (!unibin_view_tree || length <= 0 || length >= PATH_MAX) {
        return length;
    }
    if (unibin_root) {
        return unibin_root_shown(path, length);
    }
    memcpy(virtual, path, length);
    virtual[length] = '\0';
    place.length = length;
    if (is_in_tree(virtual)) {
        if (!leave_tree(&place, length, false)) {
            return length;
        }
    } else {
        put_above(virtual, &place.length);
    }
    memcpy(path, virtual, place.length);
    path[place.length] = '\0';
    return place.length;
}

const char *unibin_view_show(const char *path)
{
    bool inside;

    if (unibin_root && path) {
        return unibin_root_show(path);
    }
    inside = unibin_view_tree && path && is_in_tree(path) && path[view_tree_length];
    return inside ? path + view_tree_length : path;
}

/*
 * What was found out about descriptors of directories. A directory is known again by its mount, its number
 * and when it was made; what it is cannot change within the view, which does not let directories of the tree
 * be renamed or replaced. So nothing is to be kept up to date.
 */
typedef struct {
    uint64_t mount, device, inode, born;
    enum { UNKNOWN, HOSTS, MERGED, TREES } kind;
    uint32_t directory;
    bool hidden;
    uint16_t length;
    char path[200];
} Known;

static __thread Known known[16];

/* Where a descriptor's directory is noted, `key` being what it is known by; NULL: nowhere. */
static Known *known_place(int fd, Known *key)
{
    const unsigned int wanted = STATX_TYPE | STATX_INO | STATX_BTIME | STATX_MNT_ID;
    struct statx st;

    if (fd < 0 || syscall(__NR_statx, fd, "", AT_EMPTY_PATH, wanted, &st)
        || !(st.stx_mask & STATX_MNT_ID) || !S_ISDIR(st.stx_mode)) {
        return NULL;
    }
    key->mount = st.stx_mnt_id;
    key->device = (uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor;
    key->inode = st.stx_ino;
    key->born = st.stx_mask & STATX_BTIME ? (uint64_t)st.stx_btime.tv_sec << 32 | st.stx_btime.tv_nsec : 0;
    return &known[(key->inode ^ key->mount) % ARRAY_SIZE(known)];
}

static bool is_known(const Known *place, const Known *key)
{
    return place && place->kind != UNKNOWN && place->inode == key->inode && place->device == key->device
           && place->mount == key->mount && place->born == key->born;
}

bool view_place_again(int dirfd, Place *place, bool *tree, bool *is_hosts)
{
    Known key, *slot = known_place(dirfd, &key);

    if (is_known(slot, &key)) {
        if (slot->kind == HOSTS && is_hosts) {
            *is_hosts = true;
            return true;
        }
        if (slot->kind != HOSTS) {
            place->length = slot->length;
            place->in_map = true;
            place->directory = slot->directory;
            place->hidden = slot->hidden;
            memcpy(place->path, slot->path, slot->length + 1);
            *tree = slot->kind == TREES;
            return true;
        }
    }
    if (!place_of(dirfd, place, tree)) {
        return false;
    }
    if (slot) {
        slot->kind = UNKNOWN;
        if (place->in_map && place->length < sizeof(slot->path)) {
            key.kind = *tree ? TREES : MERGED;
            key.directory = place->directory;
            key.hidden = place->hidden;
            key.length = place->length;
            memcpy(key.path, place->path, place->length + 1);
            *slot = key;
        } else if (!place->in_map && !*tree && !is_below(place->path, "/proc", 5)
                   && !is_above_tree(place->path, place->length)) {
            key.kind = HOSTS;
            *slot = key;
        }
    }
    return true;
}

bool unibin_view_has(int fd)
{
    char path[PATH_MAX];
    ssize_t length;

    if (!unibin_view_tree || fd < 0) {
        return false;
    }
    if (unibin_root) {
        return unibin_root_forbids(fd);
    }
    length = read_descriptor(fd, path);
    if (length <= 0) {
        return false;
    }
    path[length] = '\0';
    return is_in_tree(path);
}

const char *unibin_view_behind_self(const char *path)
{
    char *end;
    unsigned long number;

    if (strncmp(path, "/proc/", 6)) {
        return NULL;
    }
    path += 6;
    if (!strncmp(path, "self/", 5)) {
        path += 5;
    } else if (!strncmp(path, "thread-self/", 12)) {
        return path + 12;
    } else {
        number = strtoul(path, &end, 10);
        if (end == path || *end != '/' || number != getpid()) {
            return NULL;
        }
        path = end + 1;
    }
    if (!strncmp(path, "task/", 5)) {
        number = strtoul(path + 5, &end, 10);
        if (end != path + 5 && *end == '/') {
            return end + 1;
        }
    }
    return path;
}

/* Below /proc/PID: links there are not what they say. */
static bool is_magic(const char *path)
{
    return path[6] >= '0' && path[6] <= '9' && strchr(path + 6, '/');
}

/* Whether both paths lead to one file. */
static bool are_one(const char *a, const char *b)
{
    struct stat one, other;

    return !stat(a, &one) && !stat(b, &other) && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

static bool has_parents(const char *path)
{
    for (; (path = strstr(path, "..")); path += 2) {
        if (path[2] == '/' || !path[2]) {
            return true;
        }
    }
    return false;
}

/* What forbids a call whose last name is a file of the tree; 0: nothing. */
static int forbidden(int how)
{
    if ((how & VIEW_CREATE) && (how & VIEW_NAME) && !(how & VIEW_RENAME)) {
        return EEXIST;
    }
    if (how & VIEW_RMDIR) {
        return ENOTDIR;
    }
    if (how & VIEW_LINK) {
        return EXDEV;
    }
    return how & (VIEW_WRITE | VIEW_UNLINK | VIEW_RENAME) ? EROFS : 0;
}

int view_fail(int error)
{
    errno = error;
    return -1;
}

static bool is_followed(int how, bool last, bool slash)
{
    return !last || (!(how & VIEW_NAME) && (slash || !(how & VIEW_NOFOLLOW)));
}

/*
 * Whether no link is on the way, or the host's call will find what is wrong. `made`: the parent may be a
 * directory of the tree alone.
 */
static bool is_unlinked(int dirfd, const char *path, int how, bool made)
{
    int fd = unibin_view_open_unlinked(dirfd, path, O_PATH | O_CLOEXEC
                                       | (how & (VIEW_NOFOLLOW | VIEW_NAME) ? O_NOFOLLOW : 0));

    if (fd >= 0) {
        close(fd);
        return true;
    }
    return (errno == ENOENT && !made) || errno == EACCES || errno == ENAMETOOLONG;
}

/* What changes a file or a directory, or its names. */
#define CHANGES (VIEW_WRITE | VIEW_CREATE | VIEW_UNLINK | VIEW_RMDIR | VIEW_RENAME | VIEW_LINK)

/* The host's file with the path `place->path`. */
static int end_on_host(ViewAt *at, Place *place, int how, const char *tail)
{
    char *path = place->path;

    at->tree = is_in_tree(path);
    at->proc = is_below(path, "/proc", 5);
    if (at->tree && (how & CHANGES)) {
        /* At its real path. */
        bool there = exists(path);

        if ((how & VIEW_CREATE) && (how & VIEW_NAME) && there) {
            return view_fail(how & VIEW_RENAME ? EROFS : EEXIST);
        }
        if ((how & CHANGES) != VIEW_CREATE || !there) {
            return view_fail(how & VIEW_LINK ? EXDEV : EROFS);
        }
    }
    if ((how & VIEW_RENAME) && is_above_tree(path, strlen(path))) {
        return view_fail(EBUSY);
    }
    if (at->proc && (how & (VIEW_WRITE | VIEW_LINK)) && (!(how & VIEW_NOFOLLOW) || *tail)) {
        /* Links to files of the tree: /proc/self/fd/N. */
        char target[PATH_MAX];
        ssize_t length = readlink(path, target, sizeof(target) - 1);

        if (length > 0) {
            target[length] = '\0';
            if (is_in_tree(target)) {
                return view_fail(how & VIEW_LINK ? EXDEV : EROFS);
            }
        }
    }
    strcpy(path + place->length, tail);
    at->fd = AT_FDCWD;
    at->host = *path ? path : "/";
    return 0;
}

/* The tree's file with that virtual path. */
static int end_in_tree(ViewAt *at, Place *place, const char *tail)
{
    at->tree = true;
    at->same = false;
    memcpy(at->buffer, unibin_view_tree, view_tree_length);
    strcpy(place->path + place->length, tail);
    at->fd = AT_FDCWD;
    at->host = at->buffer;
    return 0;
}

/* A directory of the tree, merged or not. */
static int end_in_directory(ViewAt *at, Place *place, int how, const char *tail)
{
    bool merged = false;

    if ((how & VIEW_CREATE) && (how & VIEW_NAME) && !(how & VIEW_RENAME)) {
        return view_fail((how & VIEW_OPEN) && *tail && !tail[1] ? EISDIR : EEXIST);
    }
    if (how & VIEW_UNLINK) {
        return view_fail(EISDIR);
    }
    if (how & VIEW_RMDIR) {
        uint32_t first, count;

        if (*tail == '/' && tail[1] == '.') {
            return view_fail(tail[2] ? ENOTEMPTY : EINVAL);
        }
        return view_fail(view_names_of(place->directory, &first, &count) && !count ? EROFS : ENOTEMPTY);
    }
    if (how & VIEW_RENAME) {
        return view_fail(*tail == '/' && tail[1] ? EBUSY : EROFS);
    }
    if (!place->hidden) {
        if ((how & VIEW_TRY) && !view_below_count) {
            at->unproved = at->directory = true;
            merged = true;
        } else {
            merged = has_directory(place->path);
        }
        if (!merged && view_path_below(place->path, at->other) && has_directory(at->other)) {
            strcat(at->other, tail);
            at->host = at->other;
            at->fd = AT_FDCWD;
            at->same = false;
            return 0;
        }
    }
    if (merged) {
        strcpy(place->path + place->length, tail);
        at->fd = AT_FDCWD;
        at->host = *place->path ? place->path : "/";
        return 0;
    }
    if ((how & VIEW_WRITE) && (!(how & VIEW_OPEN) || (how & VIEW_UNNAMED))) {
        return view_fail(EROFS);
    }
    return end_in_tree(at, place, tail);
}

/* A link, in place of the last name of `place->path` and in front of `rest`. */
static const char *expand(Place *place, const char *target, const char *rest, char *to)
{
    size_t length = strlen(target);
    size_t rest_length = strlen(rest);

    if (!length) {
        errno = ENOENT;
        return NULL;
    }
    if (length + rest_length >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    memcpy(to, target, length);
    memcpy(to + length, rest, rest_length + 1);
    if (target[0] == '/') {
        set_root(place);
    } else {
        place->path[place->length] = '\0';
    }
    return to;
}

/* Whether a path that the kernel follows leads to a file of the tree, or to a directory for one. */
static bool reaches_tree(const char *path)
{
    char parent[PATH_MAX];
    char *slash;
    int fd = open(path, O_PATH | O_CLOEXEC);
    bool reached;

    if (fd < 0) {
        strcpy(parent, path);
        slash = strrchr(parent, '/');
        *slash = '\0';
        fd = open(parent, O_PATH | O_CLOEXEC);
    }
    reached = unibin_view_has(fd);
    if (fd >= 0) {
        close(fd);
    }
    return reached;
}

/* Follows `path` from `place`. */
static int walk(ViewAt *at, Place *place, const char *path, int how)
{
    char text[2][PATH_MAX];
    char link[PATH_MAX];
    const char *next = path;
    const char *tail = "";
    int links = 0;
    bool tried = how & VIEW_WHOLE;

    for (;;) {
        const char *start, *end, *target = NULL;
        const Name *name = NULL;
        size_t length;
        bool last, slash, proc, leaves = false;

        for (start = next; *start == '/'; start++) {
        }
        if (!*start) {
            break;
        }
        end = strchrnul(start, '/');
        for (next = end; *next == '/'; next++) {
        }
        last = !*next;
        slash = last && *end;
        length = end - start;
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
            if (!place->in_map) {
                /* Here no link is left, so the parent is the text's; but the child must be a directory. */
                strcpy(place->path + place->length, "/.");
                if (stat(place->path, &st)) {
                    return -1;
                }
                place->path[place->length] = '\0';
            } else {
                /* Which the host may not have. */
                at->same = false;
            }
            up = strrchr(place->path, '/');
            if (up) {
                *up = '\0';
                place->length = up - place->path;
            }
            find_place(place);
            continue;
        }
        if (length > NAME_MAX || place->length + 1 + length >= PATH_MAX - 3) {
            return view_fail(ENAMETOOLONG);
        }
        place->path[place->length] = '/';
        memcpy(place->path + place->length + 1, start, length);
        place->path[place->length + 1 + length] = '\0';
        proc = is_below(place->path, "/proc", 5);

        if (place->in_map && !(!place->length && view_is_always_hosts(start, length))) {
            if (view_look_up(place->directory, start, length, &name) < 0) {
                return -1;
            }
            if (name && (le32_to_cpu(name->type) & HOSTS_WINS) && !place->hidden && exists(place->path)) {
                name = NULL;
            }
            if (!name && place->hidden) {
                return view_fail(last && (how & VIEW_CREATE) ? EROFS : ENOENT);
            }
            leaves = !name;
        }
        if (name && TYPE(name) == TYPE_DIRECTORY) {
            place->directory = le32_to_cpu(name->target);
            place->hidden |= view_is_opaque(place->directory);
            place->length += 1 + length;
            tail = slash ? "/" : "";
            continue;
        }
        if (name && TYPE(name) == TYPE_LINK) {
            at->same = false;
            if (is_followed(how, last, slash)) {
                target = target_of(name);
                if (!target) {
                    return view_fail(EIO);
                }
            }
        } else if (name && (!last || slash)) {
            if (!last || !(how & VIEW_CREATE) || (how & VIEW_RENAME)) {
                return view_fail(ENOTDIR);
            }
            return view_fail(how & VIEW_OPEN ? EISDIR : EEXIST);
        }
        if (name && !target) {
            int error = forbidden(how);

            if (error) {
                return view_fail(slash && (how & VIEW_OPEN) && (how & VIEW_NAME) ? EISDIR : error);
            }
            place->length += 1 + length;
            return end_in_tree(at, place, slash ? "/" : "");
        }

        if (!name) {
            if (leaves && view_below_count && !exists(place->path) && view_path_below(place->path, at->other)
                && strlen(at->other) < PATH_MAX && exists(at->other)) {
                strcpy(place->path, at->other);
                place->length = strlen(place->path) - length - 1;
                place->in_map = leaves = at->same = false;
            }
            if (!tried && !proc && !has_parents(next)) {
                size_t rest = strlen(end);

                if (place->length + 1 + length + rest >= PATH_MAX - 3) {
                    return view_fail(ENAMETOOLONG);
                }
                memcpy(place->path + place->length + 1 + length, end, rest + 1);
                if ((how & VIEW_TRY)
                    || is_unlinked(AT_FDCWD, place->path, how, leaves && (how & VIEW_CREATE))) {
                    at->unproved = how & VIEW_TRY;
                    at->sure = !leaves;
                    place->length += 1 + length + rest;
                    return end_on_host(at, place, how, "");
                }
                place->path[place->length + 1 + length] = '\0';
            }
            tried = true;
            if (leaves) {
                bool merged;

                place->path[place->length] = '\0';
                merged = has_directory(place->path);
                place->path[place->length] = '/';
                if (!merged) {
                    return view_fail(last && (how & VIEW_CREATE) ? EROFS : ENOENT);
                }
            }
            if (is_followed(how, last, slash)) {
                ssize_t size = readlink(place->path, link, sizeof(link) - 1);

                if (size > 0 && proc && is_magic(place->path)) {
                    const char *behind = unibin_view_behind_self(place->path);

                    if ((how & VIEW_NO_MAGIC)) {
                        return view_fail(ELOOP);
                    }
                    link[size] = '\0';
                    if (last && behind && !strcmp(behind, "exe") && real_exec_path[0] == '/') {
                        /* The program, not the emulator. */
                        strcpy(link, real_exec_path);
                        at->same = false;
                        target = link;
                    } else if (!last && link[0] == '/' && are_one(place->path, link)) {
                        size = unibin_view_shown(link, size);
                        link[size] = '\0';
                        target = link;
                    } else if (!last) {
                        /* Another process's root, or a directory without a path. */
                        size_t rest = strlen(end);

                        if (place->length + 1 + length + rest >= PATH_MAX - 3) {
                            return view_fail(ENAMETOOLONG);
                        }
                        memcpy(place->path + place->length + 1 + length, end, rest + 1);
                        place->length += 1 + length + rest;
                        if ((how & CHANGES) && reaches_tree(place->path)) {
                            return view_fail(how & VIEW_LINK ? EXDEV : EROFS);
                        }
                        return end_on_host(at, place, how, "");
                    }
                } else if (size > 0) {
                    link[size] = '\0';
                    target = link;
                }
            }
        }
        if (target) {
            if (++links > LINKS_MOST || (how & VIEW_NO_LINKS)) {
                return view_fail(ELOOP);
            }
            next = expand(place, target, end, text[links % 2]);
            if (!next) {
                return -1;
            }
            tail = "";
            tried = how & VIEW_WHOLE;
            continue;
        }
        place->in_map = false;
        place->length += 1 + length;
        if (last) {
            return end_on_host(at, place, how, slash ? "/" : "");
        }
        tail = "";
    }
    return place->in_map ? end_in_directory(at, place, how, tail) : end_on_host(at, place, how, tail);
}

/*
 * Whether the host's call can have the path as it is, relative to a directory of the host's where its first
 * name is the host's.
 */
static bool is_plain(ViewAt *at, int dirfd, const char *path, int how)
{
    char byte;

    if (has_parents(path)) {
        return false;
    }
    at->single = !strchr(path, '/');
    if (at->single && (how & (VIEW_NOFOLLOW | VIEW_NAME))) {
        return true;
    }
    if (how & VIEW_TRY) {
        at->unproved = at->sure = true;
        return true;
    }
    return at->single ? readlinkat(dirfd, path, &byte, 1) < 0 : is_unlinked(dirfd, path, how, false);
}

int unibin_view_at(ViewAt *at, int dirfd, const char *path, int how)
{
    Place place;
    bool tree, hosts, is_hosts = false;
    bool is_hosts_enough = !view_below_count && !(how & VIEW_WHOLE);

    at->fd = dirfd;
    at->host = path;
    at->tree = at->proc = at->unproved = at->single = at->directory = at->sure = false;
    at->same = true;
    if (!unibin_view_tree || !path) {
        return 0;
    }
    if (unibin_root) {
        at->name = NULL;
        return unibin_root_at(at, dirfd, path, how);
    }
    place.path = at->name = at->buffer + view_tree_length;
    if (!*path) {
        if ((how & VIEW_EMPTY) && (how & (VIEW_WRITE | VIEW_LINK))) {
            if (dirfd == AT_FDCWD ? place_of(dirfd, &place, &tree) && tree : unibin_view_has(dirfd)) {
                return view_fail(how & VIEW_LINK ? EXDEV : EROFS);
            }
        }
        return 0;
    }
    if (*path == '/') {
        set_root(&place);
        return walk(at, &place, path, how);
    }
    if (!view_place_again(dirfd, &place, &tree, is_hosts_enough ? &is_hosts : NULL)) {
        /* The call will say what is wrong with the descriptor. */
        return 0;
    }
    if (is_hosts) {
        if (is_plain(at, dirfd, path, how)) {
            return 0;
        }
        at->single = at->unproved = at->sure = false;
        if (!place_of(dirfd, &place, &tree)) {
            return 0;
        }
    }
    if (tree && !place.in_map && (how & CHANGES)) {
        return walk(at, &place, path, how & ~VIEW_TRY);
    }
    if (!is_hosts && (!tree || !place.in_map) && !place.hidden && is_hosts_enough
        && !is_below(place.path, "/proc", 5) && !is_above_tree(place.path, place.length)) {
        const char *end = strchrnul(path, '/');
        const Name *name = NULL;
        bool dots = path[0] == '.' && (end == path + 1 || (end == path + 2 && path[1] == '.'));

        if (dots) {
            /* It may lead to a directory of the tree. */
        } else if (!place.in_map || !view_look_up(place.directory, path, end - path, &name)) {
            if ((place.length || !view_is_always_hosts(path, end - path)) && is_plain(at, dirfd, path, how)) {
                return 0;
            }
            at->single = at->unproved = at->sure = false;
        }
    }
    hosts = !tree && !place.in_map;
    if (walk(at, &place, path, how)) {
        if (errno != ENAMETOOLONG || !hosts || (how & CHANGES)) {
            return -1;
        }
        /* A descriptor reaches what no path of this length could. */
        at->fd = dirfd;
        at->host = path;
    }
    return 0;
}

int unibin_view_pin(ViewAt *at, int dirfd, const char *path, int how)
{
    int fd;

    if (!at->unproved) {
        return -2;
    }
    fd = unibin_view_open_unlinked(at->fd, at->host, O_PATH | O_CLOEXEC | (at->directory ? O_DIRECTORY : 0)
                                   | (how & (VIEW_NOFOLLOW | VIEW_NAME) ? O_NOFOLLOW : 0));
    if (fd >= 0) {
        return fd;
    }
    if (!at->directory && (errno == EACCES || errno == ENAMETOOLONG
                           || (errno == ENOENT && (at->sure || !(how & VIEW_CREATE))))) {
        return -1;
    }
    return unibin_view_at(at, dirfd, path, how) ? -1 : -2;
}

int unibin_view_open(const char *path)
{
    ViewAt at;

    return unibin_view_at(&at, AT_FDCWD, path, 0) ? -1 : openat(at.fd, at.host, O_RDONLY);
}

void unibin_view_real_path(const char *path, char *real_path)
{
    ViewAt at;

    if (!unibin_view_at(&at, AT_FDCWD, path, VIEW_WHOLE) && !faccessat(at.fd, at.host, F_OK, 0)) {
        strcpy(real_path, *at.name ? at.name : "/");
    }
}

/*
 * A directory of the tree alone gets the device of the nearest directory of the host above it, so that what
 * stays on one file system finds it.
 */
dev_t unibin_view_device(const ViewAt *at, dev_t device)
{
    char path[PATH_MAX];
    Place place = { .path = path };
    struct stat st;
    bool tree;

    if (unibin_root || !other_device || device != tree_device) {
        return device;
    }
    if (at->tree && at->name) {
        place.length = strlen(at->name);
        if (place.length >= sizeof(path)) {
            return device;
        }
        strcpy(path, at->name);
        while (place.length && (path[place.length - 1] == '/' || path[place.length - 1] == '.')) {
            place.length--;
        }
    } else if ((at->host && *at->host) || !place_of(at->fd, &place, &tree) || !tree || !place.in_map) {
        return device;
    }
    do {
        while (place.length && path[--place.length] != '/') {
        }
        path[place.length] = '\0';
        find_place(&place);
    } while (place.length && (place.hidden || !has_directory(path)));
    return stat(*path ? path : "/", &st) ? device : st.st_dev;
}

void unibin_view_leave(void)
{
    unibin_view_tree = NULL;
}

/* Notes the host's directories where the tree has links at its top. */
static void find_below(void)
{
    uint32_t first, count;

    if (!view_names_of(0, &first, &count)) {
        return;
    }
    for (uint32_t i = 0; i < count && view_below_count < ARRAY_SIZE(below); i++) {
        const Name *name = view_name_at(first + i);
        Below *next = &below[view_below_count];
        ViewAt at;
        Place place = { .path = at.buffer };
        struct stat st;

        if (!name || TYPE(name) != TYPE_LINK || le32_to_cpu(name->length) > NAME_MAX) {
            continue;
        }
        next->host[0] = '/';
        strcpy(next->host + 1, view_text_of(name));
        next->host_length = strlen(next->host);
        if (lstat(next->host, &st) || !S_ISDIR(st.st_mode)
            || unibin_view_at(&at, AT_FDCWD, next->host, VIEW_WHOLE)) {
            continue;
        }
        place.path = at.name;
        place.length = strlen(at.name);
        find_place(&place);
        if (place.in_map && !place.hidden && place.length) {
            strcpy(next->name, place.path);
            next->name_length = place.length;
            view_below_count++;
        }
    }
}

void unibin_option_view(const char *arg)
{
    g_autofree char *path = NULL;
    char *real;
    const Header *header;
    struct stat st, root;
    uint64_t size;
    int fd;

    if (arg[0] != '/') {
        refuse(arg, "not an absolute path");
    }
    if (unibin_root) {
        refuse(arg, "it does not go with -root");
    }
    real = realpath(arg, NULL);
    if (!real) {
        refuse(arg, strerror(errno));
    }
    if (!real[1]) {
        refuse(arg, "the root cannot be laid over itself");
    }
    path = g_strconcat(real, "/" MAP_NAME, NULL);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st)) {
        refuse(arg, "there is no `" MAP_NAME "`, the map of the tree\n"
               "hint: name the top of a tree that unibin has packed");
    }
    header = MAP_FAILED;
    if (st.st_size >= sizeof(*header)) {
        header = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    close(fd);
    if (header == MAP_FAILED || memcmp(header->magic, MAP_MAGIC, sizeof(header->magic))) {
        refuse(arg, "`" MAP_NAME "` is no map of a tree, or one of another version");
    }
    directory_count = le32_to_cpu(header->directories);
    name_count = le32_to_cpu(header->names);
    string_bytes = le32_to_cpu(header->string_bytes);
    directories = (const Directory *)(header + 1);
    names = (const Name *)(directories + directory_count);
    strings = (const char *)(names + name_count);
    size = sizeof(Header) + (uint64_t)directory_count * sizeof(Directory)
           + (uint64_t)name_count * sizeof(Name) + string_bytes;
    if (!directory_count || size > st.st_size || (string_bytes && strings[string_bytes - 1])) {
        refuse(arg, "`" MAP_NAME "` is damaged");
    }
    view_tree_length = strlen(real);
    unibin_view_tree = real;
    if (!stat(real, &st) && !stat("/", &root)) {
        tree_device = st.st_dev;
        other_device = st.st_dev != root.st_dev;
    }
    find_below();
}
