/*
 * Owners of files, for `-ids`: who they belong to within the system is in an attribute.
 *
 * `user.unibin.owner` is the text `UID GID MODE`, such as `101 104 2755`. A file without it belongs to 0:0
 * and has its real mode; it has one only where something else is to be said. Really, all files of a system
 * belong to the one user of the host, who may always read and write them: the mode of a file is
 * MODE & 0777 | 0600, of a directory MODE & 0777 | 0700. Bits for set-id and sticky are in the attribute
 * only. Files of other users of the host have the owners that the kernel says.
 *
 * Only regular files and directories can have such an attribute. That a symbolic link, a FIFO or a socket
 * belongs to somebody else is accepted and forgotten, and so it is for every file where the file system has
 * no attributes of users: it is 0:0, and everybody may do with it what its owner may. No device can be made
 * (EPERM), as in a user namespace.
 *
 * Who may change owner and mode is decided here as fs/attr.c does. Everything else is the kernel's decision,
 * which knows one user only. access(2) looks at the owner and the mode for users other than root, as far as
 * the file itself is concerned, so that `test -w` says what one would expect.
 *
 * Where there is no /proc, as in a bare chroot, a descriptor of the kind O_PATH has no owner.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 * Copyright unibin's authors
 */
#include "qemu/osdep.h"
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <linux/magic.h>
#include "qemu.h"
#include "user-internals.h"
#include "unibin-ids.h"
#include "unibin-view.h"

/* `overflowuid` of kernel/sys.c. */
#define NOBODY 65534
#define PREFIX "user.unibin."
#define OWNER PREFIX "owner"
/* Two ids of ten digits and a mode of four. */
#define OWNER_MOST 32

/* A file, by a descriptor, or by a path that means the same without a directory's descriptor if one does. */
typedef struct {
    int fd;
    const char *path;
    bool follow, opened;
    int dirfd;
    const char *below;
    char text[PATH_MAX + 32];
} File;

typedef struct {
    uint32_t user, group, mode;
    bool noted, forgotten;
} Owner;

static int refuse(int error)
{
    errno = error;
    return -1;
}

static void find(File *file, int dirfd, const char *path, int flags)
{
    file->fd = -1;
    file->follow = !(flags & AT_SYMLINK_NOFOLLOW);
    file->opened = false;
    file->dirfd = AT_FDCWD;
    file->path = path;
    if ((!path || !*path) && dirfd == AT_FDCWD) {
        file->path = ".";
    } else if (!path || !*path) {
        file->fd = dirfd;
        file->path = NULL;
    } else if (*path != '/' && dirfd != AT_FDCWD) {
        int length = snprintf(file->text, sizeof(file->text), "/proc/self/fd/%d/%s", dirfd, path);

        file->path = file->text;
        if (length >= PATH_MAX || access("/proc/self/fd", F_OK)) {
            file->dirfd = dirfd;
            file->below = path;
        }
    }
}

/* Opens a file that no path leads to: a regular one or a directory, others may wait for a peer. */
static void open_below(File *file)
{
    if (file->dirfd != AT_FDCWD && !file->opened) {
        file->fd = openat(file->dirfd, file->below, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC
                          | (file->follow ? 0 : O_NOFOLLOW));
        file->opened = true;
    }
}

static void forget(File *file)
{
    if (file->opened && file->fd >= 0) {
        int error = errno;

        close(file->fd);
        errno = error;
    }
}

/* A descriptor of the kind O_PATH has a path only. */
static bool by_path(File *file, bool failed)
{
    if (!failed || errno != EBADF || file->fd < 0) {
        return false;
    }
    snprintf(file->text, sizeof(file->text), "/proc/self/fd/%d", file->fd);
    file->path = file->text;
    file->follow = true;
    file->fd = -1;
    return true;
}

static ssize_t get_attribute(File *file, char *value)
{
    open_below(file);
    if (file->fd >= 0) {
        ssize_t size = fgetxattr(file->fd, OWNER, value, OWNER_MOST);

        if (!by_path(file, size < 0)) {
            return size;
        }
    }
    return file->follow ? getxattr(file->path, OWNER, value, OWNER_MOST)
                        : lgetxattr(file->path, OWNER, value, OWNER_MOST);
}

/* With no value: none. */
static int set_attribute(File *file, const char *value)
{
    size_t size = value ? strlen(value) : 0;

    open_below(file);
    if (file->fd >= 0) {
        int ret = value ? fsetxattr(file->fd, OWNER, value, size, 0) : fremovexattr(file->fd, OWNER);

        if (!by_path(file, ret < 0)) {
            return ret;
        }
    }
    if (!value) {
        return file->follow ? removexattr(file->path, OWNER) : lremovexattr(file->path, OWNER);
    }
    return file->follow ? setxattr(file->path, OWNER, value, size, 0)
                        : lsetxattr(file->path, OWNER, value, size, 0);
}

static int set_mode(File *file, mode_t mode)
{
    if (file->dirfd != AT_FDCWD && !file->opened) {
        return fchmodat(file->dirfd, file->below, mode, 0);
    }
    if (file->fd >= 0) {
        int ret = fchmod(file->fd, mode);

        if (!by_path(file, ret < 0)) {
            return ret;
        }
    }
    return chmod(file->path, mode);
}

static bool take_number(const char **text, int base, uint32_t most, char end, uint32_t *value)
{
    char *rest;
    unsigned long long number;

    if (**text < '0' || **text > '9') {
        return false;
    }
    number = strtoull(*text, &rest, base);
    if (*rest != end || number > most) {
        return false;
    }
    *value = number;
    *text = rest + 1;
    return true;
}

/* Reads the attribute. False: there is none that says anything. */
static bool read_attribute(File *file, Owner *owner)
{
    char value[OWNER_MOST + 1];
    const char *text = value;
    ssize_t size = get_attribute(file, value);
    Owner read = { .noted = true };

    if (size < 0) {
        return false;
    }
    value[size] = '\0';
    if (!take_number(&text, 10, UINT32_MAX - 1, ' ', &read.user)
        || !take_number(&text, 10, UINT32_MAX - 1, ' ', &read.group)
        || !take_number(&text, 8, 07777, '\0', &read.mode)) {
        return false;
    }
    *owner = read;
    return true;
}

static bool is_ours(const struct stat *st)
{
    return st->st_uid == geteuid();
}

static bool can_note(const struct stat *st)
{
    return is_ours(st) && (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode));
}

/* The process in whose directory of /proc a file is, or 0. */
static pid_t process_of(const File *file)
{
    static bool known;
    static dev_t device;
    char link[40], target[64];
    struct stat st;
    struct statfs fs;
    ssize_t length;
    int fd, pid = 0, end = 0;

    if (!known) {
        if (statfs("/proc/self", &fs) || fs.f_type != PROC_SUPER_MAGIC || stat("/proc/self/", &st)) {
            return 0;
        }
        device = st.st_dev;
        known = true;
    }
    fd = file->fd >= 0 ? file->fd : open(file->path, O_PATH | O_CLOEXEC | (file->follow ? 0 : O_NOFOLLOW));
    if (fd < 0) {
        return 0;
    }
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    length = fstat(fd, &st) || st.st_dev != device ? -1 : readlink(link, target, sizeof(target) - 1);
    if (fd != file->fd) {
        close(fd);
    }
    if (length <= 0) {
        return 0;
    }
    target[length] = '\0';
    if (sscanf(target, "/proc/%d%n", &pid, &end) != 1 || (target[end] && target[end] != '/')) {
        return 0;
    }
    return pid;
}

/* Whom a file belongs to. */
static void read_owner(File *file, const struct stat *st, Owner *owner)
{
    int error = errno;

    *owner = (Owner) { .user = st->st_uid, .group = st->st_gid, .mode = st->st_mode & 07777 };
    if (is_ours(st)) {
        owner->user = owner->group = 0;
    } else if (unibin_root) {
        /* As in a namespace of users, which has none but the one. */
        owner->user = owner->group = NOBODY;
    }
    owner->forgotten = is_ours(st) && !can_note(st);
    if (can_note(st) && !read_attribute(file, owner) && errno == EOPNOTSUPP) {
        pid_t pid = process_of(file);

        owner->forgotten = true;

        if (pid == getpid()) {
            owner->user = unibin_ids_get(IDS_USER, IDS_EFFECTIVE);
            owner->group = unibin_ids_get(IDS_GROUP, IDS_EFFECTIVE);
        } else {
            unibin_ids_of(pid, &owner->user, &owner->group);
        }
    }
    errno = error;
}

/* What the kernel has to know of such a mode. */
static mode_t real_mode(const struct stat *st, uint32_t mode)
{
    return (mode & 0777) | (S_ISDIR(st->st_mode) ? 0700 : 0600);
}

/* Notes whom a file belongs to. */
static int write_owner(File *file, const struct stat *st, const Owner *owner)
{
    char value[OWNER_MOST];
    mode_t mode = real_mode(st, owner->mode);

    /* The mode first: without the right to write, no attribute can be set. */
    if ((st->st_mode & 07777) != mode && set_mode(file, mode)) {
        return -1;
    }
    if (owner->user || owner->group || owner->mode != mode) {
        snprintf(value, sizeof(value), "%u %u %o", owner->user, owner->group, owner->mode);
        if (!set_attribute(file, value)) {
            return 0;
        }
    } else if (!owner->noted || !set_attribute(file, NULL)) {
        return 0;
    }
    /* A file system without such attributes: forgotten. */
    return errno == EOPNOTSUPP || errno == ENODATA ? 0 : -1;
}

void unibin_ids_show(int dirfd, const char *path, int flags, struct stat *st)
{
    File file;
    Owner owner;

    find(&file, dirfd, path, flags);
    read_owner(&file, st, &owner);
    forget(&file);
    st->st_uid = owner.user;
    st->st_gid = owner.group;
    st->st_mode = (st->st_mode & ~07777) | owner.mode;
}

int unibin_ids_fstatat(int dirfd, const char *path, struct stat *st, int flags)
{
    int ret = fstatat(dirfd, path, st, flags);

    if (!ret) {
        unibin_ids_show(dirfd, path, flags, st);
    }
    return ret;
}

/* Whether a file belongs to the user who asks. */
static bool is_own(const Owner *owner)
{
    return owner->forgotten || owner->user == unibin_ids_get(IDS_USER, IDS_FILES);
}

/* What a change of the owner takes from a mode: setattr_should_drop_suidgid of fs/inode.c. */
static uint32_t without_set_id(const struct stat *st, const Owner *owner)
{
    uint32_t mode = owner->mode;

    if (S_ISDIR(st->st_mode)) {
        return mode;
    }
    mode &= ~S_ISUID;
    if ((mode & S_IXGRP) || !(unibin_ids_in_group(owner->group) || unibin_ids_capable(CAP_FSETID))) {
        mode &= ~S_ISGID;
    }
    return mode;
}

/* The file whose owner or mode is to be changed, to be forgotten. False: errno says what is wrong. */
static bool look_at(File *file, struct stat *st, Owner *owner, int dirfd, const char *path, int flags)
{
    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) {
        errno = EINVAL;
        return false;
    }
    if (fstatat(dirfd, path, st, flags)) {
        return false;
    }
    find(file, dirfd, path, flags);
    read_owner(file, st, owner);
    return true;
}

int unibin_ids_fchownat(int dirfd, const char *path, uid_t user, gid_t group, int flags)
{
    bool any = unibin_ids_capable(CAP_CHOWN);
    struct stat st;
    Owner owner;
    File file;
    bool own;
    uint32_t kept;
    int ret = 0;

    if (!look_at(&file, &st, &owner, dirfd, path, flags)) {
        return -1;
    }
    own = is_own(&owner);
    kept = without_set_id(&st, &owner);
    if (owner.forgotten) {
        owner.user = unibin_ids_get(IDS_USER, IDS_FILES);
    }
    if ((user != -1 && !any && !(own && user == owner.user))
        || (group != -1 && !any && !(own && (group == owner.group || unibin_ids_in_group(group))))
        || (kept != owner.mode && !own && !unibin_ids_capable(CAP_FOWNER)) || !is_ours(&st)) {
        ret = refuse(EPERM);
    } else if (can_note(&st)) {
        owner.mode = kept;
        owner.user = user == -1 ? owner.user : user;
        owner.group = group == -1 ? owner.group : group;
        ret = write_owner(&file, &st, &owner);
    }
    forget(&file);
    return ret;
}

/* Whether a descriptor is good for more than a path. */
static bool is_open(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0 && (flags & O_PATH)) {
        errno = EBADF;
    }
    return flags >= 0 && !(flags & O_PATH);
}

int unibin_ids_fchown(int fd, uid_t user, gid_t group)
{
    return is_open(fd) ? unibin_ids_fchownat(fd, "", user, group, AT_EMPTY_PATH) : -1;
}

int unibin_ids_fchmodat(int dirfd, const char *path, mode_t mode, int flags)
{
    struct stat st;
    Owner owner;
    File file;
    int ret;

    if (!look_at(&file, &st, &owner, dirfd, path, flags)) {
        return -1;
    }
    if (S_ISLNK(st.st_mode)) {
        ret = refuse(EOPNOTSUPP);
    } else if (!is_ours(&st) || (!is_own(&owner) && !unibin_ids_capable(CAP_FOWNER))) {
        ret = refuse(EPERM);
    } else if (!can_note(&st)) {
        ret = set_mode(&file, real_mode(&st, mode));
    } else {
        owner.mode = mode & 07777;
        if (!unibin_ids_in_group(owner.group) && !unibin_ids_capable(CAP_FSETID)) {
            owner.mode &= ~S_ISGID;
        }
        ret = write_owner(&file, &st, &owner);
    }
    forget(&file);
    return ret;
}

int unibin_ids_fchmod(int fd, mode_t mode)
{
    return is_open(fd) ? unibin_ids_fchmodat(fd, "", mode, AT_EMPTY_PATH) : -1;
}

int unibin_ids_faccessat(int dirfd, const char *path, int mode, int flags)
{
    bool effective = flags & AT_EACCESS;
    uint32_t user = unibin_ids_get(IDS_USER, effective ? IDS_FILES : IDS_REAL);
    uint32_t group = unibin_ids_get(IDS_GROUP, effective ? IDS_FILES : IDS_REAL);
    struct stat st;
    Owner owner;
    File file;
    int shift = 0;

    if (faccessat(dirfd, path, mode, flags)) {
        return -1;
    }
    flags &= AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;
    if (!user || !mode || (effective && unibin_ids_capable(CAP_DAC_OVERRIDE))
        || fstatat(dirfd, path, &st, flags) || !can_note(&st)) {
        return 0;
    }
    find(&file, dirfd, path, flags);
    read_owner(&file, &st, &owner);
    forget(&file);
    if (owner.user == user) {
        shift = 6;
    } else if (owner.group == group || unibin_ids_in_group(owner.group)) {
        shift = 3;
    }
    return !owner.forgotten && (mode & ~(owner.mode >> shift) & 7) ? refuse(EACCES) : 0;
}

/* The directory in which a file is made. */
static void find_parent(File *file, int dirfd, const char *path)
{
    char parent[PATH_MAX];
    size_t length = strlen(path);

    while (length && path[length - 1] == '/') {
        length--;
    }
    while (length && path[length - 1] != '/') {
        length--;
    }
    if (length >= sizeof(parent)) {
        length = 0;
    }
    memcpy(parent, path, length);
    parent[length] = '\0';
    find(file, dirfd, length ? parent : "", 0);
    if (file->path == parent) {
        strcpy(file->text, parent);
        file->path = file->text;
    } else if (file->dirfd != AT_FDCWD && length) {
        strcpy(file->text, parent);
        file->below = file->text;
    }
}

void unibin_ids_made(int fd, int dirfd, const char *path, bool unnamed)
{
    int error = errno;
    struct stat st;
    Owner owner, parent;
    File file;

    if (unnamed) {
        find(&file, dirfd, path, 0);
    } else {
        find_parent(&file, dirfd, path);
    }
    if (!read_attribute(&file, &parent)) {
        parent = (Owner) { .mode = 0 };
    }
    forget(&file);
    find(&file, fd >= 0 ? fd : dirfd, fd >= 0 ? "" : path, AT_SYMLINK_NOFOLLOW);
    if (!(fd >= 0 ? fstat(fd, &st) : fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW)) && can_note(&st)) {
        owner = (Owner) {
            .user = unibin_ids_get(IDS_USER, IDS_FILES),
            .group = unibin_ids_get(IDS_GROUP, IDS_FILES),
            .mode = st.st_mode & 07777,
        };
        if (parent.mode & S_ISGID) {
            owner.group = parent.group;
            owner.mode |= S_ISDIR(st.st_mode) ? S_ISGID : 0;
        }
        /* It has been made: that its owner was lost is no reason to say that it has not. */
        write_owner(&file, &st, &owner);
    }
    forget(&file);
    errno = error;
}

int unibin_ids_mkdirat(int dirfd, const char *path, mode_t mode)
{
    int ret = mkdirat(dirfd, path, mode);

    if (!ret) {
        unibin_ids_made(-1, dirfd, path, false);
    }
    return ret;
}

int unibin_ids_mknodat(int dirfd, const char *path, mode_t mode, dev_t device)
{
    int ret;

    /* Device 0:0 is the mark of overlayfs for a file that is gone; everybody may make it. */
    if (S_ISBLK(mode) || (S_ISCHR(mode) && device)) {
        return refuse(EPERM);
    }
    ret = mknodat(dirfd, path, mode, device);
    if (!ret && !S_ISCHR(mode)) {
        unibin_ids_made(-1, dirfd, path, false);
    }
    return ret;
}

int unibin_ids_chroot(const char *path)
{
    struct stat st;

    if (unibin_ids_capable(CAP_SYS_CHROOT)) {
        return chroot(path);
    }
    return stat(path, &st) ? -1 : refuse(S_ISDIR(st.st_mode) ? EPERM : ENOTDIR);
}

/* Whether a path may lead to a process' status: by its own name, or by a descriptor of the kind O_PATH. */
static bool may_be_status(const char *path)
{
    return g_str_has_suffix(path, "status") || g_str_has_prefix(path, "/proc/")
           || g_str_has_prefix(path, "/dev/fd/");
}

/* Whether it is a process' or a thread's status, and of which process. */
static pid_t status_of(int fd)
{
    char link[40], target[64];
    int pid = 0, task, end = 0;
    ssize_t length;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    length = readlink(link, target, sizeof(target) - 1);
    target[MAX(length, 0)] = '\0';
    if (sscanf(target, "/proc/%d/status%n", &pid, &end) == 1 && end == length) {
        return pid;
    }
    end = 0;
    return sscanf(target, "/proc/%d/task/%d/status%n", &pid, &task, &end) == 2 && end == length ? pid : 0;
}

int unibin_ids_opened(int fd, const char *path)
{
    g_autofree char *text = NULL, *changed = NULL;
    size_t size = 0;
    ssize_t got;
    pid_t pid;
    int copy, flags;

    if (fd < 0 || !may_be_status(path)) {
        return fd;
    }
    flags = fcntl(fd, F_GETFL);
    if (flags < 0 || (flags & O_PATH) || (flags & O_ACCMODE) == O_WRONLY) {
        /* It cannot be read, and may be what its name is looked at by. */
        return fd;
    }
    pid = status_of(fd);
    copy = pid ? memfd_create("qemu-open", fcntl(fd, F_GETFD) & FD_CLOEXEC ? MFD_CLOEXEC : 0) : -1;
    if (copy < 0) {
        return fd;
    }
    text = g_malloc(65536);
    while (size < 65535 && (got = pread(fd, text + size, 65535 - size, size)) > 0) {
        size += got;
    }
    text[size] = '\0';
    changed = unibin_ids_status(pid, text);
    /* Of a process that has ended nothing can be read, which the descriptor itself tells best. */
    if (!size || write(copy, changed, strlen(changed)) != strlen(changed) || lseek(copy, 0, SEEK_SET)) {
        close(copy);
        return fd;
    }
    close(fd);
    return copy;
}

bool unibin_ids_hides(const char *name)
{
    return g_str_has_prefix(name, PREFIX);
}

ssize_t unibin_ids_list(int fd, const char *path, bool follow, char *list, size_t size)
{
    g_autofree char *all = g_malloc(XATTR_LIST_MAX);
    ssize_t had, kept = 0;

    had = !path ? flistxattr(fd, all, XATTR_LIST_MAX) : follow ? listxattr(path, all, XATTR_LIST_MAX)
                : llistxattr(path, all, XATTR_LIST_MAX);
    for (ssize_t at = 0; at < had; ) {
        size_t length = strnlen(all + at, had - at) + 1;

        if (!unibin_ids_hides(all + at)) {
            memmove(all + kept, all + at, length);
            kept += length;
        }
        at += length;
    }
    if (had < 0 || (size && kept > size)) {
        return had < 0 ? -1 : refuse(ERANGE);
    }
    if (size && kept) {
        if (!list) {
            return refuse(EFAULT);
        }
        memcpy(list, all, kept);
    }
    return kept;
}
