/*
 * vfork, and clone with CLONE_VFORK: a child whose writes to memory come back, for `-children on`.
 *
 * A child that shares the emulator's own memory could be killed while it holds a lock or changes a list, and
 * the parent could not go on. So the child is a fork, with an emulator of its own. Its guest memory is
 * write-protected at first; the first write to a page keeps a copy of it. Before the child executes a
 * program, and before it ends, it hands over both states of each such page, in memory that is shared with the
 * parent. The parent waits for this and takes over the bytes that differ, and the mappings. So what a child
 * writes is seen as if memory were shared, but by other threads of the parent only when the child is done.
 * Where there are other threads, mappings may have changed meanwhile: of a child that has changed some too,
 * nothing is taken over then, as after a fork.
 *
 * Large regions are not copied at all, and come from the waiting parent as the child needs them: most
 * children need a few pages, and to copy the page tables of a large heap takes long.
 *
 * The parent is woken by the kernel: a futex on the child's list of robust ones is released when the child
 * executes a program or ends, however that happens. No descriptor is needed, so the guest cannot close it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 * Copyright unibin's authors
 */
#include "qemu/osdep.h"
#include <linux/futex.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "qemu/units.h"
#include "qemu/host-utils.h"
#include "qemu.h"
#include "user-internals.h"
#include "user-mmap.h"
#include "user/guest-base.h"
#include "user/page-protection.h"
#include "exec/page-protection.h"
#include "exec/cpu-common.h"
#include "hw/core/cpu.h"
#include "unibin-vfork.h"

/* How much memory there is for pages, and for how many changes of mappings. */
#define PAGES_MOST (64 * MiB)
#define PAGES_LEAST (1 * MiB)
#define CHANGES 512
/* Regions of this size come piece by piece. */
#define FAR_LEAST (16 * MiB)
#define FAR_RANGES 64
#define PIECE (64 * KiB)

/* How long the parent waits for a sign of life, before the kernel watches the child for it. */
#define FIRST_WAIT_NS 5000000

typedef enum { BREAK, MAP, UNMAP, PROTECT } Kind;

/* A change of mappings, for the parent to make too. */
typedef struct {
    Kind kind;
    bool fixed;
    int prot;
    abi_ulong start, size;
} Change;

typedef enum { UNKNOWN, PRIVATE, SHARED } Sharing;

/* A region that the child has not got; whole pieces. */
typedef struct {
    abi_ulong start, size;
    size_t first_piece;
} Far;

typedef struct {
    abi_ulong address;
    uint8_t sharing;
    /* Whether there was something to read when it was handed over. */
    bool readable;
} Page;

/* Lies in memory shared by parent and child, followed by the pages' states before and after. */
struct Vfork {
    size_t size, page_size;
    bool memory;
    /* Whether the parent has one thread only, so that nothing changes while it waits. */
    bool alone;
    /* More has changed than is kept: the parent takes over nothing, as after a fork. */
    bool too_much;
    /*
     * The child's thread number once the kernel watches it. FUTEX_OWNER_DIED beside it: the child asks for a
     * piece. FUTEX_OWNER_DIED alone: the child is done.
     */
    uint32_t futex;
    struct robust_list_head head;
    struct robust_list link;
    /* How many pages are noted; how many were handed over. */
    uint32_t pages, handed;
    uint32_t pages_most, changes, changes_handed;
    uint8_t *before, *after;
    /* The piece that is wanted, whether it has come, and what it contains. */
    pid_t parent, parent_thread;
    abi_ulong wanted;
    uint32_t come;
    uint8_t *piece;
    size_t pieces;
    uint32_t fars;
    Far far[FAR_RANGES];
    Change change[CHANGES];
    Page page[];
};

bool unibin_vfork_watched;
static Vfork *current;
/* Which pages are noted: numbers of `page`, plus one, by a hash of the address. */
static uint32_t *noted;
static size_t noted_size;
static int noting;
static bool guest_wipes;
/* The end of the heap after the last change. */
static abi_ulong last_break;
/* Which pieces have come. */
static uint8_t *pieces_here;

static long futex(uint32_t *word, int op, uint32_t value, const struct timespec *timeout)
{
    return syscall(__NR_futex, word, op, value, timeout, NULL, 0);
}

bool unibin_vfork_works(void)
{
    static int works;
    struct robust_list_head *head;
    size_t size;

    /* A filter may refuse these calls; then nobody would tell the parent that the child is done. */
    if (!works) {
        works = !syscall(__NR_get_robust_list, 0, &head, &size)
                && !syscall(__NR_set_robust_list, head, size) ? 1 : -1;
    }
    return works > 0;
}

Vfork *unibin_vfork_begin(bool memory)
{
    size_t page_size = MAX(qemu_real_host_page_size(), TARGET_PAGE_SIZE);

    for (size_t most = PAGES_MOST; most >= PAGES_LEAST; most /= 2) {
        size_t pages = memory ? MAX(most / 2 / page_size, 1) : 0;
        size_t table = ROUND_UP(sizeof(Vfork) + pages * sizeof(Page), page_size);
        size_t size = table + 2 * pages * page_size + PIECE;
        Vfork *vfork = mmap(NULL, size, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (vfork != MAP_FAILED) {
            vfork->size = size;
            vfork->page_size = page_size;
            vfork->memory = memory;
            vfork->alone = !CPU_NEXT(first_cpu);
            vfork->pages_most = pages;
            vfork->before = (uint8_t *)vfork + table;
            vfork->after = vfork->before + pages * page_size;
            vfork->piece = vfork->after + pages * page_size;
            vfork->parent = getpid();
            vfork->parent_thread = syscall(__NR_gettid);
            vfork->futex = FUTEX_WAITERS;
            return vfork;
        }
    }
    return NULL;
}

void unibin_vfork_guest_wipes(void)
{
    guest_wipes = true;
}

static int hold_back_region(void *opaque, target_ulong start, target_ulong end, unsigned long flags)
{
    Vfork *vfork = opaque;
    abi_ulong first = ROUND_UP(start, PIECE);
    abi_ulong size = end > first ? ROUND_DOWN(end - first, PIECE) : 0;

    /* Pages with code are protected, and so made readable, by the translator before it reads them. */
    if (end - start >= FAR_LEAST && vfork->fars < FAR_RANGES
        && (flags & PAGE_RWX) == (PAGE_READ | PAGE_WRITE)) {
        /* The kernel refuses this for memory that is shared or of a file. */
        if (madvise(g2h_untagged(first), size, MADV_WIPEONFORK)) {
            madvise(g2h_untagged(first), size, MADV_KEEPONFORK);
            return 0;
        }
        vfork->far[vfork->fars++] = (Far) { .start = first, .size = size, .first_piece = vfork->pieces };
        vfork->pieces += size / PIECE;
    }
    return 0;
}

void unibin_vfork_hold_back(Vfork *vfork)
{
    start_exclusive();
    if (vfork->memory && !guest_wipes) {
        walk_memory_regions(vfork, hold_back_region);
    }
}

void unibin_vfork_release(Vfork *vfork)
{
    for (uint32_t i = 0; i < vfork->fars; i++) {
        madvise(g2h_untagged(vfork->far[i].start), vfork->far[i].size, MADV_KEEPONFORK);
    }
    end_exclusive();
}

/*
 * Where it is noted that the piece with this address has come; NULL: the address is of none that has to come.
 */
static uint8_t *place_of_piece(abi_ulong address)
{
    for (uint32_t i = 0; i < current->fars; i++) {
        Far *far = &current->far[i];
        if (address - far->start < far->size) {
            return &pieces_here[far->first_piece + (address - far->start) / PIECE];
        }
    }
    return NULL;
}

/* Gets a piece from the parent, if that is to be done. */
static bool fetch(abi_ulong address)
{
    const struct timespec wait = { 1, 0 };
    Vfork *vfork = current;
    uint8_t *here = place_of_piece(address);
    abi_ulong start = address & -(abi_ulong)PIECE;

    if (!here || *here) {
        return false;
    }
    vfork->wanted = start;
    qatomic_set(&vfork->come, 0);
    qatomic_or(&vfork->futex, FUTEX_OWNER_DIED);
    futex(&vfork->futex, FUTEX_WAKE, INT_MAX, NULL);
    while (!qatomic_load_acquire(&vfork->come)) {
        if (futex(&vfork->come, FUTEX_WAIT, 0, &wait) && errno == ETIMEDOUT
            && syscall(__NR_tgkill, vfork->parent, vfork->parent_thread, 0) && errno == ESRCH) {
            /* Nobody has our memory any more. */
            kill(getpid(), SIGKILL);
        }
    }
    if (!mprotect(g2h_untagged(start), PIECE, PROT_READ | PROT_WRITE)) {
        memcpy(g2h_untagged(start), vfork->piece, PIECE);
        mprotect(g2h_untagged(start), PIECE, PROT_READ);
    }
    *here = 1;
    return true;
}

static void fetch_range(abi_ulong start, abi_ulong size)
{
    for (uint32_t i = 0; size && i < current->fars; i++) {
        Far *far = &current->far[i];
        abi_ulong from = MAX(start, far->start) & -(abi_ulong)PIECE;
        abi_ulong last = MIN(start + (size - 1), far->start + (far->size - 1));

        for (abi_ulong at = from; far->size && at <= last; at += PIECE) {
            fetch(at);
        }
    }
}

void unibin_vfork_settle(void)
{
    for (uint32_t i = 0; i < current->fars; i++) {
        fetch_range(current->far[i].start, current->far[i].size);
    }
    current->fars = 0;
}

/* In the parent: puts the wanted piece together, as far as it is still there. */
static void give(Vfork *vfork)
{
    abi_ulong step = TARGET_PAGE_SIZE;

    mmap_lock();
    for (size_t at = 0; at < PIECE; at += step) {
        if (page_get_flags(vfork->wanted + at) & PAGE_READ) {
            memcpy(vfork->piece + at, g2h_untagged(vfork->wanted + at), step);
        } else {
            memset(vfork->piece + at, 0, step);
        }
    }
    mmap_unlock();
}

static int protect_region(void *opaque, target_ulong start, target_ulong end, unsigned long flags)
{
    size_t page_size = qemu_real_host_page_size();
    uintptr_t first, last;

    if ((flags & PAGE_READ) && (flags & PAGE_WRITE)) {
        first = ROUND_DOWN((uintptr_t)g2h_untagged(start), page_size);
        last = ROUND_UP((uintptr_t)g2h_untagged(end - 1) + 1, page_size);
        mprotect((void *)first, last - first, opaque ? PROT_READ | PROT_WRITE : PROT_READ);
    }
    return 0;
}

static void free_pieces(void)
{
    g_free(pieces_here);
    pieces_here = NULL;
}

void unibin_vfork_child(Vfork *vfork)
{
    bool was_watched = unibin_vfork_watched;

    /* The list of the fork's parent, should that be such a child as well, is not ours. */
    if (current) {
        munmap(current, current->size);
        if (noted) {
            munmap(noted, noted_size * sizeof(*noted));
        }
        free_pieces();
    }
    current = vfork;
    noted = NULL;
    unibin_vfork_watched = false;
    noting = 0;
    if (!vfork) {
        if (was_watched) {
            walk_memory_regions(&current, protect_region);
        }
        return;
    }
    unibin_vfork_release(vfork);
    vfork->link.next = &vfork->head.list;
    vfork->head.list.next = &vfork->link;
    vfork->head.futex_offset = (long)((char *)&vfork->futex - (char *)&vfork->link);
    vfork->head.list_op_pending = NULL;
    if (vfork->memory) {
        noted_size = pow2ceil(2 * vfork->pages_most);
        noted = mmap(NULL, noted_size * sizeof(*noted), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (noted == MAP_FAILED) {
            _exit(127);
        } else {
            walk_memory_regions(NULL, protect_region);
            for (uint32_t i = 0; i < vfork->fars; i++) {
                mprotect(g2h_untagged(vfork->far[i].start), vfork->far[i].size, PROT_NONE);
            }
            pieces_here = g_malloc0(vfork->pieces + 1);
            last_break = do_brk(0);
            unibin_vfork_watched = true;
        }
    }
    syscall(__NR_set_robust_list, &vfork->head, sizeof(vfork->head));
    qatomic_set(&vfork->futex, FUTEX_WAITERS | (uint32_t)syscall(__NR_gettid));
    futex(&vfork->futex, FUTEX_WAKE, INT_MAX, NULL);
}

/* The place of a page in `noted`: its own, or a free one. */
static uint32_t *place_of(abi_ulong address)
{
    size_t at = (address / current->page_size * 0x9e3779b97f4a7c15ull) >> 20;

    for (;; at++) {
        uint32_t *place = &noted[at & (noted_size - 1)];
        if (!*place || current->page[*place - 1].address == address) {
            return place;
        }
    }
}

/* Notes a page before it is written to. */
static void note(abi_ulong address, bool fresh)
{
    Vfork *vfork = current;
    size_t size = vfork->page_size;
    uint32_t *place;
    sigset_t all, old;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old);
    while (qatomic_xchg(&noting, 1)) {
        sched_yield();
    }
    place = place_of(address);
    if (!*place && vfork->pages < vfork->pages_most) {
        if (!fresh) {
            memcpy(vfork->before + vfork->pages * size, g2h_untagged(address), size);
        }
        vfork->page[vfork->pages] = (Page) { .address = address, .sharing = fresh ? PRIVATE : UNKNOWN };
        *place = ++vfork->pages;
    } else if (!*place) {
        vfork->too_much = true;
    } else if (fresh) {
        memset(vfork->before + (*place - 1) * size, 0, size);
        vfork->page[*place - 1].sharing = PRIVATE;
    }
    qatomic_set(&noting, 0);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

/* Notes a page, and lifts our protection. False: the page is protected for another reason. */
static bool release(abi_ulong address)
{
    size_t size = current->page_size;
    abi_ulong start = address & -(abi_ulong)size;
    int flags = page_get_flags(address);

    if (!(flags & (PAGE_WRITE | PAGE_WRITE_ORG)) || !(flags & PAGE_READ)) {
        return false;
    }
    note(start, false);
    return (flags & PAGE_WRITE) && !mprotect(g2h_untagged(start), size, PROT_READ | PROT_WRITE);
}

bool unibin_vfork_fault(abi_ulong address, bool write)
{
    if ((page_get_flags(address) & PAGE_READ) && fetch(address)) {
        return true;
    }
    return write && release(address);
}

void unibin_vfork_touch(abi_ulong address, size_t size, bool write)
{
    abi_ulong step = current->page_size;
    abi_ulong last = address + size - 1;

    fetch_range(address, size);
    if (!write) {
        return;
    }

    for (abi_ulong at = address & -step; size && at <= last; at += step) {
        if (!*place_of(at)) {
            release(MAX(at, address));
        }
        if (at + step < at) {
            break;
        }
    }
}

/* Finds out which of the pages that are new since the last time belong to shared mappings. */
static void find_shared(Vfork *vfork)
{
    char buffer[16384];
    size_t have = 0;
    ssize_t got;
    bool any = false;
    int fd;

    for (uint32_t i = vfork->handed; i < vfork->pages; i++) {
        any |= vfork->page[i].sharing == UNKNOWN;
    }
    if (!any) {
        return;
    }
    fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && (got = read(fd, buffer + have, sizeof(buffer) - 1 - have)) > 0) {
        char *line = buffer, *end;

        have += got;
        buffer[have] = '\0';
        while ((end = memchr(line, '\n', buffer + have - line))) {
            char *rest;
            uintptr_t from = strtoull(line, &rest, 16);
            uintptr_t to = strtoull(rest + 1, &rest, 16);
            bool shared = rest[4] == 's';

            for (uint32_t i = vfork->handed; shared && i < vfork->pages; i++) {
                uintptr_t at = (uintptr_t)g2h_untagged(vfork->page[i].address);
                if (at >= from && at < to && vfork->page[i].sharing == UNKNOWN) {
                    vfork->page[i].sharing = SHARED;
                }
            }
            line = end + 1;
        }
        have = buffer + have - line;
        memmove(buffer, line, have);
    }
    if (fd >= 0) {
        close(fd);
    }
    for (uint32_t i = vfork->handed; i < vfork->pages; i++) {
        if (vfork->page[i].sharing == UNKNOWN) {
            vfork->page[i].sharing = PRIVATE;
        }
    }
}

void unibin_vfork_publish(void)
{
    Vfork *vfork = current;
    uint32_t pages;

    if (!unibin_vfork_watched) {
        return;
    }
    find_shared(vfork);
    pages = vfork->pages;
    for (uint32_t i = 0; i < pages; i++) {
        Page *page = &vfork->page[i];

        page->readable = page->sharing == PRIVATE && (page_get_flags(page->address) & PAGE_READ);
        if (page->readable) {
            memcpy(vfork->after + i * vfork->page_size, g2h_untagged(page->address), vfork->page_size);
        }
    }
    qatomic_store_release(&vfork->changes_handed, vfork->changes);
    qatomic_store_release(&vfork->handed, pages);
}

static void add_change(Kind kind, abi_ulong start, abi_ulong size, int prot, bool fixed)
{
    uint32_t last = current->changes;

    if (last && kind == BREAK && current->change[last - 1].kind == BREAK && last > current->changes_handed) {
        current->changes = --last;
    }
    if (last == CHANGES) {
        current->too_much = true;
        return;
    }
    current->change[current->changes++] = (Change) {
        .kind = kind, .start = start, .size = size, .prot = prot, .fixed = fixed,
    };
}

/*
 * Watches a range whose pages may be writable since a moment ago. `fresh`: it has other contents than before,
 * so all that it will contain is new to the parent; `whole`: it has contents already.
 */
static void watch_range(abi_ulong start, abi_ulong size, bool fresh, bool whole)
{
    abi_ulong step = current->page_size;
    abi_ulong at = start & -step;
    abi_ulong end = ROUND_UP(start + size, step);
    abi_ulong run = at;

    for (; size && at < end; at += step) {
        int flags = page_get_flags(at);

        if (*place_of(at) ? fresh : whole) {
            note(at, true);
        }
        if (*place_of(at) || !(flags & PAGE_READ) || !(flags & PAGE_WRITE)) {
            if (run < at) {
                mprotect(g2h_untagged(run), at - run, PROT_READ);
            }
            run = at + step;
        }
    }
    if (run < at) {
        mprotect(g2h_untagged(run), at - run, PROT_READ);
    }
}

static void mapped(abi_ulong start, abi_ulong size, int prot, int flags)
{
    bool anonymous = flags & TARGET_MAP_ANONYMOUS;

    if ((flags & 0x0f) == TARGET_MAP_PRIVATE) {
        add_change(MAP, start, size, prot, flags & TARGET_MAP_FIXED);
        watch_range(start, size, true, !anonymous && (prot & PROT_READ));
    }
}

void unibin_vfork_calling(int num, abi_long arg1, abi_long arg2, abi_long arg5)
{
    abi_ulong start = cpu_untagged_addr(thread_cpu, arg1);

    if (!current->fars) {
        return;
    }
    switch (num) {
    case TARGET_NR_brk:
        if (start && start < last_break) {
            fetch_range(start, last_break - start);
        }
        break;
#ifdef TARGET_NR_mmap
    case TARGET_NR_mmap:
#ifdef TARGET_ARCH_WANT_SYS_OLD_MMAP
        {
            abi_ulong *list = lock_user(VERIFY_READ, arg1, 6 * sizeof(abi_ulong), 1);
            if (list) {
                fetch_range(tswapal(list[0]), tswapal(list[1]));
                unlock_user(list, arg1, 0);
            }
        }
        break;
#endif
#endif
#ifdef TARGET_NR_mmap2
    case TARGET_NR_mmap2:
#endif
    case TARGET_NR_munmap:
    case TARGET_NR_mprotect:
#ifdef TARGET_NR_mremap
    case TARGET_NR_mremap:
#endif
    case TARGET_NR_madvise:
#ifdef TARGET_NR_msync
    case TARGET_NR_msync:
#endif
#ifdef TARGET_NR_mlock
    case TARGET_NR_mlock:
#endif
        fetch_range(start, arg2);
        break;
#ifdef TARGET_NR_futex
    case TARGET_NR_futex:
#endif
#ifdef TARGET_NR_futex_time64
    case TARGET_NR_futex_time64:
#endif
        /* The host's kernel gets these addresses without lock_user. */
        fetch_range(start, 4);
        fetch_range(cpu_untagged_addr(thread_cpu, arg5), 4);
        break;
    }
}

/* Whether an address of the guest lies in a shared mapping. */
static bool is_shared(abi_ulong address)
{
    uintptr_t at = (uintptr_t)g2h_untagged(address);
    g_autofree char *maps = NULL;
    bool shared = false;

    g_file_get_contents("/proc/self/maps", &maps, NULL, NULL);
    for (char *line = maps; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        char *rest;
        uintptr_t from = strtoull(line, &rest, 16);
        uintptr_t to = strtoull(rest + 1, &rest, 16);

        if (at >= from && at < to) {
            shared = rest[4] == 's';
        }
    }
    return shared;
}

void unibin_vfork_called(int num, abi_long ret, abi_long arg1, abi_long arg2, abi_long arg3, abi_long arg4)
{
    abi_ulong start = cpu_untagged_addr(thread_cpu, arg1);

    if (is_error(ret)) {
        return;
    }
    switch (num) {
    case TARGET_NR_brk:
        if (ret == last_break) {
            break;
        }
        add_change(BREAK, ret, 0, 0, false);
        if (ret > last_break) {
            watch_range(last_break, ret - last_break, false, false);
        }
        last_break = ret;
        break;
#ifdef TARGET_NR_mmap
    case TARGET_NR_mmap:
#ifdef TARGET_ARCH_WANT_SYS_OLD_MMAP
        {
            abi_ulong *list = lock_user(VERIFY_READ, arg1, 6 * sizeof(abi_ulong), 1);
            if (list) {
                mapped(ret, tswapal(list[1]), tswapal(list[2]), tswapal(list[3]));
                unlock_user(list, arg1, 0);
            }
        }
#else
        mapped(ret, arg2, arg3, arg4);
#endif
        break;
#endif
#ifdef TARGET_NR_mmap2
    case TARGET_NR_mmap2:
        mapped(ret, arg2, arg3, arg4);
        break;
#endif
    case TARGET_NR_munmap:
        add_change(UNMAP, start, arg2, 0, false);
        break;
    case TARGET_NR_mprotect:
        add_change(PROTECT, start, arg2, arg3, false);
        watch_range(start, arg2, false, false);
        break;
#ifdef TARGET_NR_mremap
    case TARGET_NR_mremap:
        if (is_shared(ret)) {
            /* What the parent could make in its place is a copy. */
            current->too_much = true;
            break;
        }
        add_change(UNMAP, start, arg2, 0, false);
        add_change(MAP, ret, arg3, PROT_READ | PROT_WRITE, true);
        watch_range(ret, arg3, true, true);
        break;
#endif
    }
}

/*
 * Makes the child's changes of mappings, in the child's order. `contents`: all is writable until the contents
 * are there; else the protections are set.
 */
static void change_mappings(Vfork *vfork, uint32_t changes, bool contents)
{
    int more = contents ? PROT_READ | PROT_WRITE : 0;

    for (uint32_t i = 0; i < changes; i++) {
        Change *change = &vfork->change[i];
        int prot = (change->prot & (PROT_READ | PROT_WRITE | PROT_EXEC)) | more;

        if (change->kind == PROTECT || (change->kind == MAP && !contents)) {
            target_mprotect(change->start, change->size, prot);
        } else if (!contents) {
            continue;
        } else if (change->kind == BREAK) {
            do_brk(change->start);
        } else if (change->kind == MAP) {
            target_mmap(change->start, change->size, prot,
                        MAP_PRIVATE | MAP_ANONYMOUS
                        | (change->fixed ? MAP_FIXED : MAP_FIXED_NOREPLACE), -1, 0);
        } else {
            target_munmap(change->start, change->size);
        }
    }
}

static void take_page(Vfork *vfork, uint32_t number)
{
    size_t size = vfork->page_size;
    const uint8_t *before = vfork->before + number * size;
    const uint8_t *after = vfork->after + number * size;
    uint8_t *now;

    if (!vfork->page[number].readable || !memcmp(before, after, size)) {
        return;
    }
    now = lock_user(VERIFY_WRITE, vfork->page[number].address, size, true);
    for (size_t i = 0; now && i < size; i++) {
        if (before[i] != after[i]) {
            now[i] = after[i];
        }
    }
    unlock_user(now, vfork->page[number].address, size);
}

/* Whether the child has ended, by itself or because nobody wants to know. */
static bool is_gone(pid_t child)
{
    siginfo_t info = { .si_pid = 0 };

    return waitid(P_PID, child, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) || info.si_pid == child;
}

void unibin_vfork_parent(Vfork *vfork, pid_t child)
{
    const struct timespec first_wait = { 0, FIRST_WAIT_NS };

    while (child > 0) {
        uint32_t word = qatomic_read(&vfork->futex);
        bool known = word & FUTEX_TID_MASK;

        if (known && (word & FUTEX_OWNER_DIED)) {
            give(vfork);
            /* The child asks for nothing else before it is told. If this fails, it has ended. */
            if (qatomic_cmpxchg(&vfork->futex, word, word & ~FUTEX_OWNER_DIED) == word) {
                qatomic_store_release(&vfork->come, 1);
                futex(&vfork->come, FUTEX_WAKE, INT_MAX, NULL);
            }
            continue;
        }
        if (word & FUTEX_OWNER_DIED) {
            break;
        }
        futex(&vfork->futex, FUTEX_WAIT, word, known ? NULL : &first_wait);
        if (!known && qatomic_read(&vfork->futex) == word && is_gone(child)) {
            break;
        }
    }
    if (child > 0 && vfork->memory && !qatomic_read(&vfork->too_much)) {
        uint32_t pages = qatomic_load_acquire(&vfork->handed);
        uint32_t changes = qatomic_load_acquire(&vfork->changes_handed);

        if (vfork->alone || !changes) {
            change_mappings(vfork, changes, true);
            for (uint32_t i = 0; i < pages; i++) {
                take_page(vfork, i);
            }
            change_mappings(vfork, changes, false);
        }
    }
    munmap(vfork, vfork->size);
}
