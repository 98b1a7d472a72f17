/*
 * What the parts of the union view share: the map of the tree, and places in it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 * Copyright unibin's authors
 */
#ifndef LINUX_USER_UNIBIN_VIEW_MAP_H
#define LINUX_USER_UNIBIN_VIEW_MAP_H

#include "unibin-view.h"

/* Types and flags of names, flags of directories. */
#define TYPE(name) (le32_to_cpu((name)->type) & 0xff)
#define TYPE_FILE 1
#define TYPE_DIRECTORY 2
#define TYPE_LINK 3
#define HOSTS_WINS 0x200
#define OPAQUE 1

/* Numbers of the map are little-endian. */
typedef struct {
    uint32_t text, length, type;
    /* A directory's number, or a link's target and its length. */
    uint32_t target, target_length;
} Name;

/* A place in the virtual file system. */
typedef struct {
    /* Its path, in a buffer of PATH_MAX; empty for the root. */
    char *path;
    size_t length;
    /* Whether the tree has this directory, and its number. */
    bool in_map;
    uint32_t directory;
    /* The host's directory is not merged: it or one above is opaque. */
    bool hidden;
} Place;

/* How long `unibin_view_tree` is; how many directories of the host lie below ones of the tree. */
extern size_t view_tree_length, view_below_count;

/* A name by its number; NULL: the map is damaged. */
const Name *view_name_at(uint32_t number);

const char *view_text_of(const Name *name);

/* The names of a directory. False: the map is damaged. */
bool view_names_of(uint32_t directory, uint32_t *first, uint32_t *count);

/* Whether a directory's host's is not merged. */
bool view_is_opaque(uint32_t directory);

/* Looks a name up. 1: found; 0: not there; -1: the map is damaged (EIO). */
int view_look_up(uint32_t directory, const char *text, size_t length, const Name **found);

/* Directories of the root that are never the tree's. */
bool view_is_always_hosts(const char *text, size_t length);

/*
 * The path of the host's directory that lies below this one (the text behind it included), if there is one.
 * The buffer has room for PATH_MAX + NAME_MAX.
 */
bool view_path_below(const char *path, char *buffer);

/*
 * The place of a directory's descriptor, or of the working directory; `tree`: that is the tree's itself.
 * False: it has no path. `is_hosts`, unless NULL, is set if the directory is one of the host's, none of the
 * tree's and none in /proc, and is known as that; then nothing else is set.
 */
bool view_place_again(int dirfd, Place *place, bool *tree, bool *is_hosts);

/* Sets errno; -1. */
int view_fail(int error);

#endif
