/*
 * The union view: a tree of files laid over the host's root, for `-view TREE`.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 * Copyright unibin's authors
 */
#ifndef LINUX_USER_UNIBIN_VIEW_H
#define LINUX_USER_UNIBIN_VIEW_H

#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>

/* What a call is going to do with a path. */
enum {
    /* A link that is the last name is not followed, unless a slash is behind it. */
    VIEW_NOFOLLOW = 1,
    /* The last name itself is made or removed: it is never followed. */
    VIEW_NAME = 2,
    /* The file is changed. */
    VIEW_WRITE = 4,
    /* The name may be made; with VIEW_NAME it must not exist. */
    VIEW_CREATE = 8,
    /* The name goes away: of a file, of a directory, or by renaming. */
    VIEW_UNLINK = 16,
    VIEW_RMDIR = 32,
    VIEW_RENAME = 64,
    /* The file gets one more name. */
    VIEW_LINK = 128,
    /* It is opened: what is wrong with a directory then, the kernel says. */
    VIEW_OPEN = 256,
    /* It is opened for a file without a name (O_TMPFILE). */
    VIEW_UNNAMED = 512,
    /* An empty path means the descriptor itself. */
    VIEW_EMPTY = 1024,
    /* The caller has no links followed and asks again where that fails; see `unproved`. */
    VIEW_TRY = 2048,
    /* ELOOP where a link, or one that only /proc has, would be followed. */
    VIEW_NO_LINKS = 4096,
    VIEW_NO_MAGIC = 8192,
    /* `name` is to be the whole virtual path, without links. */
    VIEW_WHOLE = 16384,
};

/* Where a path leads. */
typedef struct {
    /* What the host's call gets. */
    int fd;
    const char *host;
    /* The virtual path, where the path was walked; never longer than PATH_MAX. */
    char *name;
    /* It is the tree's. */
    bool tree;
    /* It lies below /proc. */
    bool proc;
    /* The host's kernel would take the original path for the same file. */
    bool same;
    /*
     * With VIEW_TRY: holds if no link is on the way. `single`: it is one name. `directory`: holds only for a
     * directory, and if there is none, nothing is known. `sure`: that it is missing is known even for a name
     * to be made.
     */
    bool unproved, single, directory, sure;
    char buffer[2 * PATH_MAX + 4];
    char other[PATH_MAX + NAME_MAX];
} ViewAt;

/* The real path of the tree, or of the root of -root; NULL: there is no view. */
extern const char *unibin_view_tree;

/* The view is that of -root: see unibin-root.c. */
extern bool unibin_root;

/* The option -view. */
void unibin_option_view(const char *arg);

/* Leaves the view, after the process has another root. */
void unibin_view_leave(void);

/* Where `path`, relative to `dirfd`, leads. 0, or -1 and errno. */
int unibin_view_at(ViewAt *at, int dirfd, const char *path, int how);

/*
 * After unibin_view_at with VIEW_TRY, for the same path: a descriptor (O_PATH) if one was got on the way, to
 * be closed by the caller; -1 and errno; or -2: `at` says where it leads.
 */
int unibin_view_pin(ViewAt *at, int dirfd, const char *path, int how);

/* Opens without following a link: as openat2 does with RESOLVE_NO_SYMLINKS. ENOSYS: cannot be had here. */
int unibin_view_open_unlinked(int dirfd, const char *path, int flags);

/* A path for the emulator's own reading. */
int unibin_view_open(const char *path);

/* The virtual path of a program, without links. */
void unibin_view_real_path(const char *path, char *real_path);

/*
 * What the application gets for a path of the host's, and its length; the buffer has room for PATH_MAX, and
 * nothing need end the text.
 */
ssize_t unibin_view_shown(char *path, ssize_t length);
const char *unibin_view_show(const char *path);

/* What is behind `/proc/self/`, in whatever way this process is named; NULL: it is something else. */
const char *unibin_view_behind_self(const char *path);

/* Whether a descriptor is the tree's, or another one's that cannot be changed. */
bool unibin_view_has(int fd);

/* getdents64, and lseek for its offsets. */
ssize_t unibin_view_getdents64(int fd, void *buffer, size_t size);
off_t unibin_view_lseek(int fd, off_t offset, int whence);

/* The device that a directory is said to be on; `device`: the one that it is on. */
dev_t unibin_view_device(const ViewAt *at, dev_t device);

/* unibin-root.c: the option -root, and what the functions above do with it. */
void unibin_option_root(const char *arg);
int unibin_root_at(ViewAt *at, int dirfd, const char *path, int how);
ssize_t unibin_root_shown(char *path, ssize_t length);
const char *unibin_root_show(const char *path);

/* Whether a descriptor is one of a file that the root has, and that cannot be written. */
bool unibin_root_forbids(int fd);

/* Whether two paths lie in different binds, or one of them in none: no file gets from one to the other. */
bool unibin_root_crosses(const ViewAt *from, const ViewAt *to);

/* chroot(2), for a process that may. */
int unibin_root_chroot(const char *path);

/* The values of the option that give the next program our root, by number; to be freed. NULL: no more. */
char *unibin_root_option(unsigned int number);

#endif
