/*
 * The host's calls that have to do with ids and owners, for `-ids`. Included by syscall.c behind its own
 * wrappers and the hooks of the view, before the function that makes the calls: from there on a call of
 * `getuid` asks unibin-ids.c. Without -ids each makes the call that it made before.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 * Copyright unibin's authors
 */
#ifndef LINUX_USER_UNIBIN_IDS_HOOKS_H
#define LINUX_USER_UNIBIN_IDS_HOOKS_H

#include "unibin-ids.h"

/* open, openat; with `strict` openat2. */
VIEW_HOOK int ids_open_once(int dirfd, const char *path, const struct open_how_ver0 *how, bool strict,
                            bool safe)
{
    if (strict) {
        return safe_openat2(dirfd, path, how, sizeof(*how));
    }
    return safe ? safe_openat(dirfd, path, how->flags, how->mode)
                : openat(dirfd, path, how->flags, how->mode);
}

/* Whether a file is new, only O_EXCL tells for sure. */
VIEW_HOOK int ids_open(int dirfd, const char *path, const struct open_how_ver0 *how, bool strict, bool safe)
{
    struct open_how_ver0 first = *how;
    bool unnamed = (how->flags & O_TMPFILE) == O_TMPFILE;
    bool make = unnamed || (how->flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
    int fd = -1;

    if (how->flags & O_PATH) {
        make = unnamed = false;
    } else if (!make && (how->flags & O_CREAT)) {
        first.flags |= O_EXCL;
        fd = ids_open_once(dirfd, path, &first, strict, safe);
        if (fd < 0 && errno == QEMU_ERESTARTSYS) {
            return fd;
        }
        /* What a link leads to may be new, too. */
        make = fd >= 0 || (errno == EEXIST && faccessat(dirfd, path, F_OK, 0) && errno == ENOENT);
    }
    if (fd < 0) {
        fd = ids_open_once(dirfd, path, how, strict, safe);
    }
    if (fd >= 0 && make) {
        unibin_ids_made(fd, dirfd, path, unnamed);
    }
    return unibin_ids_opened(fd, path);
}

#endif

#ifdef IDS_HOOKS_OF_CALLS

/* Ids. */

#ifndef USE_UID16
/* As they are: as an int, a large one would be an error. */
#define high2lowuid(id) (id)
#define high2lowgid(id) (id)
#endif

#define getuid() (unibin_ids ? unibin_ids_get(IDS_USER, IDS_REAL) : getuid())
#define geteuid() (unibin_ids ? unibin_ids_get(IDS_USER, IDS_EFFECTIVE) : geteuid())
#define getgid() (unibin_ids ? unibin_ids_get(IDS_GROUP, IDS_REAL) : getgid())
#define getegid() (unibin_ids ? unibin_ids_get(IDS_GROUP, IDS_EFFECTIVE) : getegid())
#define getresuid(a, b, c) (unibin_ids ? unibin_ids_get_all(IDS_USER, a, b, c) : getresuid(a, b, c))
#define getresgid(a, b, c) (unibin_ids ? unibin_ids_get_all(IDS_GROUP, a, b, c) : getresgid(a, b, c))
#define sys_setuid(a) (unibin_ids ? unibin_ids_set(IDS_USER, a) : sys_setuid(a))
#define sys_setgid(a) (unibin_ids ? unibin_ids_set(IDS_GROUP, a) : sys_setgid(a))
#define sys_setreuid(a, b) (unibin_ids ? unibin_ids_set_two(IDS_USER, a, b) : sys_setreuid(a, b))
#define sys_setregid(a, b) (unibin_ids ? unibin_ids_set_two(IDS_GROUP, a, b) : sys_setregid(a, b))
#define sys_setresuid(a, b, c) (unibin_ids ? unibin_ids_set_all(IDS_USER, a, b, c) : sys_setresuid(a, b, c))
#define sys_setresgid(a, b, c) (unibin_ids ? unibin_ids_set_all(IDS_GROUP, a, b, c) : sys_setresgid(a, b, c))
#define setfsuid(a) (unibin_ids ? (abi_long)unibin_ids_set_files(IDS_USER, a) : setfsuid(a))
#define setfsgid(a) (unibin_ids ? (abi_long)unibin_ids_set_files(IDS_GROUP, a) : setfsgid(a))
#define getgroups(size, list) (unibin_ids ? unibin_ids_getgroups(size, list) : getgroups(size, list))
#define sys_setgroups(size, list) (unibin_ids ? unibin_ids_setgroups(size, list) : sys_setgroups(size, list))
#define capget(header, data) (unibin_ids ? unibin_ids_capget(header, data) : capget(header, data))
#define capset(header, data) (unibin_ids ? unibin_ids_capset(header, data) : capset(header, data))

/* Limits. */

VIEW_HOOK int ids_getrlimit(int resource, struct rlimit *limit)
{
    return unibin_ids && resource == RLIMIT_LOCKS ? unibin_ids_limit(0, NULL, limit)
                                                  : getrlimit(resource, limit);
}

VIEW_HOOK int ids_setrlimit(int resource, const struct rlimit *limit)
{
    return unibin_ids && resource == RLIMIT_LOCKS ? unibin_ids_limit(0, limit, NULL)
                                                  : setrlimit(resource, limit);
}

#ifdef TARGET_NR_prlimit64
VIEW_HOOK int ids_prlimit64(pid_t pid, int resource, const struct host_rlimit64 *new,
                            struct host_rlimit64 *old)
{
    struct rlimit before, after;
    int ret;

    if (!unibin_ids || resource != RLIMIT_LOCKS) {
        return sys_prlimit64(pid, resource, new, old);
    }
    if (new) {
        after = (struct rlimit) { new->rlim_cur, new->rlim_max };
    }
    ret = unibin_ids_limit(pid, new ? &after : NULL, &before);
    if (!ret && old) {
        *old = (struct host_rlimit64) { before.rlim_cur, before.rlim_max };
    }
    return ret;
}
#define sys_prlimit64(pid, resource, new, old) ids_prlimit64(pid, resource, new, old)
#endif

#define getrlimit(resource, limit) ids_getrlimit(resource, limit)
#define setrlimit(resource, limit) ids_setrlimit(resource, limit)

/* Files. */

#if defined(TARGET_NR_statx) && defined(__NR_statx)
VIEW_HOOK int ids_statx(int dirfd, const char *path, int flags, unsigned int mask, struct target_statx *stx)
{
    const unsigned int wanted = STATX_TYPE | STATX_MODE | STATX_UID | STATX_GID;
    struct stat st;
    ViewAt at;
    int ret;

    if (!unibin_ids) {
        return sys_statx(dirfd, path, flags, mask, stx);
    }
    if (unibin_view_at(&at, dirfd, path, VIEW_AT(flags))) {
        return -1;
    }
    /* Not through the view once more. */
    ret = (sys_statx)(at.fd, at.host, flags, mask | wanted, stx);
    if (!ret) {
        st = (struct stat) { .st_mode = stx->stx_mode, .st_uid = stx->stx_uid, .st_gid = stx->stx_gid };
        unibin_ids_show(at.fd, at.host, flags, &st);
        stx->stx_mode = st.st_mode;
        stx->stx_uid = st.st_uid;
        stx->stx_gid = st.st_gid;
    }
    return ret;
}
#undef sys_statx
#define sys_statx(dirfd, path, flags, mask, stx) ids_statx(dirfd, path, flags, mask, stx)
#endif

VIEW_HOOK int ids_fstatat(int dirfd, const char *path, struct stat *st, int flags)
{
    ViewAt at;

    if (!unibin_ids) {
        return view_fstatat(dirfd, path, st, flags);
    }
    return unibin_view_at(&at, dirfd, path, VIEW_AT(flags))
        ? -1 : unibin_ids_fstatat(at.fd, at.host, st, flags);
}

VIEW_ONE(int, ids_faccessat, (int dirfd, const char *path, int mode, int flags), dirfd, path,
         VIEW_AT(flags) | VIEW_ACCESS(mode), unibin_ids_faccessat(at.fd, at.host, mode, flags))
VIEW_ONE(int, ids_fchmodat, (int dirfd, const char *path, mode_t mode, int flags), dirfd, path,
         VIEW_AT(flags) | VIEW_WRITE, unibin_ids_fchmodat(at.fd, at.host, mode, flags))
VIEW_ONE(int, ids_fchmod, (int fd, mode_t mode), fd, "", VIEW_CHANGE, unibin_ids_fchmod(fd, mode))
VIEW_ONE(int, ids_fchownat, (int dirfd, const char *path, uid_t user, gid_t group, int flags), dirfd, path,
         VIEW_AT(flags) | VIEW_WRITE, unibin_ids_fchownat(at.fd, at.host, user, group, flags))
VIEW_ONE(int, ids_fchown, (int fd, uid_t user, gid_t group), fd, "", VIEW_CHANGE,
         unibin_ids_fchown(fd, user, group))
VIEW_ONE(int, ids_mkdirat, (int dirfd, const char *path, mode_t mode), dirfd, path, VIEW_MAKE,
         unibin_ids_mkdirat(at.fd, at.host, mode))
VIEW_ONE(int, ids_mknodat, (int dirfd, const char *path, mode_t mode, dev_t device), dirfd, path, VIEW_MAKE,
         unibin_ids_mknodat(at.fd, at.host, mode, device))

#undef stat
#undef lstat
#undef fstat
#undef fstatat
#undef access
#undef faccessat
#define stat(path, st) ids_fstatat(AT_FDCWD, path, st, 0)
#define lstat(path, st) ids_fstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW)
#define fstat(fd, st) (unibin_ids ? unibin_ids_fstatat(fd, "", st, AT_EMPTY_PATH) : view_fstat(fd, st))
#define fstatat(dirfd, path, st, flags) ids_fstatat(dirfd, path, st, flags)
#define access(path, mode) faccessat(AT_FDCWD, path, mode, 0)
#define faccessat(dirfd, path, mode, flags) \
    (unibin_ids ? view_ids_faccessat(dirfd, path, mode, flags) : view_faccessat(dirfd, path, mode, flags))

#undef chmod
#undef fchmod
#undef fchmodat
#undef chown
#undef lchown
#undef fchown
#undef fchownat
#define chmod(path, mode) \
    (unibin_ids ? view_ids_fchmodat(AT_FDCWD, path, mode, 0) : view_chmod(path, mode))
#define fchmod(fd, mode) (unibin_ids ? view_ids_fchmod(fd, mode) : view_fchmod(fd, mode))
#define fchmodat(dirfd, path, mode, flags) \
    (unibin_ids ? view_ids_fchmodat(dirfd, path, mode, flags) : view_fchmodat(dirfd, path, mode, flags))
#define chown(path, user, group) \
    (unibin_ids ? view_ids_fchownat(AT_FDCWD, path, user, group, 0) : view_chown(path, user, group))
#define lchown(path, user, group) \
    (unibin_ids ? view_ids_fchownat(AT_FDCWD, path, user, group, AT_SYMLINK_NOFOLLOW) \
                : view_lchown(path, user, group))
#define fchown(fd, user, group) \
    (unibin_ids ? view_ids_fchown(fd, user, group) : view_fchown(fd, user, group))
#define fchownat(dirfd, path, user, group, flags) \
    (unibin_ids ? view_ids_fchownat(dirfd, path, user, group, flags) \
                : view_fchownat(dirfd, path, user, group, flags))
#if defined(TARGET_NR_fchmodat2) && defined(__NR_fchmodat2)
#undef safe_fchmodat2
#define safe_fchmodat2(dirfd, path, mode, flags) \
    (unibin_ids ? view_ids_fchmodat(dirfd, path, mode, flags) : view_fchmodat2(dirfd, path, mode, flags))
#endif

#undef mkdir
#undef mkdirat
#undef mknod
#undef mknodat
#undef creat
#undef chroot
#define mkdir(path, mode) (unibin_ids ? view_ids_mkdirat(AT_FDCWD, path, mode) : view_mkdir(path, mode))
#define mkdirat(dirfd, path, mode) \
    (unibin_ids ? view_ids_mkdirat(dirfd, path, mode) : view_mkdirat(dirfd, path, mode))
#define mknod(path, mode, device) \
    (unibin_ids ? view_ids_mknodat(AT_FDCWD, path, mode, device) : view_mknod(path, mode, device))
#define mknodat(dirfd, path, mode, device) \
    (unibin_ids ? view_ids_mknodat(dirfd, path, mode, device) : view_mknodat(dirfd, path, mode, device))
#define chroot(path) ids_chroot(path)
#define creat(path, mode) ids_creat(path, mode)

VIEW_HOOK int ids_creat(const char *path, mode_t mode)
{
    const struct open_how_ver0 how = { .flags = O_CREAT | O_WRONLY | O_TRUNC, .mode = mode };
    ViewAt at;

    if (!unibin_ids) {
        return view_creat(path, mode);
    }
    return unibin_view_at(&at, AT_FDCWD, path, VIEW_OPEN | VIEW_CREATE | VIEW_WRITE)
        ? -1 : ids_open(at.fd, at.host, &how, false, true);
}

/* Programs that are started within may have no /proc. */
VIEW_HOOK int ids_chroot(const char *path)
{
    if (unibin_root && unibin_ids) {
        return unibin_ids_capable(CAP_SYS_CHROOT) ? unibin_root_chroot(path) : view_no_mounts();
    }
    if (!unibin_root) {
        unibin_exec_keep_self();
    }
    return unibin_ids ? unibin_ids_chroot(path) : view_chroot(path);
}

/* Attributes: there are none of ours. */

#ifdef CONFIG_ATTR
VIEW_ONE(ssize_t, ids_list, (const char *path, bool follow, char *list, size_t size), AT_FDCWD, path,
         follow ? 0 : VIEW_NOFOLLOW, unibin_ids_list(-1, at.host, follow, list, size))

VIEW_HOOK bool ids_hides(const char *name, int error)
{
    if (unibin_ids && unibin_ids_hides(name)) {
        errno = error;
        return true;
    }
    return false;
}

#undef listxattr
#undef llistxattr
#undef getxattr
#undef lgetxattr
#undef setxattr
#undef lsetxattr
#undef fsetxattr
#undef removexattr
#undef lremovexattr
#undef fremovexattr
#define listxattr(path, list, size) \
    (unibin_ids ? view_ids_list(path, true, list, size) : view_listxattr(path, list, size))
#define llistxattr(path, list, size) \
    (unibin_ids ? view_ids_list(path, false, list, size) : view_llistxattr(path, list, size))
#define flistxattr(fd, list, size) \
    (unibin_ids ? unibin_ids_list(fd, NULL, true, list, size) : flistxattr(fd, list, size))
#define getxattr(path, name, value, size) \
    (ids_hides(name, ENODATA) ? -1 : view_getxattr(path, name, value, size))
#define lgetxattr(path, name, value, size) \
    (ids_hides(name, ENODATA) ? -1 : view_lgetxattr(path, name, value, size))
#define fgetxattr(fd, name, value, size) (ids_hides(name, ENODATA) ? -1 : fgetxattr(fd, name, value, size))
#define setxattr(path, name, value, size, flags) \
    (ids_hides(name, EPERM) ? -1 : view_setxattr(path, name, value, size, flags))
#define lsetxattr(path, name, value, size, flags) \
    (ids_hides(name, EPERM) ? -1 : view_lsetxattr(path, name, value, size, flags))
#define fsetxattr(fd, name, value, size, flags) \
    (ids_hides(name, EPERM) ? -1 : view_fsetxattr(fd, name, value, size, flags))
#define removexattr(path, name) (ids_hides(name, ENODATA) ? -1 : view_removexattr(path, name))
#define lremovexattr(path, name) (ids_hides(name, ENODATA) ? -1 : view_lremovexattr(path, name))
#define fremovexattr(fd, name) (ids_hides(name, ENODATA) ? -1 : view_fremovexattr(fd, name))
#endif

#endif
