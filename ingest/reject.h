/* SPDX-License-Identifier: Apache-2.0
 * ingest/reject.h - public: what is not taken, and why: the one list of reasons for
 * samples, and the one of kinds of skipped members.
 *
 * The names are written to NAME.rejects.jsonl and to manifests, so they are a promise
 * to the outside: add, never rename. */
#ifndef INGEST_REJECT_H
#define INGEST_REJECT_H

/* Samples. */
#define INGEST_REASONS(X)                                                                \
    X(NO_IMAGE, "no_image")                                                              \
    X(NO_CAPTION, "no_caption")                                                          \
    X(EMPTY_CAPTION, "empty_caption")                                                    \
    X(CAPTION_NOT_UTF8, "caption_not_utf8")                                              \
    X(CAPTION_HAS_NUL, "caption_has_nul")                                                \
    X(TOO_MANY_CAPTIONS, "too_many_captions")                                            \
    X(LINKED_MEMBER, "linked_member")                                                    \
    X(BAD_KEY, "bad_key")                                                                \
    X(DUPLICATE_KEY, "duplicate_key")                                                    \
    X(BAD_METADATA, "bad_metadata")                                                      \
    X(UNSUPPORTED_FORMAT, "unsupported_format")                                          \
    X(CORRUPT_IMAGE, "corrupt_image")                                                    \
    X(TRUNCATED_IMAGE, "truncated_image")                                                \
    X(TOO_SMALL, "too_small")                                                            \
    X(TOO_MANY_PIXELS, "too_many_pixels")                                                \
    X(TOO_MANY_BYTES, "too_many_bytes")                                                  \
    X(NOT_FINITE, "not_finite")                                                          \
    X(BAD_CODE, "bad_code")                                                              \
    X(BAD_JSON, "bad_json")                                                              \
    X(NO_TEXT, "no_text")                                                                \
    X(EMPTY_TEXT, "empty_text")                                                          \
    X(TEXT_NOT_UTF8, "text_not_utf8")                                                    \
    X(TOO_LONG, "too_long")                                                              \
    X(ENCODER_FAILED, "encoder_failed")                                                  \
    X(SPECIAL_TOKEN, "special_token")                                                    \
    X(MATCH_LIMIT, "match_limit")                                                        \
    X(NOT_MATCHED, "not_matched")                                                        \
    X(NOT_TOKENIZED, "not_tokenized")

enum reject_reason {
    REJECT_NONE = 0,
#define X(id, name) REJECT_##id,
    INGEST_REASONS(X)
#undef X
        N_REJECT_REASONS /* REJECT_NONE counted */
};

/* A reason with its one-line explanation: what is wrong with this sample, for the
 * person who must act. `reason` is REJECT_NONE for a good sample. */
struct reject {
    enum reject_reason reason;
    char detail[200];
};

/* "no_image", ...; "none" for REJECT_NONE. Static. */
const char *reject_name(enum reject_reason reason);

/* Fills *r, printf-like. Returns `reason`, so that a caller can return it. */
__attribute__((format(printf, 3, 4))) enum reject_reason
reject_set(struct reject *r, enum reject_reason reason, const char *fmt, ...);

/* Members of an archive that belong to no sample: they neither begin nor end a group. The
 * first that fits counts. */
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
