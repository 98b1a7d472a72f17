/*
 * Directories of both, as they are listed in the union view: the host's entries less those that the tree
 * shadows, then the tree's, then those of a host's directory that lies below.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 * Copyright unibin's authors
 */
#include "qemu/osdep.h"
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <linux/magic.h>
#include "qemu.h"
#include "unibin-view.h"
#include "unibin-view-map.h"

/*
 * Offsets of the tree's names in a listing: a number behind one of these. Some file systems take no large
 * offsets; those of the others are rarely that large, and a target with 32 bits may not see them whole.
 * The second half is for names of a directory that lies below.
 */
#define FAR_OFFSETS 0x7d00000000000000ll
#define FAR_COUNT 0x1000000
#define NEAR_OFFSETS 0x7fff0000ll
#define NEAR_COUNT 0xfff0

typedef struct {
    off_t start;
    uint32_t count;
} Offsets;

static const Offsets offsets[] = {
#if TARGET_ABI_BITS == 32
    { NEAR_OFFSETS, NEAR_COUNT },
    { FAR_OFFSETS, FAR_COUNT },
#else
    { FAR_OFFSETS, FAR_COUNT },
    { NEAR_OFFSETS, NEAR_COUNT },
#endif
};

struct entry {
    uint64_t inode;
    int64_t offset;
    unsigned short size;
    unsigned char type;
    char name[];
};

/* Which offsets this is one of; NULL: it is the host's. */
static const Offsets *offsets_of(off_t at)
{
    for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
        if (at >= offsets[i].start && at < offsets[i].start + offsets[i].count) {
            return &offsets[i];
        }
    }
    return NULL;
}

static bool is_directory(int fd, const char *name)
{
    struct stat st;

    return !fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) && S_ISDIR(st.st_mode);
}

/* Whether the host's name is shown, not the tree's. */
static bool is_hosts_shown(int fd, const Name *name, const char *text, unsigned char type)
{
    if (le32_to_cpu(name->type) & HOSTS_WINS) {
        return true;
    }
    return TYPE(name) == TYPE_DIRECTORY && !view_is_opaque(le32_to_cpu(name->target))
           && (type == DT_UNKNOWN ? is_directory(fd, text) : type == DT_DIR);
}

/* Appends an entry. False: there is no room. */
static bool append(void *buffer, size_t size, size_t *used, const char *name, uint64_t inode, off_t offset,
                   unsigned char type)
{
    size_t length = strlen(name) + 1;
    size_t entry_size = QEMU_ALIGN_UP(offsetof(struct entry, name) + length, 8);
    struct entry *entry = buffer + *used;

    if (entry_size > size - *used) {
        return false;
    }
    memset(entry, 0, entry_size);
    entry->inode = inode;
    entry->offset = offset;
    entry->size = entry_size;
    entry->type = type;
    memcpy(entry->name, name, length);
    *used += entry_size;
    return true;
}

/* The host's entries, less those that are the tree's. */
static ssize_t list_host(int fd, const Place *place, void *buffer, size_t size)
{
    ssize_t got;
    size_t used = 0;

    while ((got = syscall(__NR_getdents64, fd, buffer, size)) > 0) {
        for (size_t at = 0; at < got; ) {
            struct entry *entry = buffer + at;
            size_t entry_size = entry->size;
            const Name *name;

            if (view_look_up(place->directory, entry->name, strlen(entry->name), &name) <= 0
                || (!place->length && view_is_always_hosts(entry->name, strlen(entry->name)))
                || is_hosts_shown(fd, name, entry->name, entry->type)) {
                memmove(buffer + used, entry, entry_size);
                used += entry_size;
            }
            at += entry_size;
        }
        if (used) {
            return used;
        }
    }
    return got;
}

/* The tree's entry for a name; false: it is none, since the host's is shown. */
static bool entry_of(int fd, const Place *place, const Name *name, uint64_t *inode, unsigned char *type)
{
    static const unsigned char types[] = { DT_UNKNOWN, DT_REG, DT_DIR, DT_LNK };
    ViewAt at;
    struct stat st;
    bool directory = TYPE(name) == TYPE_DIRECTORY && !view_is_opaque(le32_to_cpu(name->target));
    size_t length = place->length + 1 + le32_to_cpu(name->length);

    if (TYPE(name) >= ARRAY_SIZE(types) || length >= PATH_MAX) {
        return false;
    }
    if ((le32_to_cpu(name->type) & HOSTS_WINS)
        && !faccessat(fd, view_text_of(name), F_OK, AT_SYMLINK_NOFOLLOW)) {
        return false;
    }
    if (directory && is_directory(fd, view_text_of(name))) {
        return false;
    }
    memcpy(at.buffer, unibin_view_tree, view_tree_length);
    memcpy(at.buffer + view_tree_length, place->path, place->length);
    at.buffer[view_tree_length + place->length] = '/';
    strcpy(at.buffer + view_tree_length + place->length + 1, view_text_of(name));
    if (directory && view_path_below(at.buffer + view_tree_length, at.other)
        && is_directory(AT_FDCWD, at.other)
        && !fstatat(AT_FDCWD, at.other, &st, AT_SYMLINK_NOFOLLOW)) {
        *inode = st.st_ino;
    } else if (!fstatat(AT_FDCWD, at.buffer, &st, AT_SYMLINK_NOFOLLOW)) {
        *inode = st.st_ino;
    } else {
        return false;
    }
    *type = types[TYPE(name)];
    return true;
}

/* Names of the directory that lies below, which is read again up to `*number`. True: all are listed. */
static bool list_below(int fd, const Place *place, const char *path, const Offsets *where, uint32_t *number,
                       void *buffer, size_t size, size_t *used)
{
    uint32_t start = where->count / 2;
    uint32_t skip = *number - start;
    char text[4096] QEMU_ALIGNED(8);
    uint32_t seen = 0;
    ssize_t got;
    bool all = true;
    int other = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

    while (other >= 0 && all && (got = syscall(__NR_getdents64, other, text, sizeof(text))) > 0) {
        for (size_t at = 0; at < got; at += ((struct entry *)(text + at))->size) {
            struct entry *entry = (struct entry *)(text + at);
            const Name *name;

            if (seen++ < skip || !strcmp(entry->name, ".") || !strcmp(entry->name, "..")
                || view_look_up(place->directory, entry->name, strlen(entry->name), &name)
                || !faccessat(fd, entry->name, F_OK, AT_SYMLINK_NOFOLLOW)) {
                continue;
            }
            if (!append(buffer, size, used, entry->name, entry->inode, where->start + start + seen,
                        entry->type)) {
                seen--;
                all = false;
                break;
            }
        }
    }
    if (other >= 0) {
        close(other);
    }
    *number = start + MAX(seen, skip);
    return all;
}

/* The entries of a directory, merged or not. */
static ssize_t list(int fd, void *buffer, size_t size)
{
    ViewAt at;
    Place place = { .path = at.buffer };
    const Offsets *where;
    char lower[PATH_MAX + NAME_MAX];
    bool tree, is_hosts = false, has_lower = false, all = true;
    uint32_t first, count, number = 0;
    size_t used = 0;
    off_t offset;
    ssize_t got;

    if (!unibin_view_tree || unibin_root || !view_place_again(fd, &place, &tree, &is_hosts) || is_hosts
        || tree || !place.in_map || place.hidden
        || !view_names_of(place.directory, &first, &count)) {
        return syscall(__NR_getdents64, fd, buffer, size);
    }
    offset = lseek(fd, 0, SEEK_CUR);
    where = offsets_of(offset);
    if (where) {
        number = offset - where->start;
    } else {
        got = list_host(fd, &place, buffer, size);
        if (got) {
            return got;
        }
        for (size_t i = 0; i < ARRAY_SIZE(offsets) && !where; i++) {
            if (count < offsets[i].count / 2 && lseek(fd, offsets[i].start, SEEK_SET) >= 0) {
                where = &offsets[i];
            }
        }
        if (!where) {
            return view_fail(EIO);
        }
    }
    if (view_below_count && view_path_below(place.path, lower)) {
        struct stat one, other;

        has_lower = !lstat(lower, &one) && S_ISDIR(one.st_mode) && !fstat(fd, &other)
                    && (one.st_dev != other.st_dev || one.st_ino != other.st_ino);
    }
    while (number < count) {
        const Name *name = view_name_at(first + number);
        uint64_t inode;
        unsigned char type;

        if (!name) {
            return view_fail(EIO);
        }
        if (entry_of(fd, &place, name, &inode, &type)
            && !append(buffer, size, &used, view_text_of(name), inode, where->start + number + 1, type)) {
            break;
        }
        number++;
    }
    if (number == count && has_lower) {
        number = where->count / 2;
    }
    if (number >= where->count / 2 && has_lower) {
        all = list_below(fd, &place, lower, where, &number, buffer, size, &used);
    }
    if (lseek(fd, where->start + number, SEEK_SET) < 0) {
        return -1;
    }
    if (!used && (number < count || !all)) {
        return view_fail(EINVAL);
    }
    return used;
}

#if TARGET_ABI_BITS == 32

/* Whether a directory's offsets are hashes with 63 bits, of which a program with 32 bits gets 31. */
static bool has_hashes(int fd)
{
    struct statfs fs;

    return !fstatfs(fd, &fs) && fs.f_type == EXT4_SUPER_MAGIC;
}

/* Gives offsets 31 bits, as the kernel does for a process that has no more. */
static void shorten_offsets(int fd, void *buffer, ssize_t size)
{
    bool long_ones = false;

    for (ssize_t at = 0; at < size; at += ((struct entry *)(buffer + at))->size) {
        long_ones |= ((struct entry *)(buffer + at))->offset > INT32_MAX;
    }
    if (long_ones && has_hashes(fd)) {
        for (ssize_t at = 0; at < size; at += ((struct entry *)(buffer + at))->size) {
            struct entry *entry = buffer + at;

            if (entry->offset > INT32_MAX) {
                entry->offset >>= 32;
            }
        }
    }
}

/* Whether an offset in a directory is one of the tree's names. */
static bool is_trees(int fd, off_t offset)
{
    char path[PATH_MAX];
    Place place = { .path = path };
    uint32_t first, count;
    bool tree;

    return !unibin_root && offset >= NEAR_OFFSETS && offset < NEAR_OFFSETS + NEAR_COUNT
           && view_place_again(fd, &place, &tree, NULL)
           && !tree && place.in_map && !place.hidden && view_names_of(place.directory, &first, &count)
           && (offset - NEAR_OFFSETS <= count || view_below_count);
}

off_t unibin_view_lseek(int fd, off_t offset, int whence)
{
    struct stat st;
    off_t ret;

    if (unibin_view_tree && whence == SEEK_SET && offset > 0 && offset <= INT32_MAX && !fstat(fd, &st)
        && S_ISDIR(st.st_mode) && has_hashes(fd) && !is_trees(fd, offset)) {
        ret = lseek(fd, offset << 32, SEEK_SET);
        return ret < 0 ? ret : offset;
    }
    return lseek(fd, offset, whence);
}

ssize_t unibin_view_getdents64(int fd, void *buffer, size_t size)
{
    ssize_t got = list(fd, buffer, size);

    shorten_offsets(fd, buffer, got);
    return got;
}

#else

off_t unibin_view_lseek(int fd, off_t offset, int whence)
{
    return lseek(fd, offset, whence);
}

ssize_t unibin_view_getdents64(int fd, void *buffer, size_t size)
{
    return list(fd, buffer, size);
}

#endif
