/* SPDX-License-Identifier: Apache-2.0
 * tools/store/manifest.h - NAME.manifest.json: what one input became.
 *
 * {"result": ..., "run": ...}. `result` depends on the input's bytes, its NAME, the
 * configuration and the versions alone; `run` says who made it, when, from which path or
 * command, and the size of a regular file. result.inputs[0] has `bytes`, `sha256` and
 * `probe` (input_probe.h) of what was read: all of the input, unless --limit or damage
 * ended the reading. */
#ifndef TOOLS_STORE_MANIFEST_H
#define TOOLS_STORE_MANIFEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* What a later run needs of a manifest. Release with manifest_free(). */
struct manifest {
    json_t *json;
    const char *status;     /* "complete", "damaged", "rejected" whole; lent by json */
    const char *input_path; /* lent by json */
    bool has_input_size;
    uint64_t input_size;        /* of the regular file that was read */
    uint64_t input_bytes;       /* what was read, of which are: */
    const char *sha256, *probe; /* lent by json; NULL: it does not say */
    uint64_t groups;
    const json_t *result;
    const json_t *shards;  /* array of {name, bytes, sha256, samples}; lent by json */
    const json_t *rejects; /* {name, bytes, sha256} or null; lent by json */
    char why[400];
};

/* What stands behind NAME: ".manifest.json". */
extern const char manifest_suffix[];

/* Gives the path of the manifest of the unit `name` in the data set `folder`, or NULL. */
char *manifest_path(const char *folder, const char *name);

enum { MANIFEST_WRONG = -1, MANIFEST_UNREADABLE = -2 };

/* Reads and checks a manifest. Returns 0, MANIFEST_WRONG, or MANIFEST_UNREADABLE with
 * errno set (what may pass: the file could not be opened or read, memory was short;
 * ENOENT also where it is empty, for then its unit is unfinished), with m->why. */
int manifest_read(struct manifest *m, const char *path);
void manifest_free(struct manifest *m);

/* "complete", "damaged" or "rejected": also what is published where more of it was
 * rejected than --max-reject-rate. */
const char *manifest_state(const struct manifest *m);

/* The members of many a sample of it are no neighbours. */
bool manifest_is_ungrouped(const struct manifest *m);

/* The input was rejected as a whole, more of it was than --max-reject-rate, or it is
 * damaged where that counts: exit status 42. */
bool manifest_is_bad(const struct manifest *m, bool damage_counts);

/* Whether `file`, without a folder, is one of its shards or the rejects. Looks at these
 * two of *m alone. */
bool manifest_names(const struct manifest *m, const char *file);

/* Whether the shards and rejects that it names are in `dir` with the bytes it says, and
 * with the SHA-256 where `hashes`. Returns 0, MANIFEST_WRONG where one is not, or
 * MANIFEST_UNREADABLE where that could not be found out, with m->why. Only `shards` and
 * `rejects` of *m are looked at. */
int manifest_check_files(struct manifest *m, const char *dir, bool hashes);

/* {"zstd": "1.5.4", ...}: the libraries that output bytes can depend on. NULL: no memory.
 */
json_t *manifest_library_versions(void);

/* Of these the ones that touch an image's pixels. NULL: no memory. */
json_t *manifest_pixel_libraries(void);

#endif
