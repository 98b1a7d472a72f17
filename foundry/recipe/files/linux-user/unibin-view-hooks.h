/*
 * The host's calls that take a path, in the union view. Included by syscall.c behind its own wrappers: from
 * there on a call of `stat` is one of `view_stat`, which asks unibin-view.c where the path leads. Without
 * -view each makes the host's call as it is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later Copyright unibin's authors
 */
#ifndef LINUX_USER_UNIBIN_VIEW_HOOKS_H
#define LINUX_USER_UNIBIN_VIEW_HOOKS_H

#include "unibin-ids.h"
#include "unibin-view.h"

#ifndef RESOLVE_NO_XDEV
#define RESOLVE_NO_XDEV 0x01
#endif
#ifndef MOVE_MOUNT_T_SYMLINKS
#define MOVE_MOUNT_T_SYMLINKS 0x10
#endif
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif

/* Not every target has every call; and each has a large frame, which the caller's is not to grow by. */
#define VIEW_HOOK static __attribute__((noinline, unused))

/* A hook: its type, name and arguments, where the path is and what is done with it, and the call for `at`. */
#define VIEW_ONE(type, name, arguments, dirfd, path, how, call) \
    VIEW_HOOK type view_##name arguments                        \
    {                                                           \
        ViewAt at;                                              \
        return unibin_view_at(&at, dirfd, path, how) ? -1 : (call); \
    }

/* The same with a second path. */
#define VIEW_TWO(type, name, arguments, dirfd, path, how, dirfd2, path2, how2, call) \
    VIEW_HOOK type view_##name arguments                                             \
    {                                                                                \
        ViewAt at, to;                                                               \
        return unibin_view_at(&at, dirfd, path, how)                                 \
               || view_second(&at, &to, dirfd2, path2, how2) ? -1 : (call);          \
    }

/* That the first path leads nowhere is said before what is wrong with the second. */
VIEW_HOOK int view_second(const ViewAt *first, ViewAt *at, int dirfd, const char *path, int how)
{
    int error;

    if (!unibin_view_at(at, dirfd, path, how)) {
        if (unibin_root && unibin_root_crosses(first, at)
            && ((how & VIEW_RENAME)
                || (!faccessat(first->fd, first->host, F_OK, AT_SYMLINK_NOFOLLOW)
                    && faccessat(at->fd, at->host, F_OK, AT_SYMLINK_NOFOLLOW)))) {
            errno = EXDEV;
            return -1;
        }
        return 0;
    }
    error = errno;
    if (!faccessat(first->fd, first->host, F_OK, AT_SYMLINK_NOFOLLOW)) {
        errno = error;
    }
    return -1;
}

/* The root of -root is none that the kernel knows of. */
VIEW_HOOK int view_no_mounts(void)
{
    errno = EPERM;
    return -1;
}

#define VIEW_AT(flags) \
    (((flags) & AT_SYMLINK_NOFOLLOW ? VIEW_NOFOLLOW : 0) | ((flags) & AT_EMPTY_PATH ? VIEW_EMPTY : 0))
#define VIEW_FOLLOW(flags) \
    (((flags) & AT_SYMLINK_FOLLOW ? 0 : VIEW_NOFOLLOW) | ((flags) & AT_EMPTY_PATH ? VIEW_EMPTY : 0))
#define VIEW_ACCESS(mode) ((mode) & W_OK ? VIEW_WRITE : 0)
#define VIEW_MAKE (VIEW_CREATE | VIEW_NAME)
#define VIEW_MOVE (VIEW_RENAME | VIEW_NAME)
#define VIEW_REPLACE (VIEW_RENAME | VIEW_CREATE | VIEW_NAME)
/* The same call for a descriptor, as a path that is empty. */
#define VIEW_CHANGE (VIEW_WRITE | VIEW_EMPTY)


/* What a file is. */

VIEW_HOOK int view_fstatat(int dirfd, const char *path, struct stat *st, int flags)
{
    ViewAt at;
    int fd, ret;

    if (unibin_view_at(&at, dirfd, path, VIEW_AT(flags) | VIEW_TRY)) {
        return -1;
    }
    if (at.unproved && at.single) {
        ret = fstatat(at.fd, at.host, st, flags | AT_SYMLINK_NOFOLLOW);
        if (ret || !S_ISLNK(st->st_mode)) {
            return ret;
        }
    }
    fd = unibin_view_pin(&at, dirfd, path, VIEW_AT(flags));
    if (fd == -1) {
        return -1;
    }
    if (fd >= 0) {
        ret = fstat(fd, st);
        close(fd);
    } else {
        ret = fstatat(at.fd, at.host, st, flags);
    }
    if (!ret && S_ISDIR(st->st_mode)) {
        st->st_dev = unibin_view_device(&at, st->st_dev);
    }
    return ret;
}

VIEW_HOOK int view_fstat(int fd, struct stat *st)
{
    ViewAt at;
    int ret = fstat(fd, st);

    if (!ret && S_ISDIR(st->st_mode) && !unibin_view_at(&at, fd, "", 0)) {
        st->st_dev = unibin_view_device(&at, st->st_dev);
    }
    return ret;
}

#if defined(TARGET_NR_statx) && defined(__NR_statx)
VIEW_HOOK int view_statx(int dirfd, const char *path, int flags, unsigned int mask, struct target_statx *stx)
{
    ViewAt at;
    int fd, ret;

    if (unibin_view_at(&at, dirfd, path, VIEW_AT(flags) | VIEW_TRY)) {
        return -1;
    }
    if (at.unproved && at.single) {
        ret = sys_statx(at.fd, at.host, flags | AT_SYMLINK_NOFOLLOW, mask | STATX_TYPE, stx);
        if (ret || !S_ISLNK(stx->stx_mode)) {
            return ret;
        }
    }
    fd = unibin_view_pin(&at, dirfd, path, VIEW_AT(flags));
    if (fd == -1) {
        return -1;
    }
    if (fd >= 0) {
        ret = sys_statx(fd, "", (flags & ~AT_SYMLINK_NOFOLLOW) | AT_EMPTY_PATH, mask, stx);
        close(fd);
    } else {
        ret = sys_statx(at.fd, at.host, flags, mask, stx);
    }
    if (!ret && S_ISDIR(stx->stx_mode)) {
        dev_t device = unibin_view_device(&at, makedev(stx->stx_dev_major, stx->stx_dev_minor));

        stx->stx_dev_major = major(device);
        stx->stx_dev_minor = minor(device);
    }
    return ret;
}
#define sys_statx(dirfd, path, flags, mask, stx) view_statx(dirfd, path, flags, mask, stx)
#endif

VIEW_HOOK int view_faccessat(int dirfd, const char *path, int mode, int flags)
{
    ViewAt at;
    int how = VIEW_AT(flags) | VIEW_ACCESS(mode);
    int fd, ret;

    if (unibin_view_at(&at, dirfd, path, how | VIEW_TRY)) {
        return -1;
    }
    fd = unibin_view_pin(&at, dirfd, path, how);
    if (fd == -1) {
        return -1;
    }
    if (fd >= 0) {
#ifdef __NR_faccessat2
        ret = syscall(__NR_faccessat2, fd, "", mode, flags | AT_EMPTY_PATH);
#else
        errno = ENOSYS;
        ret = -1;
#endif
        close(fd);
        if (!ret || (errno != ENOSYS && errno != EPERM && errno != EINVAL)) {
            return ret;
        }
        if (unibin_view_at(&at, dirfd, path, how)) {
            return -1;
        }
    }
    return faccessat(at.fd, at.host, mode, flags);
}

VIEW_ONE(int, statfs, (const char *path, struct statfs *st), AT_FDCWD, path, 0, statfs(at.host, st))

#define stat(path, st)                      view_fstatat(AT_FDCWD, path, st, 0)
#define lstat(path, st)                     view_fstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW)
#define fstatat(dirfd, path, st, flags)     view_fstatat(dirfd, path, st, flags)
#define fstat(fd, st)                       view_fstat(fd, st)
#define access(path, mode)                  view_faccessat(AT_FDCWD, path, mode, 0)
#define faccessat(dirfd, path, mode, flags) view_faccessat(dirfd, path, mode, flags)
#define statfs(path, st)                    view_statfs(path, st)

/* Directories. */

VIEW_ONE(int, chdir, (const char *path), AT_FDCWD, path, 0, chdir(at.host))

VIEW_HOOK int view_chroot(const char *path)
{
    ViewAt at;
    int ret;

    if (unibin_root) {
        return geteuid() ? view_no_mounts() : unibin_root_chroot(path);
    }
    ret = unibin_view_at(&at, AT_FDCWD, path, 0) ? -1 : chroot(at.host);
    if (!ret && strcmp(at.host, "/")) {
        unibin_view_leave();
    }
    return ret;
}

VIEW_HOOK ssize_t view_getcwd(char *buffer, size_t size)
{
    char path[PATH_MAX];
    ssize_t length;

    if (!unibin_view_tree) {
        return sys_getcwd1(buffer, size);
    }
    length = sys_getcwd1(path, sizeof(path));
    if (length <= 0) {
        return length;
    }
    length = unibin_view_shown(path, length - 1) + 1;
    if (length > size) {
        errno = ERANGE;
        return -1;
    }
    memcpy(buffer, path, length);
    return length;
}

#if defined(TARGET_NR_getdents) && defined(EMULATE_GETDENTS_WITH_GETDENTS)
VIEW_HOOK int view_getdents(unsigned int fd, struct linux_dirent *buffer, unsigned int size)
{
    ssize_t got;

    if (!unibin_view_tree) {
        return sys_getdents(fd, buffer, size);
    }
    got = unibin_view_getdents64(fd, buffer, size);
    /* An entry has the same size in both forms; in this one the type is its last byte. */
    for (ssize_t at = 0; at < got; ) {
        struct linux_dirent64 *from = (void *)buffer + at;
        struct linux_dirent *to = (void *)from;
        unsigned char type = from->d_type;

        at += from->d_reclen;
        memmove(to->d_name, from->d_name, strlen(from->d_name) + 1);
        *((unsigned char *)to + to->d_reclen - 1) = type;
    }
    return got;
}
#define sys_getdents(fd, buffer, size) view_getdents(fd, buffer, size)
#endif

#define chdir(path)                         view_chdir(path)
#define chroot(path)                        view_chroot(path)
#define sys_getcwd1(buffer, size)           view_getcwd(buffer, size)
#define sys_getdents64(fd, buffer, size) \
    (unibin_view_tree ? unibin_view_getdents64(fd, buffer, size) : sys_getdents64(fd, buffer, size))
#define lseek(fd, offset, whence)           unibin_view_lseek(fd, offset, whence)

/* Links. */

VIEW_HOOK ssize_t view_readlinkat(int dirfd, const char *path, char *buffer, size_t size)
{
    char target[PATH_MAX];
    const char *behind;
    ViewAt at;
    ssize_t length;
    int fd;

    if (unibin_view_at(&at, dirfd, path, VIEW_NOFOLLOW | VIEW_TRY)) {
        return -1;
    }
    if (!*at.host) {
        return readlinkat(at.fd, at.host, buffer, size);
    }
    fd = unibin_view_pin(&at, dirfd, path, VIEW_NOFOLLOW);
    if (fd == -1) {
        return -1;
    }
    if (fd >= 0) {
        length = readlinkat(fd, "", buffer, size);
        if (length < 0 && errno == ENOENT) {
            /* Which the kernel says of an empty path that is no link. */
            errno = EINVAL;
        }
        close(fd);
        return length;
    }
    if (!at.proc) {
        return readlinkat(at.fd, at.host, buffer, size);
    }
    behind = unibin_view_behind_self(at.host);
    if (behind && !strcmp(behind, "exe")) {
        length = strlen(real_exec_path);
        memcpy(target, real_exec_path, length);
    } else {
        length = readlinkat(at.fd, at.host, target, sizeof(target) - 1);
        if (length > 0) {
            target[length] = '\0';
            length = unibin_view_shown(target, length);
        }
    }
    if (length > 0) {
        length = MIN(length, size);
        memcpy(buffer, target, length);
    }
    return length;
}

VIEW_ONE(int, symlink, (const char *target, const char *path), AT_FDCWD, path, VIEW_MAKE,
         symlink(target, at.host))
VIEW_ONE(int, symlinkat, (const char *target, int dirfd, const char *path), dirfd, path, VIEW_MAKE,
         symlinkat(target, at.fd, at.host))
VIEW_TWO(int, linkat, (int dirfd, const char *path, int dirfd2, const char *path2, int flags),
         dirfd, path, VIEW_FOLLOW(flags) | VIEW_LINK, dirfd2, path2, VIEW_MAKE,
         linkat(at.fd, at.host, to.fd, to.host, flags))

#define readlinkat(dirfd, path, buffer, size)           view_readlinkat(dirfd, path, buffer, size)
#define readlink(path, buffer, size)                    view_readlinkat(AT_FDCWD, path, buffer, size)
#define symlink(target, path)                           view_symlink(target, path)
#define symlinkat(target, dirfd, path)                  view_symlinkat(target, dirfd, path)
#define link(path, path2)                               view_linkat(AT_FDCWD, path, AT_FDCWD, path2, 0)
#define linkat(dirfd, path, dirfd2, path2, flags)       view_linkat(dirfd, path, dirfd2, path2, flags)

/* Names. */

VIEW_ONE(int, mkdir, (const char *path, mode_t mode), AT_FDCWD, path, VIEW_MAKE, mkdir(at.host, mode))
VIEW_ONE(int, mkdirat, (int dirfd, const char *path, mode_t mode), dirfd, path, VIEW_MAKE,
         mkdirat(at.fd, at.host, mode))
VIEW_ONE(int, mknod, (const char *path, mode_t mode, dev_t device), AT_FDCWD, path, VIEW_MAKE,
         mknod(at.host, mode, device))
VIEW_ONE(int, mknodat, (int dirfd, const char *path, mode_t mode, dev_t device), dirfd, path, VIEW_MAKE,
         mknodat(at.fd, at.host, mode, device))
VIEW_ONE(int, rmdir, (const char *path), AT_FDCWD, path, VIEW_RMDIR | VIEW_NAME, rmdir(at.host))
VIEW_ONE(int, unlink, (const char *path), AT_FDCWD, path, VIEW_UNLINK | VIEW_NAME, unlink(at.host))
VIEW_ONE(int, unlinkat, (int dirfd, const char *path, int flags), dirfd, path,
         (flags & AT_REMOVEDIR ? VIEW_RMDIR : VIEW_UNLINK) | VIEW_NAME, unlinkat(at.fd, at.host, flags))
VIEW_TWO(int, renameat, (int dirfd, const char *path, int dirfd2, const char *path2),
         dirfd, path, VIEW_MOVE, dirfd2, path2, VIEW_REPLACE, renameat(at.fd, at.host, to.fd, to.host))

#define mkdir(path, mode)                       view_mkdir(path, mode)
#define mkdirat(dirfd, path, mode)              view_mkdirat(dirfd, path, mode)
#define mknod(path, mode, device)               view_mknod(path, mode, device)
#define mknodat(dirfd, path, mode, device)      view_mknodat(dirfd, path, mode, device)
#define rmdir(path)                             view_rmdir(path)
#define unlink(path)                            view_unlink(path)
#define unlinkat(dirfd, path, flags)            view_unlinkat(dirfd, path, flags)
#define rename(path, path2)                     view_renameat(AT_FDCWD, path, AT_FDCWD, path2)
#define renameat(dirfd, path, dirfd2, path2)    view_renameat(dirfd, path, dirfd2, path2)

#ifdef TARGET_NR_renameat2
VIEW_TWO(int, renameat2, (int dirfd, const char *path, int dirfd2, const char *path2, unsigned int flags),
         dirfd, path, VIEW_MOVE, dirfd2, path2, flags & RENAME_NOREPLACE ? VIEW_MAKE : VIEW_REPLACE,
         sys_renameat2(at.fd, at.host, to.fd, to.host, flags))
#define sys_renameat2(dirfd, path, dirfd2, path2, flags) view_renameat2(dirfd, path, dirfd2, path2, flags)
#endif

/* Attributes. */

VIEW_ONE(int, chmod, (const char *path, mode_t mode), AT_FDCWD, path, VIEW_WRITE, chmod(at.host, mode))
VIEW_ONE(int, fchmod, (int fd, mode_t mode), fd, "", VIEW_CHANGE, fchmod(fd, mode))
VIEW_ONE(int, fchmodat, (int dirfd, const char *path, mode_t mode, int flags), dirfd, path,
         VIEW_AT(flags) | VIEW_WRITE, fchmodat(at.fd, at.host, mode, flags))
VIEW_ONE(int, chown, (const char *path, uid_t user, gid_t group), AT_FDCWD, path, VIEW_WRITE,
         chown(at.host, user, group))
VIEW_ONE(int, lchown, (const char *path, uid_t user, gid_t group), AT_FDCWD, path,
         VIEW_WRITE | VIEW_NOFOLLOW, lchown(at.host, user, group))
VIEW_ONE(int, fchown, (int fd, uid_t user, gid_t group), fd, "", VIEW_CHANGE, fchown(fd, user, group))
VIEW_ONE(int, fchownat, (int dirfd, const char *path, uid_t user, gid_t group, int flags), dirfd, path,
         VIEW_AT(flags) | VIEW_WRITE, fchownat(at.fd, at.host, user, group, flags))
VIEW_ONE(int, truncate, (const char *path, off_t size), AT_FDCWD, path, VIEW_WRITE, truncate(at.host, size))
VIEW_ONE(int, utime, (const char *path, const struct utimbuf *times), AT_FDCWD, path, VIEW_WRITE,
         utime(at.host, times))
VIEW_ONE(int, utimes, (const char *path, const struct timeval *times), AT_FDCWD, path, VIEW_WRITE,
         utimes(at.host, times))
/* Without a path: of the descriptor. */
VIEW_ONE(int, futimesat, (int dirfd, const char *path, const struct timeval *times), dirfd, path ?: "",
         VIEW_CHANGE, futimesat(at.fd, path ? at.host : NULL, times))

#define chmod(path, mode)                       view_chmod(path, mode)
#define fchmod(fd, mode)                        view_fchmod(fd, mode)
#define fchmodat(dirfd, path, mode, flags)      view_fchmodat(dirfd, path, mode, flags)
#define chown(path, user, group)                view_chown(path, user, group)
#define lchown(path, user, group)               view_lchown(path, user, group)
#define fchown(fd, user, group)                 view_fchown(fd, user, group)
#define fchownat(dirfd, path, user, group, flags) view_fchownat(dirfd, path, user, group, flags)
#define truncate(path, size)                    view_truncate(path, size)
#define utime(path, times)                      view_utime(path, times)
#define utimes(path, times)                     view_utimes(path, times)
#define futimesat(dirfd, path, times)           view_futimesat(dirfd, path, times)

#if defined(TARGET_NR_utimensat) || defined(TARGET_NR_utimensat_time64)
VIEW_ONE(int, utimensat, (int dirfd, const char *path, const struct timespec *times, int flags), dirfd,
         path ?: "", VIEW_AT(flags) | VIEW_CHANGE,
         sys_utimensat(at.fd, path ? at.host : NULL, times, flags))
#define sys_utimensat(dirfd, path, times, flags) view_utimensat(dirfd, path, times, flags)
#endif
#if defined(TARGET_NR_fchmodat2) && defined(__NR_fchmodat2)
VIEW_ONE(int, fchmodat2, (int dirfd, const char *path, mode_t mode, int flags), dirfd, path,
         VIEW_AT(flags) | VIEW_WRITE, safe_fchmodat2(at.fd, at.host, mode, flags))
#define safe_fchmodat2(dirfd, path, mode, flags) view_fchmodat2(dirfd, path, mode, flags)
#endif

#ifdef CONFIG_ATTR
VIEW_ONE(ssize_t, listxattr, (const char *path, char *list, size_t size), AT_FDCWD, path, 0,
         listxattr(at.host, list, size))
VIEW_ONE(ssize_t, llistxattr, (const char *path, char *list, size_t size), AT_FDCWD, path, VIEW_NOFOLLOW,
         llistxattr(at.host, list, size))
VIEW_ONE(ssize_t, getxattr, (const char *path, const char *name, void *value, size_t size), AT_FDCWD, path, 0,
         getxattr(at.host, name, value, size))
VIEW_ONE(ssize_t, lgetxattr, (const char *path, const char *name, void *value, size_t size), AT_FDCWD, path,
         VIEW_NOFOLLOW, lgetxattr(at.host, name, value, size))
VIEW_ONE(int, setxattr, (const char *path, const char *name, const void *value, size_t size, int flags),
         AT_FDCWD, path, VIEW_WRITE, setxattr(at.host, name, value, size, flags))
VIEW_ONE(int, lsetxattr, (const char *path, const char *name, const void *value, size_t size, int flags),
         AT_FDCWD, path, VIEW_WRITE | VIEW_NOFOLLOW, lsetxattr(at.host, name, value, size, flags))
VIEW_ONE(int, fsetxattr, (int fd, const char *name, const void *value, size_t size, int flags), fd, "",
         VIEW_CHANGE, fsetxattr(fd, name, value, size, flags))
VIEW_ONE(int, removexattr, (const char *path, const char *name), AT_FDCWD, path, VIEW_WRITE,
         removexattr(at.host, name))
VIEW_ONE(int, lremovexattr, (const char *path, const char *name), AT_FDCWD, path, VIEW_WRITE | VIEW_NOFOLLOW,
         lremovexattr(at.host, name))
VIEW_ONE(int, fremovexattr, (int fd, const char *name), fd, "", VIEW_CHANGE, fremovexattr(fd, name))

#define listxattr(path, list, size)                 view_listxattr(path, list, size)
#define llistxattr(path, list, size)                view_llistxattr(path, list, size)
#define getxattr(path, name, value, size)           view_getxattr(path, name, value, size)
#define lgetxattr(path, name, value, size)          view_lgetxattr(path, name, value, size)
#define setxattr(path, name, value, size, flags)    view_setxattr(path, name, value, size, flags)
#define lsetxattr(path, name, value, size, flags)   view_lsetxattr(path, name, value, size, flags)
#define fsetxattr(fd, name, value, size, flags)     view_fsetxattr(fd, name, value, size, flags)
#define removexattr(path, name)                     view_removexattr(path, name)
#define lremovexattr(path, name)                    view_lremovexattr(path, name)
#define fremovexattr(fd, name)                      view_fremovexattr(fd, name)
#endif

/* Whether a request changes attributes of a file that need not be open for writing, and the tree has it. */
VIEW_HOOK bool view_forbids_ioctl(int fd, int request)
{
    switch (request) {
    case FS_IOC_SETFLAGS:
    case FS_IOC_SETVERSION:
    case FS_IOC32_SETFLAGS:
    case FS_IOC32_SETVERSION:
#ifdef BTRFS_IOC_SUBVOL_CREATE
    case BTRFS_IOC_SUBVOL_CREATE:
#endif
#ifdef BTRFS_IOC_SNAP_CREATE
    case BTRFS_IOC_SNAP_CREATE:
#endif
#ifdef BTRFS_IOC_SNAP_DESTROY
    case BTRFS_IOC_SNAP_DESTROY:
#endif
#ifdef BTRFS_IOC_SUBVOL_SETFLAGS
    case BTRFS_IOC_SUBVOL_SETFLAGS:
#endif
        return unibin_view_has(fd);
    }
    return false;
}

/* What else takes a path. */

#ifdef CONFIG_INOTIFY
VIEW_ONE(int, inotify_add_watch, (int fd, const char *path, uint32_t mask), AT_FDCWD, path,
         mask & IN_DONT_FOLLOW ? VIEW_NOFOLLOW : 0, inotify_add_watch(fd, at.host, mask))
#define inotify_add_watch(fd, path, mask)   view_inotify_add_watch(fd, path, mask)
#endif
#ifdef CONFIG_OPEN_BY_HANDLE
VIEW_ONE(int, name_to_handle_at,
         (int dirfd, const char *path, struct file_handle *handle, int *mount, int flags), dirfd, path,
         VIEW_FOLLOW(flags), name_to_handle_at(at.fd, at.host, handle, mount, flags))
#define name_to_handle_at(dirfd, path, handle, mount, flags) \
    view_name_to_handle_at(dirfd, path, handle, mount, flags)

/* Leads into the tree, too. */
VIEW_HOOK int view_open_by_handle_at(int mount, struct file_handle *handle, int flags)
{
    if (unibin_view_tree && ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC))) {
        int fd = open_by_handle_at(mount, handle, O_PATH | O_CLOEXEC);
        bool refused = fd >= 0 && unibin_view_has(fd);

        if (fd >= 0) {
            close(fd);
        }
        if (refused) {
            errno = EROFS;
            return -1;
        }
    }
    return open_by_handle_at(mount, handle, flags);
}
#define open_by_handle_at(mount, handle, flags) view_open_by_handle_at(mount, handle, flags)
#endif
VIEW_ONE(int, acct, (const char *path), AT_FDCWD, path, VIEW_WRITE, acct(at.host))
VIEW_ONE(int, swapon, (const char *path, int flags), AT_FDCWD, path, VIEW_WRITE, swapon(at.host, flags))
VIEW_ONE(int, swapoff, (const char *path), AT_FDCWD, path, VIEW_WRITE, swapoff(at.host))
VIEW_ONE(int, mount, (const char *source, const char *path, const char *type, unsigned long flags,
         const void *data), AT_FDCWD, path, 0,
         unibin_root ? view_no_mounts() : mount(source, at.host, type, flags, data))
VIEW_ONE(int, umount2, (const char *path, int flags), AT_FDCWD, path,
         flags & UMOUNT_NOFOLLOW ? VIEW_NOFOLLOW : 0,
         unibin_root ? view_no_mounts() : umount2(at.host, flags))

#define acct(path)                              view_acct(path)
#define swapon(path, flags)                     view_swapon(path, flags)
#define swapoff(path)                           view_swapoff(path)
#define mount(source, path, type, flags, data)  view_mount(source, path, type, flags, data)
#define umount(path)                            view_umount2(path, 0)
#define umount2(path, flags)                    view_umount2(path, flags)

#define VIEW_HELD "/proc/self/fd/"

/*
 * A socket's address: as it is, or `un` with the path where it leads. NULL: errno says what is wrong. Paths
 * that are longer than an address can be are no paths of sockets. Where one leads to a path that is longer,
 * the address goes through a descriptor, `held`, which is to be closed after the call: of the root of -root,
 * so that the address tells what the path is, or of the directory, and then `.` comes next.
 */
VIEW_HOOK const struct sockaddr *view_address(const struct sockaddr *address, socklen_t *length,
                                              struct sockaddr_un *un, int how, int *held)
{
    const struct sockaddr_un *given = (const struct sockaddr_un *)address;
    char path[sizeof(un->sun_path) + 1] = "";
    size_t before = offsetof(struct sockaddr_un, sun_path);
    ViewAt at;

    *held = -1;
    if (!unibin_view_tree || !address || address == (void *)-1 || *length <= before || *length > sizeof(*un)
        || address->sa_family != AF_UNIX || !given->sun_path[0]) {
        return address;
    }
    memcpy(path, given->sun_path, *length - before);
    if (unibin_view_at(&at, AT_FDCWD, path, how)) {
        if (errno == EEXIST) {
            errno = EADDRINUSE;
        }
        return NULL;
    }
    if (at.same) {
        return address;
    }
    memset(un, 0, sizeof(*un));
    un->sun_family = AF_UNIX;
    if (strlen(at.host) < sizeof(un->sun_path)) {
        strcpy(un->sun_path, at.host);
    } else {
        /* It is in one of the buffers of `at`. */
        char *rest = (char *)strrchr(at.host, '/');
        size_t root = strlen(unibin_view_tree);
        const char *way = "/.";

        if (unibin_root && at.name && strlen(at.name) < sizeof(un->sun_path) - sizeof(VIEW_HELD "1234567890")
            && !strncmp(at.host, unibin_view_tree, root) && !strcmp(at.host + root, at.name)) {
            rest = (char *)at.host + root;
            way = "";
        }
        *rest = '\0';
        *held = open(at.host, O_PATH | O_DIRECTORY | O_CLOEXEC);
        *rest = '/';
        if (*held < 0) {
            return NULL;
        }
        if (snprintf(un->sun_path, sizeof(un->sun_path), VIEW_HELD "%d%s%s", *held, way, rest)
            >= sizeof(un->sun_path)) {
            close(*held);
            *held = -1;
            errno = ENAMETOOLONG;
            return NULL;
        }
    }
    *length = sizeof(*un);
    return (const struct sockaddr *)un;
}

VIEW_HOOK ssize_t view_let_go(int held, ssize_t ret)
{
    int error = errno;

    if (held >= 0) {
        close(held);
    }
    errno = error;
    return ret;
}

/* The name of a socket, as it is in the root of -root. */
VIEW_HOOK int view_show_address(int ret, struct sockaddr *address, socklen_t *length, socklen_t room)
{
    struct sockaddr_un *un = (struct sockaddr_un *)address;
    const socklen_t before = offsetof(struct sockaddr_un, sun_path);
    char path[PATH_MAX] = "";
    ssize_t had, shown;
    int held = 0;

    if (ret || !unibin_root || *length <= before || *length > MIN(room, sizeof(*un))
        || un->sun_family != AF_UNIX || un->sun_path[0] != '/') {
        return ret;
    }
    had = strnlen(un->sun_path, *length - before);
    memcpy(path, un->sun_path, had);
    if (sscanf(path, VIEW_HELD "%*d%n", &held) == 0 && held && path[held] == '/'
        && strncmp(path + held, "/./", 3)) {
        memmove(path, path + held, had - held + 1);
        shown = had - held;
    } else {
        shown = unibin_view_shown(path, had);
    }
    if (shown < had) {
        memset(un->sun_path, 0, *length - before);
        memcpy(un->sun_path, path, shown);
        *length = before + shown + 1;
    }
    return ret;
}

VIEW_HOOK int view_getsockname(int fd, struct sockaddr *address, socklen_t *length)
{
    socklen_t room = *length;

    return view_show_address(getsockname(fd, address, length), address, length, room);
}

VIEW_HOOK int view_getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
    socklen_t room = *length;

    return view_show_address(getpeername(fd, address, length), address, length, room);
}

#define getsockname(fd, address, length)        view_getsockname(fd, address, length)
#define getpeername(fd, address, length)        view_getpeername(fd, address, length)

/*
 * There is no audit in the root of -root, as in a kernel without it: the host's refuses a root that is none,
 * which programs take for a failure.
 */
VIEW_HOOK int view_socket(int domain, int type, int protocol)
{
    if (unibin_root && domain == AF_NETLINK && protocol == NETLINK_AUDIT) {
        errno = EPROTONOSUPPORT;
        return -1;
    }
    return socket(domain, type, protocol);
}
#define socket(domain, type, protocol)          view_socket(domain, type, protocol)

VIEW_HOOK int view_bind(int fd, const struct sockaddr *address, socklen_t length)
{
    struct sockaddr_un un;
    int held;
    const struct sockaddr *real = view_address(address, &length, &un, VIEW_MAKE, &held);

    return address && !real ? -1 : view_let_go(held, bind(fd, real, length));
}

VIEW_HOOK int view_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    struct sockaddr_un un;
    int held;
    const struct sockaddr *real = view_address(address, &length, &un, 0, &held);

    return address && !real ? -1 : view_let_go(held, safe_connect(fd, real, length));
}

VIEW_HOOK ssize_t view_sendto(int fd, const void *buffer, size_t size, int flags,
                              const struct sockaddr *address, socklen_t length)
{
    struct sockaddr_un un;
    int held;
    const struct sockaddr *real = view_address(address, &length, &un, 0, &held);

    return address && !real ? -1 : view_let_go(held, safe_sendto(fd, buffer, size, flags, real, length));
}

VIEW_HOOK ssize_t view_sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct sockaddr_un un;
    struct msghdr copy = *message;
    int held;

    copy.msg_name = (void *)view_address(message->msg_name, &copy.msg_namelen, &un, 0, &held);
    return message->msg_name && !copy.msg_name ? -1 : view_let_go(held, safe_sendmsg(fd, &copy, flags));
}

#define bind(fd, address, length)               view_bind(fd, address, length)
#define safe_connect(fd, address, length)       view_connect(fd, address, length)
#define safe_sendto(fd, buffer, size, flags, address, length) \
    view_sendto(fd, buffer, size, flags, address, length)
#define safe_sendmsg(fd, message, flags)        view_sendmsg(fd, message, flags)

/* Opening. */

static int maybe_do_fake_open(CPUArchState *cpu_env, int dirfd, const char *fname, int flags, mode_t mode,
                              int openat2_resolve, bool safe);
VIEW_HOOK int ids_open(int dirfd, const char *path, const struct open_how_ver0 *how, bool strict, bool safe);

/* Whether what failed without following links may succeed otherwise. */
VIEW_HOOK bool view_is_again(const ViewAt *at, int flags)
{
    switch (errno) {
    case ELOOP:
    case ENOTDIR:
    case EINVAL:
    case ENOSYS:
    case EPERM:
        return true;
    case ENOENT:
        return at->directory || ((flags & O_CREAT) && !at->sure);
    }
    return false;
}

/* open, openat; with `strict` openat2. */
VIEW_HOOK int view_open(CPUArchState *cpu_env, int dirfd, const char *path, const struct open_how_ver0 *how,
                        bool strict, bool safe)
{
    struct open_how_ver0 real = *how;
    int flags = how->flags;
    int action = VIEW_OPEN;
    const char *behind;
    char name[64];
    ViewAt at;
    int fd;

    if ((flags & O_CREAT) && (flags & O_EXCL)) {
        action |= VIEW_MAKE;
    } else {
        action |= flags & O_CREAT ? VIEW_CREATE : 0;
        action |= (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) ? VIEW_WRITE : 0;
    }
    action |= (flags & O_TMPFILE) == O_TMPFILE ? VIEW_UNNAMED : 0;
    action |= flags & O_NOFOLLOW ? VIEW_NOFOLLOW : 0;
    action |= how->resolve & RESOLVE_NO_SYMLINKS ? VIEW_NO_LINKS | VIEW_NO_MAGIC : 0;
    action |= how->resolve & RESOLVE_NO_MAGICLINKS ? VIEW_NO_MAGIC : 0;
    if (flags & O_PATH) {
        action &= ~(VIEW_WRITE | VIEW_CREATE | VIEW_NAME | VIEW_UNNAMED);
    }

    /* Whether a file with an owner is new has to be found out. */
    if (unibin_view_at(&at, dirfd, path, action | (unibin_ids && (flags & O_CREAT) ? 0 : VIEW_TRY))) {
        return -1;
    }
    if (at.unproved) {
        real.flags = flags | (at.directory ? O_DIRECTORY : 0);
        real.resolve |= RESOLVE_NO_SYMLINKS;
        if (!strict) {
            real.mode = flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)) ? how->mode & 07777 : 0;
        }
        fd = safe ? safe_openat2(at.fd, at.host, &real, sizeof(real))
                  : syscall(__NR_openat2, at.fd, at.host, &real, sizeof(real));
        if (fd >= 0 && unibin_ids) {
            if ((flags & O_TMPFILE) == O_TMPFILE) {
                unibin_ids_made(fd, at.fd, at.host, true);
            }
            return unibin_ids_opened(fd, at.host);
        }
        if (fd >= 0 || !view_is_again(&at, flags)) {
            return fd;
        }
        if (unibin_view_at(&at, dirfd, path, action)) {
            return -1;
        }
    }
    behind = at.proc ? unibin_view_behind_self(at.host) : NULL;
    if (at.proc && !(behind && !strcmp(behind, "exe")) && strlen(at.host) < sizeof(name) - 16) {
        snprintf(name, sizeof(name), "%s%s", behind ? "/proc/self/" : at.host, behind ?: "");
        fd = maybe_do_fake_open(cpu_env, AT_FDCWD, name, flags, how->mode, how->resolve, safe);
        if (fd != -2) {
            return fd;
        }
    }
    if (at.tree && !(flags & O_EXCL)) {
        /* It exists; should somebody have removed it, it is not made again. */
        flags &= ~O_CREAT;
    }
    if (unibin_ids) {
        real = *how;
        real.flags = flags;
        return ids_open(at.fd, at.host, &real, strict, safe);
    }
    if (strict) {
        real = *how;
        real.flags = flags;
        real.resolve &= at.tree ? ~(uint64_t)RESOLVE_NO_XDEV : ~(uint64_t)0;
        return safe_openat2(at.fd, at.host, &real, sizeof(real));
    }
    return safe ? safe_openat(at.fd, at.host, flags, how->mode) : openat(at.fd, at.host, flags, how->mode);
}

VIEW_HOOK int view_creat(const char *path, mode_t mode)
{
    const int how = VIEW_OPEN | VIEW_CREATE | VIEW_WRITE;
    ViewAt at;

    return unibin_view_at(&at, AT_FDCWD, path, how) ? -1 : creat(at.host, mode);
}
#define creat(path, mode)                       view_creat(path, mode)

#endif

#ifdef VIEW_HOOKS_OF_MOUNTS
/* Wrappers that are defined further below; included once more there. */
#if defined(TARGET_NR_open_tree) && defined(__NR_open_tree)
VIEW_ONE(int, open_tree, (int dirfd, const char *path, unsigned int flags), dirfd, path, VIEW_AT(flags),
         unibin_root ? view_no_mounts() : sys_open_tree(at.fd, at.host, flags))
#define sys_open_tree(dirfd, path, flags) view_open_tree(dirfd, path, flags)
#endif
#if defined(TARGET_NR_move_mount) && defined(__NR_move_mount)
VIEW_ONE(int, move_mount, (int dirfd, const char *path, int dirfd2, const char *path2, unsigned int flags),
         dirfd2, path2, flags & MOVE_MOUNT_T_SYMLINKS ? 0 : VIEW_NOFOLLOW,
         unibin_root ? view_no_mounts() : sys_move_mount(dirfd, path, at.fd, at.host, flags))
#define sys_move_mount(dirfd, path, dirfd2, path2, flags) view_move_mount(dirfd, path, dirfd2, path2, flags)
#endif
#if defined(TARGET_NR_pivot_root) && defined(__NR_pivot_root)
VIEW_HOOK int view_pivot_root(const char *root, const char *old)
{
    int ret = unibin_root ? view_no_mounts() : pivot_root(root, old);

    if (!ret) {
        unibin_view_leave();
    }
    return ret;
}
#define pivot_root(root, old) view_pivot_root(root, old)
#endif
#if defined(TARGET_NR_mount_setattr) && defined(__NR_mount_setattr)
VIEW_ONE(int, mount_setattr, (int dirfd, const char *path, unsigned int flags, struct mount_attr_ver0 *attr,
         size_t size), dirfd, path, VIEW_AT(flags),
         unibin_root ? view_no_mounts() : sys_mount_setattr(at.fd, at.host, flags, attr, size))
#define sys_mount_setattr(dirfd, path, flags, attr, size) view_mount_setattr(dirfd, path, flags, attr, size)
#endif
#endif
