/* SPDX-License-Identifier: Apache-2.0
 * tools/store/publish.h - how the files of one unit get their final names: all of them,
 * or none.
 *
 * Files are written under temporary names (temporary.h). Publishing renames them, then
 * puts the manifest last: whoever sees NAME.manifest.json sees a complete unit.
 * Several processes may work on the same unit; the first manifest wins and the others
 * drop their work. A kill at any instant leaves temporaries, which the next run removes
 * once the unit has its manifest.
 *
 * Where two tries of a unit may give different bytes, each calls its files by a name of
 * its own (publication_name_try()), so that none ever replaces what another's manifest
 * names. What no manifest names is removed as temporaries are. */
#ifndef TOOLS_STORE_PUBLISH_H
#define TOOLS_STORE_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/hash_set.h"
#include "tools/store/store.h"
#include "tools/store/temporary.h"

enum publish_status {
    PUBLISH_OK = 0,
    PUBLISH_EXISTS = 1,   /* another process has published this unit */
    PUBLISH_REPLACED = 2, /* published, but a file of it is another process's now, or the
                           * store cannot tell: its bytes are to be compared */
    PUBLISH_LOST = 3,     /* another process, which had seen the manifest of one that is
                           * withdrawn by now, has removed this one's temporaries: as
                           * PUBLISH_FAILED, of this unit alone */
    PUBLISH_BLOCKED = 4, /* the claim of its manifest's name (give_name.h) is kept by what
                          * is none of a claim's: as PUBLISH_FAILED, of this unit alone */
    PUBLISH_FAILED = -1
};

enum { PUBLISH_SUFFIX_CAP = 32, PUBLISH_TRY_CAP = 10 };

/* What the files of a unit are called behind its NAME. */
struct publication_kind {
    const char *manifest; /* manifest_suffix */
    const char *rejects;  /* ".rejects.jsonl"; NULL: there are none */
    void (*part)(char suffix[PUBLISH_SUFFIX_CAP], unsigned i);
    /* The length of a part's name (len bytes) before its suffix; 0: it is no part's. */
    size_t (*part_base)(const char *name, size_t len);
};

/* `prepare`'s: shards, rejects, manifest. */
extern const struct publication_kind publication_shards;

/* Where one unit's files go. All strings are owned. */
struct publication {
    const struct publication_kind *kind;
    char *dir;  /* the folder that NAME's files are in */
    char *base; /* the last component of NAME */
    const struct store *store;
    char temporary[TEMPORARY_SUFFIX_CAP]; /* ".tmp.<host>.<pid>.<random>" */
    char try_name[PUBLISH_TRY_CAP];       /* "", or "~8hex" behind the base */
    struct store_entry *files; /* this process's own, noted while they are published */
    size_t n_files;
    char why[600];
};

/* Makes the folders of NAME below out. Release with publication_free(), also on failure.
 */
int publication_init(struct publication *p, const struct publication_kind *kind,
                     const char *out, const char *name);
void publication_free(struct publication *p);

/* Calls its files, but for the manifest, NAME~8hex.lms, NAME~8hex+00001.lms,
 * NAME~8hex.rejects.jsonl. The digits are the random ones of its temporaries and not the
 * content's: a file has its name before its first byte, and all of one try have the same.
 */
void publication_name_try(struct publication *p);

/* dir/base[~8hex] + suffix (".lms", "+00001.lms", ...), final or temporary. Give memory
 * (release with free()) or NULL. */
char *publication_final(const struct publication *p, const char *suffix);
char *publication_temporary(const struct publication *p, const char *suffix);

/* ".lms" for part 0, "+00001.lms" for part 1: always five digits. */
void publication_shard_suffix(char suffix[PUBLISH_SUFFIX_CAP], unsigned part);

/* The length of what stands before that and before a try's "~8hex" in `path`, of `len`
 * bytes, and which part it is (*part, unless NULL). 0: it is no shard's. */
size_t publication_shard_base(const char *path, size_t len, uint32_t *part);

/* The length of the base in the final name of a unit's file; 0: it is none. Behind it
 * stands '~' if the name is a try's own. */
size_t publication_base_length(const struct publication_kind *kind, const char *name,
                               size_t len);

/* Whether the manifest is there: the unit is complete. Returns PUBLISH_OK, or
 * PUBLISH_FAILED where that could not be found out. */
int publication_look(struct publication *p, bool *exists);

/* The whole protocol: fsync the n_parts parts and, if has_rejects, the rejects, which
 * all stand under their temporary names; rename them; remove files of an older result
 * that this one lacks; put the manifest (text of `len` bytes); see whether all files are
 * still those (two processes may rename theirs before either puts a manifest). On
 * all but PUBLISH_OK and PUBLISH_REPLACED the temporaries are gone; *renamed tells
 * whether files of this process were given final names, perhaps in place of those that
 * the manifest names. */
int publication_publish(struct publication *p, unsigned n_parts, bool has_rejects,
                        const char *manifest, size_t len, bool *renamed);

/* Removes parts from n_parts on and, unless has_rejects, the rejects: those whose names
 * are no try's own. */
int publication_remove_beyond(struct publication *p, unsigned n_parts, bool has_rejects);

/* Removes this process's temporaries. */
void publication_drop(struct publication *p, unsigned n_parts);

/* Takes the manifest away, so that the unit is unfinished from here on. */
int publication_withdraw(struct publication *p);

/* Puts back the manifest that this process has withdrawn. PUBLISH_EXISTS: another one is
 * there by now. */
int publication_restore(struct publication *p);

/* Removes what other tries of this unit, which its manifest does not name, have left. */
void publication_sweep_tries(const struct publication *p);

/* Removes temporaries in `dir` whose unit, of this kind, or file is complete, and what
 * tries have left that the manifest does not name. */
void publish_sweep(const char *dir, const struct publication_kind *kind);

/* The same, unless `dir` is among those swept (all zero: none; release with
 * hash_set_free()). */
void publish_sweep_once(const char *dir, const struct publication_kind *kind,
                        struct hash_set *swept);

/* Writes `len` bytes to `path` exclusively and atomically, fsynced. PUBLISH_EXISTS where
 * it is there already. `why` (cap bytes) explains a failure. */
int publish_file(const char *path, const void *bytes, size_t len, char *why, size_t cap);

/* The same in place of what is there. */
int publish_replace(const char *path, const void *bytes, size_t len, char *why,
                    size_t cap);

#endif
