/*
 * vfork, and clone with CLONE_VFORK: a child whose writes to memory come back, for `-children on`.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 * Copyright unibin's authors
 */
#ifndef LINUX_USER_UNIBIN_VFORK_H
#define LINUX_USER_UNIBIN_VFORK_H

typedef struct Vfork Vfork;

/* Whether this process is such a child and its memory is watched. */
extern bool unibin_vfork_watched;

/* Whether all this works here; if not, a vfork is a fork. */
bool unibin_vfork_works(void);

/* Before the fork; `memory`: the child is to share ours. NULL: no memory. */
Vfork *unibin_vfork_begin(bool memory);

/*
 * Before and after the fork, in parent and child: keeps large regions out of it. No other thread can fork
 * meanwhile.
 */
void unibin_vfork_hold_back(Vfork *vfork);
void unibin_vfork_release(Vfork *vfork);

/* The guest itself uses MADV_WIPEONFORK, which holding back would undo. */
void unibin_vfork_guest_wipes(void);

/* Before a child forks or starts a thread: gets all that was held back. */
void unibin_vfork_settle(void);

/* In the child, after every fork; NULL: a usual one. */
void unibin_vfork_child(Vfork *vfork);

/* In the parent: waits until the child has executed a program or has ended, and takes over what it wrote. */
void unibin_vfork_parent(Vfork *vfork, pid_t child);

/* Hands what was written so far to the parent: before the child executes a program, and before it ends. */
void unibin_vfork_publish(void);

/* An access to the page at `address` failed for want of a right. True: it is to be tried again. */
bool unibin_vfork_fault(abi_ulong address, bool write);

/* The emulator, or the host's kernel for it, is going to read or write there. */
void unibin_vfork_touch(abi_ulong address, size_t size, bool write);

/* A system call that has to do with memory is going to be made. */
void unibin_vfork_calling(int num, abi_long arg1, abi_long arg2, abi_long arg5);

/* A system call that changes mappings has been made. */
void unibin_vfork_called(int num, abi_long ret, abi_long arg1, abi_long arg2, abi_long arg3, abi_long arg4);

#endif
