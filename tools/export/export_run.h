/* SPDX-License-Identifier: Apache-2.0
 * tools/export/export_run.h - one run of `latentmill export`: one shard is one unit of
 * work.
 *
 * A unit NAME (or NAME+00001) becomes files that start with its name, and last its
 * manifest NAME.export.json. Units are independent of each other, so each worker takes
 * the next one and does all of it; only the index of the whole folder is written at the
 * end. */
#ifndef TOOLS_EXPORT_EXPORT_RUN_H
#define TOOLS_EXPORT_EXPORT_RUN_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shard/reader.h"
#include "tools/export/export_shape.h"
#include "tools/export/view_file.h"
#include "tools/run/parallel.h"

enum export_format_id { EXPORT_MDS, EXPORT_WEBDATASET };
enum export_compression { EXPORT_PLAIN, EXPORT_ZSTD };

struct export_options {
    const char *out;
    const char *view; /* a file; NULL: none */
    int format;       /* enum export_format_id; -1: not given */
    enum export_compression compression;
    int64_t size_limit;
    bool scaled;
    int64_t workers; /* 0: what is allowed */
    bool incomplete, redo, quiet;
};

#define EXPORT_MANIFEST ".export.json" /* behind a unit's name */
#define EXPORT_CONFIG "export.json"    /* of a whole folder: what all its units share */

enum { EXPORT_FINGERPRINT_CAP = 33 }; /* hex and NUL */

/* A shard to be exported. export_work_list.h fills it in, then its worker has it. */
struct export_unit {
    char *path;
    char *name; /* NAME and part: what its files are called by */
    struct export_shape shape;
    char fingerprint[EXPORT_FINGERPRINT_CAP]; /* the shard's */
    uint64_t n_records;
    size_t view_shard;   /* the shard's number in the view, if there is one */
    bool done, withdraw; /* has its manifest; which --redo takes away */
};

struct export_format;

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
    /* units; failed: shards too that could not be read */
    atomic_uint_fast64_t n_done, n_lossy, n_failed;
};

/* Ends the progress line, if there was one, before something is said. */
void export_progress_end(struct export_run *run);

#endif
