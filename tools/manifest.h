/* SPDX-License-Identifier: Apache-2.0
 * tools/manifest.h - NAME.manifest.json: what one input became.
 *
 * {"result": ..., "run": ...}. `result` depends on the input's bytes, its NAME, the
 * configuration and the versions alone; `run` says who made it, when, from which path. */
#ifndef TOOLS_MANIFEST_H
#define TOOLS_MANIFEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* What a later run needs of a manifest. Release with manifest_free(). */
struct manifest {
    json_t *json;
    const char *status;     /* "complete", "damaged", "rejected"; lent by json */
    const char *input_path; /* lent by json */
    bool has_input_size;
    uint64_t input_size;  /* of the regular file that was read */
    const json_t *shards; /* array of {name, bytes, sha256, samples}; lent by json */
    char why[400];
};

/* Reads and checks a manifest. Returns 0, or -1 with m->why; errno is ENOMEM where that was
 * a lack of memory. */
int manifest_read(struct manifest *m, const char *path);
void manifest_free(struct manifest *m);

/* The input was rejected as a whole, or damaged where that counts: exit status 42. */
bool manifest_is_bad(const struct manifest *m, bool damage_counts);

/* {"zstd": "1.5.4", ...}: the libraries that output bytes can depend on. NULL: no memory.
 */
json_t *manifest_library_versions(void);

#endif
