/*
 * Ids of users and groups, kept by the emulator: for `-ids UID:GID:GROUP,GROUP...`.
 *
 * All programs of a system run as one user of the host. Within, the system has its users: this file is what
 * the kernel's cred is, and follows kernel/sys.c, kernel/groups.c and security/commoncap.c call by call: ids,
 * saved ids, ids for files, groups, capabilities, securebits. The host's kernel is told nothing of it.
 *
 * As in the kernel, ids belong to a thread. That is right for glibc, too, which makes a change in each thread
 * by a signal; and for programs that make the call itself to change one thread. Fork copies them with the
 * memory; a child of vfork is a fork with us. Execve gives them to the next emulator as an argument, in the
 * form that `unibin_ids_option` writes: not in the environment, which sudo and sshd clear.
 *
 * Others see the effective ids of a process in its RLIMIT_LOCKS, as UID << 32 | GID: a limit that the kernel
 * has had no use for since Linux 2.4.25, that is inherited, and that any process of the same user can read.
 * The guest does not see that. It is the first thread's ids that are seen there, as in /proc/PID.
 *
 * This protects nobody: whatever "www-data" asks for, the kernel looks at the one user of the host. It may
 * read what root reads, and send signals to everybody. Users of a system are names, not walls.
 *
 * Not kept: capabilities of files, who sent a signal (si_uid), owners of System V IPC and of message queues.
 * The flag nosuid of a file system is not looked at. The host's programs know nothing of these ids.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 * Copyright unibin's authors
 */
#include "qemu/osdep.h"
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <linux/securebits.h>
#include "qemu.h"
#include "user-internals.h"
#include "unibin-ids.h"
#include "unibin-view.h"

#define NONE UINT32_MAX
/* The last capability of Linux 5.9 and later: CAP_CHECKPOINT_RESTORE. */
#define CAPABILITIES 41
#define ALL (((uint64_t)1 << CAPABILITIES) - 1)
#define CAP(capability) ((uint64_t)1 << (capability))
/* CAP_FS_SET of <linux/capability.h>: what goes and comes with the id for files. */
#define OF_FILES (CAP(CAP_CHOWN) | CAP(CAP_DAC_OVERRIDE) | CAP(CAP_DAC_READ_SEARCH) | CAP(CAP_FOWNER) \
                  | CAP(CAP_FSETID) | CAP(CAP_LINUX_IMMUTABLE) | CAP(CAP_MKNOD) | CAP(CAP_MAC_OVERRIDE))
#define SECURE(bit) (1u << (bit))

struct Ids {
    uint32_t id[2][IDS_COUNT];
    uint64_t permitted, effective, inheritable, bounding, ambient;
    uint32_t secure;
    int count;
    /* In ascending order. */
    gid_t *groups;
};

bool unibin_ids;
bool unibin_ids_secure;
static __thread Ids *mine;
/* What the guest has set for the limit that we use. */
static struct rlimit locks = { RLIM_INFINITY, RLIM_INFINITY };

static bool has(const Ids *ids, int capability)
{
    return ids->effective & CAP(capability);
}

bool unibin_ids_capable(int capability)
{
    return has(mine, capability);
}

static int refuse(int error)
{
    errno = error;
    return -1;
}

/* The option. */

/* A number that is an id; moves on behind it. */
static bool take_id(const char **text, uint32_t *id)
{
    uint64_t value = 0;
    const char *at = *text;

    for (; *at >= '0' && *at <= '9' && value < NONE; at++) {
        value = value * 10 + *at - '0';
    }
    if (at == *text || value >= NONE) {
        return false;
    }
    *text = at;
    *id = value;
    return true;
}

/* One id for all four, or four. */
static bool take_ids(const char **text, uint32_t *ids)
{
    if (!take_id(text, &ids[0])) {
        return false;
    }
    for (int i = 1; i < IDS_COUNT; i++) {
        ids[i] = ids[0];
    }
    for (int i = 1; **text == ',' && i < IDS_COUNT; i++) {
        ++*text;
        if (!take_id(text, &ids[i])) {
            return false;
        }
    }
    return true;
}

static int compare(const void *a, const void *b)
{
    gid_t one = *(const gid_t *)a, two = *(const gid_t *)b;
    return (one > two) - (one < two);
}

static bool take(Ids *ids, const char *text)
{
    g_autoptr(GArray) groups = g_array_new(false, false, sizeof(gid_t));
    uint64_t *sets[] = { &ids->permitted, &ids->effective, &ids->inheritable, &ids->bounding, &ids->ambient };

    if (!take_ids(&text, ids->id[IDS_USER]) || *text++ != ':' || !take_ids(&text, ids->id[IDS_GROUP])) {
        return false;
    }
    if (*text == ':') {
        for (text++; *text && *text != ':'; text += *text == ',') {
            uint32_t group;

            if (!take_id(&text, &group) || (*text && *text != ',' && *text != ':')) {
                return false;
            }
            g_array_append_val(groups, group);
        }
    }
    ids->bounding = ALL;
    if (!ids->id[IDS_USER][IDS_EFFECTIVE]) {
        ids->permitted = ids->effective = ALL;
    }
    if (*text == ':') {
        for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
            char *end;

            *sets[i] = strtoull(text + 1, &end, 16);
            if (end == text + 1 || *end != ',') {
                return false;
            }
            text = end;
        }
        ids->secure = strtoul(text + 1, (char **)&text, 16);
    }
    if (*text || groups->len > NGROUPS_MAX) {
        return false;
    }
    ids->count = groups->len;
    ids->groups = g_new(gid_t, groups->len);
    if (groups->len) {
        memcpy(ids->groups, groups->data, groups->len * sizeof(gid_t));
        qsort(ids->groups, ids->count, sizeof(gid_t), compare);
    }
    return true;
}

void unibin_option_ids(const char *arg)
{
    unibin_ids_forget();
    mine = g_new0(Ids, 1);
    if (!take(mine, arg)) {
        fprintf(stderr, "qemu: -ids `%s`: not of the form UID:GID:GROUP,GROUP... with numbers below %u\n",
                arg, NONE);
        exit(EXIT_FAILURE);
    }
    unibin_ids = true;
}

static void append_ids(GString *text, const uint32_t *ids)
{
    for (int i = 0; i < IDS_COUNT; i++) {
        g_string_append_printf(text, i ? ",%u" : "%u", ids[i]);
    }
}

char *unibin_ids_option(void)
{
    GString *text = g_string_new(NULL);

    append_ids(text, mine->id[IDS_USER]);
    g_string_append_c(text, ':');
    append_ids(text, mine->id[IDS_GROUP]);
    g_string_append_c(text, ':');
    for (int i = 0; i < mine->count; i++) {
        g_string_append_printf(text, i ? ",%u" : "%u", mine->groups[i]);
    }
    g_string_append_printf(text, ":%" PRIx64 ",%" PRIx64 ",%" PRIx64 ",%" PRIx64 ",%" PRIx64 ",%x",
                           mine->permitted, mine->effective, mine->inheritable, mine->bounding, mine->ambient,
                           mine->secure);
    return g_string_free(text, false);
}

/* Threads and processes. */

Ids *unibin_ids_mine(void)
{
    return mine;
}

void unibin_ids_adopt(const Ids *ids)
{
    if (ids) {
        mine = g_new(Ids, 1);
        *mine = *ids;
        mine->groups = g_new(gid_t, ids->count);
        memcpy(mine->groups, ids->groups, ids->count * sizeof(gid_t));
    }
}

void unibin_ids_forget(void)
{
    if (mine) {
        g_free(mine->groups);
        g_free(mine);
        mine = NULL;
    }
}

/* Lets other processes know. */
static void publish(void)
{
    struct rlimit limit = { .rlim_max = RLIM_INFINITY };

    if (syscall(__NR_gettid) == getpid()) {
        limit.rlim_cur = (uint64_t)mine->id[IDS_USER][IDS_EFFECTIVE] << 32
                         | mine->id[IDS_GROUP][IDS_EFFECTIVE];
        /* Where the limit is lower, which is nobody's wont, others take us for root. */
        setrlimit(RLIMIT_LOCKS, &limit);
    }
}

void unibin_ids_forked(void)
{
    publish();
}

bool unibin_ids_of(pid_t pid, uint32_t *user, uint32_t *group)
{
    struct rlimit limit;

    if (pid <= 0 || prlimit(pid, RLIMIT_LOCKS, NULL, &limit) || limit.rlim_cur == RLIM_INFINITY) {
        return false;
    }
    *user = limit.rlim_cur >> 32;
    *group = limit.rlim_cur;
    return true;
}

int unibin_ids_limit(pid_t pid, const struct rlimit *new, struct rlimit *old)
{
    const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };
    bool self = !pid || pid == getpid();
    struct rlimit before = self ? locks : none;
    struct rlimit real;

    if (!self && prlimit(pid, RLIMIT_LOCKS, NULL, &real)) {
        return -1;
    }
    if (new) {
        if (new->rlim_cur > new->rlim_max) {
            return refuse(EINVAL);
        }
        if (new->rlim_max > before.rlim_max && !has(mine, CAP_SYS_RESOURCE)) {
            return refuse(EPERM);
        }
        if (self) {
            locks = *new;
        }
    }
    if (old) {
        *old = before;
    }
    return 0;
}

/* Ids. */

uint32_t unibin_ids_get(IdsKind kind, IdsWhich which)
{
    return mine->id[kind][which];
}

int unibin_ids_get_all(IdsKind kind, uint32_t *real, uint32_t *effective, uint32_t *saved)
{
    *real = mine->id[kind][IDS_REAL];
    *effective = mine->id[kind][IDS_EFFECTIVE];
    *saved = mine->id[kind][IDS_SAVED];
    return 0;
}

static bool may_set(IdsKind kind)
{
    return has(mine, kind == IDS_USER ? CAP_SETUID : CAP_SETGID);
}

/* cap_emulate_setxuid, and cap_task_fix_setuid for the id for files. */
static void fix_capabilities(const uint32_t *old, bool files_only)
{
    const uint32_t *new = mine->id[IDS_USER];
    bool was_root = !old[IDS_REAL] || !old[IDS_EFFECTIVE] || !old[IDS_SAVED];

    if (mine->secure & SECURE(SECURE_NO_SETUID_FIXUP)) {
        return;
    }
    if (files_only) {
        if (!old[IDS_FILES] && new[IDS_FILES]) {
            mine->effective &= ~OF_FILES;
        } else if (old[IDS_FILES] && !new[IDS_FILES]) {
            mine->effective |= OF_FILES & mine->permitted;
        }
        return;
    }
    if (was_root && new[IDS_REAL] && new[IDS_EFFECTIVE] && new[IDS_SAVED]) {
        if (!(mine->secure & SECURE(SECURE_KEEP_CAPS))) {
            mine->permitted = mine->effective = 0;
        }
        mine->ambient = 0;
    }
    if (!old[IDS_EFFECTIVE] && new[IDS_EFFECTIVE]) {
        mine->effective = 0;
    } else if (old[IDS_EFFECTIVE] && !new[IDS_EFFECTIVE]) {
        mine->effective = mine->permitted;
    }
}

/* Takes the ids over. */
static int become(IdsKind kind, const uint32_t *new, bool files_only)
{
    uint32_t old[IDS_COUNT];

    memcpy(old, mine->id[kind], sizeof(old));
    memcpy(mine->id[kind], new, sizeof(old));
    if (kind == IDS_USER) {
        fix_capabilities(old, files_only);
    }
    publish();
    return 0;
}

int unibin_ids_set(IdsKind kind, uint32_t id)
{
    const uint32_t *old = mine->id[kind];
    uint32_t new[IDS_COUNT];

    if (id == NONE) {
        return refuse(EINVAL);
    }
    memcpy(new, old, sizeof(new));
    if (may_set(kind)) {
        new[IDS_REAL] = new[IDS_SAVED] = id;
    } else if (id != old[IDS_REAL] && id != old[IDS_SAVED]) {
        return refuse(EPERM);
    }
    new[IDS_EFFECTIVE] = new[IDS_FILES] = id;
    return become(kind, new, false);
}

int unibin_ids_set_two(IdsKind kind, uint32_t real, uint32_t effective)
{
    const uint32_t *old = mine->id[kind];
    uint32_t new[IDS_COUNT];

    memcpy(new, old, sizeof(new));
    if (real != NONE) {
        new[IDS_REAL] = real;
        if (real != old[IDS_REAL] && real != old[IDS_EFFECTIVE] && !may_set(kind)) {
            return refuse(EPERM);
        }
    }
    if (effective != NONE) {
        new[IDS_EFFECTIVE] = effective;
        if (effective != old[IDS_REAL] && effective != old[IDS_EFFECTIVE] && effective != old[IDS_SAVED]
            && !may_set(kind)) {
            return refuse(EPERM);
        }
    }
    if (real != NONE || (effective != NONE && effective != old[IDS_REAL])) {
        new[IDS_SAVED] = new[IDS_EFFECTIVE];
    }
    new[IDS_FILES] = new[IDS_EFFECTIVE];
    return become(kind, new, false);
}

int unibin_ids_set_all(IdsKind kind, uint32_t real, uint32_t effective, uint32_t saved)
{
    const uint32_t asked[] = { real, effective, saved };
    const uint32_t *old = mine->id[kind];
    uint32_t new[IDS_COUNT];
    bool same = true;

    memcpy(new, old, sizeof(new));
    for (int i = 0; i < ARRAY_SIZE(asked); i++) {
        if (asked[i] != NONE) {
            same &= asked[i] == old[i] && (i != IDS_EFFECTIVE || asked[i] == old[IDS_FILES]);
            new[i] = asked[i];
            if (asked[i] != old[IDS_REAL] && asked[i] != old[IDS_EFFECTIVE] && asked[i] != old[IDS_SAVED]
                && !may_set(kind)) {
                return refuse(EPERM);
            }
        }
    }
    if (same) {
        return 0;
    }
    new[IDS_FILES] = new[IDS_EFFECTIVE];
    return become(kind, new, false);
}

uint32_t unibin_ids_set_files(IdsKind kind, uint32_t id)
{
    const uint32_t *old = mine->id[kind];
    uint32_t before = old[IDS_FILES];
    uint32_t new[IDS_COUNT];

    memcpy(new, old, sizeof(new));
    if (id != NONE && id != before
        && (id == old[IDS_REAL] || id == old[IDS_EFFECTIVE] || id == old[IDS_SAVED] || may_set(kind))) {
        new[IDS_FILES] = id;
        become(kind, new, true);
    }
    return before;
}

int unibin_ids_getgroups(int size, gid_t *list)
{
    if (size < 0 || (size && size < mine->count)) {
        return refuse(EINVAL);
    }
    if (size && mine->count) {
        memcpy(list, mine->groups, mine->count * sizeof(gid_t));
    }
    return mine->count;
}

int unibin_ids_setgroups(int size, const gid_t *list)
{
    if (!has(mine, CAP_SETGID)) {
        return refuse(EPERM);
    }
    if (size < 0 || size > NGROUPS_MAX) {
        return refuse(EINVAL);
    }
    for (int i = 0; i < size; i++) {
        if (list[i] == NONE) {
            return refuse(EINVAL);
        }
    }
    g_free(mine->groups);
    mine->count = size;
    mine->groups = g_new(gid_t, size);
    if (size) {
        memcpy(mine->groups, list, size * sizeof(gid_t));
        qsort(mine->groups, size, sizeof(gid_t), compare);
    }
    return 0;
}

bool unibin_ids_in_group(uint32_t group)
{
    return group == mine->id[IDS_GROUP][IDS_FILES]
           || bsearch(&group, mine->groups, mine->count, sizeof(gid_t), compare);
}

/* Capabilities. */

static uint64_t set_of(const struct __user_cap_data_struct *data, bool wide, size_t offset)
{
    uint64_t low = *(const uint32_t *)((const char *)&data[0] + offset);
    uint64_t high = wide ? *(const uint32_t *)((const char *)&data[1] + offset) : 0;

    return (high << 32 | low) & ALL;
}

static bool is_self(pid_t pid)
{
    return !pid || pid == getpid() || pid == syscall(__NR_gettid);
}

int unibin_ids_capget(struct __user_cap_header_struct *header, struct __user_cap_data_struct *data)
{
    struct __user_cap_data_struct real[2];
    Ids other = { { { 0 } } }, *ids = mine;

    /* What is wrong with the header, the kernel knows. */
    if (syscall(__NR_capget, header, data ? real : NULL)) {
        return -1;
    }
    if (!data) {
        return 0;
    }
    if (!is_self(header->pid)) {
        ids = &other;
        if (!unibin_ids_of(header->pid, &other.id[IDS_USER][0], &other.id[IDS_GROUP][0])
            || !other.id[IDS_USER][0]) {
            other.permitted = other.effective = ALL;
        }
    }
    for (int i = 0; i < (header->version == _LINUX_CAPABILITY_VERSION_1 ? 1 : 2); i++) {
        data[i].effective = ids->effective >> (32 * i);
        data[i].permitted = ids->permitted >> (32 * i);
        data[i].inheritable = ids->inheritable >> (32 * i);
    }
    return 0;
}

int unibin_ids_capset(struct __user_cap_header_struct *header, const struct __user_cap_data_struct *data)
{
    bool wide = header->version != _LINUX_CAPABILITY_VERSION_1;
    uint64_t effective, permitted, inheritable;

    if (wide && header->version != _LINUX_CAPABILITY_VERSION_2
        && header->version != _LINUX_CAPABILITY_VERSION_3) {
        header->version = _LINUX_CAPABILITY_VERSION_3;
        return refuse(EINVAL);
    }
    if (!is_self(header->pid)) {
        return refuse(EPERM);
    }
    if (!data) {
        return refuse(EFAULT);
    }
    effective = set_of(data, wide, offsetof(struct __user_cap_data_struct, effective));
    permitted = set_of(data, wide, offsetof(struct __user_cap_data_struct, permitted));
    inheritable = set_of(data, wide, offsetof(struct __user_cap_data_struct, inheritable));
    if ((!has(mine, CAP_SETPCAP) && (inheritable & ~(mine->inheritable | mine->permitted)))
        || (inheritable & ~(mine->inheritable | mine->bounding)) || (permitted & ~mine->permitted)
        || (effective & ~permitted)) {
        return refuse(EPERM);
    }
    mine->effective = effective;
    mine->permitted = permitted;
    mine->inheritable = inheritable;
    mine->ambient &= permitted & inheritable;
    return 0;
}

static int set_securebits(uint32_t bits)
{
    uint32_t locked = (mine->secure & SECURE_ALL_LOCKS) >> 1;

    if ((locked & (mine->secure ^ bits)) || (mine->secure & SECURE_ALL_LOCKS & ~bits)
        || (bits & ~(SECURE_ALL_LOCKS | SECURE_ALL_BITS)) || !has(mine, CAP_SETPCAP)) {
        return refuse(EPERM);
    }
    mine->secure = bits;
    return 0;
}

static int keep_capabilities(unsigned long keep)
{
    if (keep > 1) {
        return refuse(EINVAL);
    }
    if (mine->secure & SECURE(SECURE_KEEP_CAPS_LOCKED)) {
        return refuse(EPERM);
    }
    mine->secure = (mine->secure & ~SECURE(SECURE_KEEP_CAPS)) | (keep ? SECURE(SECURE_KEEP_CAPS) : 0);
    return 0;
}

static int ambient(unsigned long what, unsigned long capability, bool more)
{
    if (what == PR_CAP_AMBIENT_CLEAR_ALL) {
        if (capability || more) {
            return refuse(EINVAL);
        }
        mine->ambient = 0;
        return 0;
    }
    if (capability >= CAPABILITIES || more) {
        return refuse(EINVAL);
    }
    switch (what) {
    case PR_CAP_AMBIENT_IS_SET:
        return !!(mine->ambient & CAP(capability));
    case PR_CAP_AMBIENT_RAISE:
        if (!(mine->permitted & mine->inheritable & CAP(capability))
            || (mine->secure & SECURE(SECURE_NO_CAP_AMBIENT_RAISE))) {
            return refuse(EPERM);
        }
        mine->ambient |= CAP(capability);
        return 0;
    case PR_CAP_AMBIENT_LOWER:
        mine->ambient &= ~CAP(capability);
        return 0;
    }
    return refuse(EINVAL);
}

bool unibin_ids_prctl(long option, unsigned long arg2, unsigned long arg3, unsigned long arg4,
                      unsigned long arg5, int *ret)
{
    switch (option) {
    case PR_CAPBSET_READ:
        *ret = arg2 < CAPABILITIES ? !!(mine->bounding & CAP(arg2)) : refuse(EINVAL);
        return true;
    case PR_CAPBSET_DROP:
        if (!has(mine, CAP_SETPCAP)) {
            *ret = refuse(EPERM);
        } else if (arg2 >= CAPABILITIES) {
            *ret = refuse(EINVAL);
        } else {
            mine->bounding &= ~CAP(arg2);
            *ret = 0;
        }
        return true;
    case PR_GET_SECUREBITS:
        *ret = mine->secure;
        return true;
    case PR_SET_SECUREBITS:
        *ret = set_securebits(arg2);
        return true;
    case PR_GET_KEEPCAPS:
        *ret = !!(mine->secure & SECURE(SECURE_KEEP_CAPS));
        return true;
    case PR_SET_KEEPCAPS:
        *ret = keep_capabilities(arg2);
        return true;
    case PR_CAP_AMBIENT:
        *ret = ambient(arg2, arg3, arg4 || arg5);
        return true;
    }
    return false;
}

/* A new program: bprm_fill_uid of fs/exec.c and cap_bprm_creds_from_file of security/commoncap.c. */
void unibin_ids_executed(int fd)
{
    uint32_t *user = mine->id[IDS_USER], *group = mine->id[IDS_GROUP];
    uint32_t old_user = user[IDS_EFFECTIVE];
    uint64_t permitted = 0, gained;
    bool no_more = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
    bool all = false, changed;
    struct stat st;

    if (unibin_view_tree && !unibin_root) {
        fprintf(stderr, "qemu: -ids does not go with -view\n");
        exit(EXIT_FAILURE);
    }
    if (!no_more && !unibin_ids_fstatat(fd, "", &st, AT_EMPTY_PATH)) {
        if (st.st_mode & S_ISUID) {
            user[IDS_EFFECTIVE] = st.st_uid;
        }
        if ((st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP)) {
            group[IDS_EFFECTIVE] = st.st_gid;
        }
    }
    if (!(mine->secure & SECURE(SECURE_NOROOT))) {
        if (!user[IDS_EFFECTIVE] || !user[IDS_REAL]) {
            permitted = mine->bounding | mine->inheritable;
        }
        all = !user[IDS_EFFECTIVE];
    }
    gained = permitted & ~mine->permitted;
    changed = user[IDS_EFFECTIVE] != old_user || !unibin_ids_in_group(group[IDS_EFFECTIVE]);
    if ((changed || gained) && no_more) {
        user[IDS_EFFECTIVE] = user[IDS_REAL];
        group[IDS_EFFECTIVE] = group[IDS_REAL];
        permitted &= mine->permitted;
    }
    user[IDS_SAVED] = user[IDS_FILES] = user[IDS_EFFECTIVE];
    group[IDS_SAVED] = group[IDS_FILES] = group[IDS_EFFECTIVE];
    if (changed) {
        mine->ambient = 0;
    }
    mine->permitted = permitted | mine->ambient;
    mine->effective = all ? mine->permitted : mine->ambient;
    mine->secure &= ~SECURE(SECURE_KEEP_CAPS);
    unibin_ids_secure = changed || user[IDS_EFFECTIVE] != user[IDS_REAL]
                        || group[IDS_EFFECTIVE] != group[IDS_REAL]
                        || (user[IDS_REAL] && (all || (mine->permitted & ~mine->ambient)));
    publish();
}

/* Peers. */

void unibin_ids_peer(struct ucred *peer)
{
    if (peer->uid == geteuid() || peer->uid == getuid()) {
        peer->uid = peer->gid = 0;
        if (peer->pid == getpid()) {
            peer->uid = mine->id[IDS_USER][IDS_EFFECTIVE];
            peer->gid = mine->id[IDS_GROUP][IDS_EFFECTIVE];
        } else {
            unibin_ids_of(peer->pid, &peer->uid, &peer->gid);
        }
    }
}

static bool is_one_of(IdsKind kind, uint32_t id)
{
    const uint32_t *ids = mine->id[kind];

    return id == ids[IDS_REAL] || id == ids[IDS_EFFECTIVE] || id == ids[IDS_SAVED] || may_set(kind);
}

bool unibin_ids_send(struct ucred *as)
{
    if (!is_one_of(IDS_USER, as->uid) || !is_one_of(IDS_GROUP, as->gid)) {
        return false;
    }
    as->uid = geteuid();
    as->gid = getegid();
    return true;
}

/* /proc/PID/status. */

static bool append_line(GString *to, const Ids *ids, const char *name)
{
    static const struct {
        const char *name;
        size_t set;
    } sets[] = {
        { "CapInh", offsetof(Ids, inheritable) }, { "CapPrm", offsetof(Ids, permitted) },
        { "CapEff", offsetof(Ids, effective) }, { "CapBnd", offsetof(Ids, bounding) },
        { "CapAmb", offsetof(Ids, ambient) },
    };

    for (IdsKind kind = IDS_USER; kind <= IDS_GROUP; kind++) {
        const uint32_t *id = ids->id[kind];

        if (g_str_has_prefix(name, kind == IDS_USER ? "Uid:" : "Gid:")) {
            g_string_append_printf(to, "%.4s\t%u\t%u\t%u\t%u\n", name, id[0], id[1], id[2], id[3]);
            return true;
        }
    }
    if (g_str_has_prefix(name, "Groups:")) {
        g_string_append(to, "Groups:\t");
        for (int i = 0; i < ids->count; i++) {
            g_string_append_printf(to, "%u ", ids->groups[i]);
        }
        g_string_append_c(to, '\n');
        return true;
    }
    for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
        if (g_str_has_prefix(name, sets[i].name)) {
            g_string_append_printf(to, "%s:\t%016" PRIx64 "\n", sets[i].name,
                                   *(const uint64_t *)((const char *)ids + sets[i].set));
            return true;
        }
    }
    return false;
}

char *unibin_ids_status(pid_t pid, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    GString *to = g_string_new(NULL);
    Ids other = { .bounding = ALL };
    const Ids *ids = mine;
    uint32_t user, group;

    if (pid != getpid()) {
        if (!unibin_ids_of(pid, &user, &group)) {
            g_string_free(to, true);
            return g_strdup(text);
        }
        for (int i = 0; i < IDS_COUNT; i++) {
            other.id[IDS_USER][i] = user;
            other.id[IDS_GROUP][i] = group;
        }
        other.permitted = other.effective = user ? 0 : ALL;
        /* No more is known. */
        other.groups = &group;
        other.count = 1;
        ids = &other;
    }
    for (char **line = lines; *line; line++) {
        if (!append_line(to, ids, *line)) {
            g_string_append(to, *line);
            if (line[1]) {
                g_string_append_c(to, '\n');
            }
        }
    }
    return g_string_free(to, false);
}
