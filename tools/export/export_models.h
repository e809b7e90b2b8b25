/* SPDX-License-Identifier: Apache-2.0
 * tools/export/export_models.h - the tokenizer and the encoders that all shards of an
 * exported folder share.
 *
 *     {"tokenizer": ..., "latent": null or {"dtype", "logvar", "encoder"},
 *      "encoders": {NAME: {"dtype", "encoder"}}}
 *
 * `latent` is of records with one image and one latent; `encoders`, absent where there
 * are none, are what numbered columns and data are of. Shards without the one or the
 * other go with all; where two speak of the same thing they must say the same. */
#ifndef TOOLS_EXPORT_EXPORT_MODELS_H
#define TOOLS_EXPORT_EXPORT_MODELS_H

#include <jansson.h>

#include "shard/reader.h"
#include "tools/export/export_shape.h"

/* What one shard's samples of this shape are of. Gives it; NULL: no memory. */
json_t *export_models_describe(struct shard_reader *r, const struct export_shape *shape);

/* What is known so far. All zeros to begin with; release with export_models_clear(). */
struct export_models {
    json_t *known;
    json_t *models_from, *encoders_from; /* the shards that said so first */
};

/* Takes `models`. Returns 0 or an exit code after explaining. */
int export_models_agree(struct export_models *all, json_t *models, const char *path);
void export_models_clear(struct export_models *all);

/* Where two descriptions of an encoder have another `encode`, as of other libraries, it
 * becomes null, not known, in both: the model is the same. Returns whether `a` has
 * changed; < 0: no memory. The second does it for `latent` and its namesake in
 * `encoders`. Accept NULL. */
int export_models_join_encode(json_t *a, json_t *b);
int export_models_join_own(json_t *models);

/* The encoder of both `latent` and `encoders` of which they say different things, lent:
 * what `encoders` says. NULL: there is none. */
const json_t *export_models_clash(const json_t *models);

#endif
