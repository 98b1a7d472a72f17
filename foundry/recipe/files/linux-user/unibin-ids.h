/*
 * Ids of users and groups that the emulator keeps itself, for `-ids`.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 * Copyright unibin's authors
 */
#ifndef LINUX_USER_UNIBIN_IDS_H
#define LINUX_USER_UNIBIN_IDS_H

#include <sys/resource.h>
#include <linux/capability.h>

/* Whether -ids was given. All else that is declared here is for that case. */
extern bool unibin_ids;

/* Whether the program has more rights than who started it: AT_SECURE. */
extern bool unibin_ids_secure;

void unibin_option_ids(const char *arg);

/* The option's value that gives the next program our ids; to be freed. */
char *unibin_ids_option(void);

/* What an execve of the open file makes of the ids. */
void unibin_ids_executed(int fd);

/* In the child after a fork. */
void unibin_ids_forked(void);

/* Ids of a thread that begins are those of the one that makes it; what they were is forgotten at its end. */
typedef struct Ids Ids;
Ids *unibin_ids_mine(void);
void unibin_ids_adopt(const Ids *ids);
void unibin_ids_forget(void);

/* Calls: each returns what the host's returns, with errno. */
typedef enum { IDS_USER, IDS_GROUP } IdsKind;
typedef enum { IDS_REAL, IDS_EFFECTIVE, IDS_SAVED, IDS_FILES, IDS_COUNT } IdsWhich;
uint32_t unibin_ids_get(IdsKind kind, IdsWhich which);
/* The same, or the host's where we keep none. */
static inline uint32_t unibin_ids_or(IdsKind kind, IdsWhich which, uint32_t hosts)
{
    return unibin_ids ? unibin_ids_get(kind, which) : hosts;
}
int unibin_ids_get_all(IdsKind kind, uint32_t *real, uint32_t *effective, uint32_t *saved);
int unibin_ids_set(IdsKind kind, uint32_t id);
int unibin_ids_set_two(IdsKind kind, uint32_t real, uint32_t effective);
int unibin_ids_set_all(IdsKind kind, uint32_t real, uint32_t effective, uint32_t saved);
uint32_t unibin_ids_set_files(IdsKind kind, uint32_t id);
int unibin_ids_getgroups(int size, gid_t *list);
int unibin_ids_setgroups(int size, const gid_t *list);
int unibin_ids_capget(struct __user_cap_header_struct *header, struct __user_cap_data_struct *data);
int unibin_ids_capset(struct __user_cap_header_struct *header, const struct __user_cap_data_struct *data);

/* False: this call is not about ids. */
bool unibin_ids_prctl(long option, unsigned long arg2, unsigned long arg3, unsigned long arg4,
                      unsigned long arg5, int *ret);

/* The limit that tells other processes of our ids, as if nobody used it; `old` and `new` may be NULL. */
int unibin_ids_limit(pid_t pid, const struct rlimit *new, struct rlimit *old);

bool unibin_ids_capable(int capability);
bool unibin_ids_in_group(uint32_t group);

/* The effective ids of a process. False: it keeps none, or nobody can tell. */
bool unibin_ids_of(pid_t pid, uint32_t *user, uint32_t *group);

/* What a peer on a socket is told of as; and of whom a message may say that it is from. */
void unibin_ids_peer(struct ucred *peer);
bool unibin_ids_send(struct ucred *as);

/* Lines of /proc/PID/status, with our ids in them; to be freed. */
char *unibin_ids_status(pid_t pid, const char *text);

/* unibin-ids-files.c: calls about files. */
int unibin_ids_fstatat(int dirfd, const char *path, struct stat *st, int flags);
int unibin_ids_fchownat(int dirfd, const char *path, uid_t user, gid_t group, int flags);
int unibin_ids_fchown(int fd, uid_t user, gid_t group);
int unibin_ids_fchmodat(int dirfd, const char *path, mode_t mode, int flags);
int unibin_ids_fchmod(int fd, mode_t mode);
int unibin_ids_faccessat(int dirfd, const char *path, int mode, int flags);
int unibin_ids_mkdirat(int dirfd, const char *path, mode_t mode);
int unibin_ids_mknodat(int dirfd, const char *path, mode_t mode, dev_t device);
int unibin_ids_chroot(const char *path);

/* Corrects what the kernel says of a file. */
void unibin_ids_show(int dirfd, const char *path, int flags, struct stat *st);

/* A file has just been made; `fd`: it is open, or -1; `unnamed`: `path` is its directory. */
void unibin_ids_made(int fd, int dirfd, const char *path, bool unnamed);

/* A file has been opened: the descriptor to give to the program in its place. */
int unibin_ids_opened(int fd, const char *path);

/* Whether it is one of our attributes, which no program sees. */
bool unibin_ids_hides(const char *name);
/* listxattr and its like (`fd` or `path`), without them. */
ssize_t unibin_ids_list(int fd, const char *path, bool follow, char *list, size_t size);

#endif
