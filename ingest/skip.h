/* SPDX-License-Identifier: Apache-2.0
 * ingest/skip.h - public: which members of an archive belong to no sample: the one list
 * of kinds.
 *
 * The names are written to manifests, so they are a promise to the outside: add, never
 * rename. What is skipped neither begins nor ends a group. */
#ifndef INGEST_SKIP_H
#define INGEST_SKIP_H

/* The first that fits counts. */
#define INGEST_SKIPS(X)                                                                  \
    X(FOLDER, "folder")                                                                  \
    X(SPECIAL, "special") /* what only one tar program knows, and as with LINK: devices, \
                             pipes, another volume's rest */                             \
    X(MACOS, "macos")     /* ._x (AppleDouble), .DS_Store, what is below __MACOSX */     \
    X(PRIVATE, "private") /* first component __x__: WebDataset's own */                  \
    X(NO_KEY, "no_key")                                                                  \
    X(LINK, "link") /* whose name is not that of an image, caption or JSON */

enum skip_kind {
#define X(id, name) SKIP_##id,
    INGEST_SKIPS(X)
#undef X
        N_SKIP_KINDS,
    SKIP_NOT = N_SKIP_KINDS /* it is part of a sample */
};

/* "folder", ... Static. */
const char *skip_name(enum skip_kind kind);

#endif
