/* SPDX-License-Identifier: Apache-2.0
 * tools/export/export.h - internal to `latentmill export`: one shard is one unit of work.
 *
 * A unit NAME (or NAME+00001) becomes files that start with its name, and last its
 * manifest NAME.export.json. Units are independent of each other, so each worker takes
 * the next one and does all of it; only the index of the whole folder is written at the
 * end. */
#ifndef TOOLS_EXPORT_EXPORT_H
#define TOOLS_EXPORT_EXPORT_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shard/reader.h"
#include "tools/export/export_columns.h"
#include "tools/export/export_sample.h"
#include "tools/run/parallel.h"
#include "tools/store/publish.h"
#include "tools/export/view_file.h"

enum export_format_id { EXPORT_MDS, EXPORT_WEBDATASET };
enum export_compression { EXPORT_PLAIN, EXPORT_ZSTD };

struct export_options {
    const char *out;
    const char *view; /* a file; NULL: none */
    int format;       /* enum export_format_id */
    int compression;  /* enum export_compression */
    int64_t size_limit;
    bool scaled;
    int64_t workers; /* 0: what is allowed */
    bool incomplete, redo, quiet;
};

enum { EXPORT_FINGERPRINT_CAP = 33 }; /* hex and NUL */

/* A shard to be exported. The planner fills it in; then it belongs to its worker. */
struct export_unit {
    char *path;
    char *name; /* NAME and part: what its files are called by */
    struct export_shape shape;
    char fingerprint[EXPORT_FINGERPRINT_CAP]; /* the shard's */
    uint64_t n_records;
    size_t view_shard;   /* the shard's number in the view, if there is one */
    bool done, withdraw; /* the planner's: has its manifest; which --redo takes away */
};

/* What became of a unit. */
enum export_end {
    EXPORT_DONE,
    EXPORT_LOSSY,   /* done, but samples were lost: they are in the manifest */
    EXPORT_FAILED,  /* said on stderr */
    EXPORT_STOPPED, /* by a signal */
};

struct export_run {
    const struct export_options *options;
    const struct export_format *format;
    struct view_file *view; /* NULL: all records as they are */
    struct export_unit *units;
    size_t n_units;
    json_t *columns;       /* of pairs, documents, others: name to what it holds */
    size_t n_complete;     /* units that an earlier run has done */
    size_t n_lossy_before; /* of them: with lost samples */
    size_t n_missing;      /* things that folders lack or have unfinished */
    size_t n_unreadable;   /* shards */
    struct parallel work;  /* on the units */

    atomic_uint_fast64_t n_samples;  /* of units that are done or in hand */
    atomic_uint_fast64_t n_lost;     /* of units that are done */
    atomic_uint_fast64_t n_left_out; /* by the view, of units that are done */
    atomic_uint_fast64_t n_done, n_lossy,
        n_failed; /* units; failed: shards too that could not be read */
};

/* ---- a format's writer: one unit's files ---- */

/* What writers are given: where the files go. Lent. */
struct export_target {
    const struct export_options *options;
    const struct publication *files;
    const char *name; /* the unit's, with its folders */
    const struct export_shape *shape;
    const struct export_columns *columns;
};

enum { EXPORT_WRITTEN = 0, EXPORT_REFUSED = 1 };

#define EXPORT_MANIFEST ".export.json" /* behind a unit's name */
#define EXPORT_CONFIG "export.json"    /* of a whole folder: what all its units share */

struct export_format {
    const struct publication_kind *(*kind)(const struct export_options *o);

    /* Gives *writer, NULL where memory is short; close it either way. 0 or -1. */
    int (*open)(void **writer, const struct export_target *target);
    /* EXPORT_WRITTEN; EXPORT_REFUSED: this sample has no place in the format, for *why
     * (static); or -1. */
    int (*append)(void *writer, const struct export_sample *s, const char **why);
    /* Completes the files. Adds "shards" to the manifest's result: an array of what the
     * index says of each. 0 or -1. */
    int (*finish)(void *writer, json_t *result);
    unsigned (*n_files)(void *writer); /* begun so far: parts of the publication */
    const char *(*why)(void *writer);  /* these three accept NULL */
    void (*close)(void *writer);

    /* These columns, of samples of that shape, as an object: name to what it holds. Gives
     * it; NULL: no memory. */
    json_t *(*columns)(const struct export_columns *columns,
                       const struct export_shape *shape, bool scaled);

    /* The file over all units: head, the "shards" of their results, tail. */
    const char *index, *index_head, *index_tail;
};

extern const struct export_format export_mds, export_webdataset;

/* export.c: ends the progress line, if there was one, before something is said. */
void export_progress_end(struct export_run *run);

/* export.c: says so on stderr. Returns EXIT_FAILED. */
int export_out_of_memory(void);

/* export_unit.c: what tells a shard from others that had its name. Returns a reader's
 * status. */
int export_fingerprint(char hex[EXPORT_FINGERPRINT_CAP], struct shard_reader *r);

/* export_unit.c: does one unit from its shard to its manifest, on a worker's thread. */
enum export_end export_unit_run(struct export_run *run, const struct export_unit *u);

/* export_plan.c: opens the view. Returns 0 or an exit code after explaining. */
int export_plan_view(struct export_run *run);
/* export_plan.c: opens every shard, refuses what does not go together, and leaves in
 * run->units what is to be done. Returns 0 or an exit code after explaining. */
int export_plan(struct export_run *run, char **paths, size_t n_paths);
/* Removes temporaries of the units that are complete now. */
void export_plan_sweep(const struct export_run *run);
void export_plan_free(struct export_run *run);

/* export_config.c: writes DIR/export.json, or compares with the one that is there.
 * `models`: as export_models.h says. Returns 0 or an exit code after explaining. */
int export_config_claim(const struct export_run *run, const json_t *models);

/* export_index.c: writes the index over all units that the folder has. Returns 0, or -1
 * after explaining. */
int export_index_write(const struct export_run *run);

#endif
