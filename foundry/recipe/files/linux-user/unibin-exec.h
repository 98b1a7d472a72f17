/*
 * Programs that a program starts: execve and execveat, for `-children on`.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 * Copyright unibin's authors
 */
#ifndef LINUX_USER_UNIBIN_EXEC_H
#define LINUX_USER_UNIBIN_EXEC_H

/* Whether `-children on` was given. All else that is declared here is for that case. */
extern bool unibin_children;

/* Options: -children, -also, -native-by, -exec-fd, -self-fd. */
void unibin_option_children(const char *arg);
void unibin_option_also(const char *arg);
void unibin_option_native_by(const char *arg);
void unibin_option_exec_fd(const char *arg);
void unibin_option_self_fd(const char *arg);

/* Before a chroot: programs that are started later may find no /proc in which this program is. */
void unibin_exec_keep_self(void);

/* Whether it is the descriptor that this needs, which is not the guest's; and how it gets that number. */
bool unibin_exec_holds(int fd);
void unibin_exec_give_way(int fd);

/* close_range without that one. */
int unibin_exec_close_range(unsigned int first, unsigned int last, int flags);

/*
 * Whether these arguments were put together by unibin_execve; they say everything that the environment could.
 */
bool unibin_is_continued(int argc, char **argv);

/* Whether unibin_execve has started this program. */
bool unibin_exec_is_continued(void);

/* Notes an option (with its value, or NULL) for the programs to come. */
void unibin_keep_option(const char *name, const char *value);

/*
 * The file to load, or -1 if it is to be opened by its path; in the former case sets its path as the kernel
 * knows it.
 */
int unibin_exec_file(char *real_path);

/* Gives the process the name of its program (`comm`). */
void unibin_name_process(const char *path);

/* execve (with `at` execveat) of the guest's. Returns as safe_execve does: -1 and errno, or not at all. */
int unibin_execve(int dirfd, const char *path, char **argv, char **envp, int flags, bool at);

/*
 * signal.c: sets what a new program inherits as the guest has it (`exec`), or back; `native`: for a program
 * of the host.
 */
void unibin_signals_for_exec(bool exec, bool native);

#endif
