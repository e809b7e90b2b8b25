/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/split/char_classes.h - internal to shard/: what patterns ask of
 * characters.
 *
 * The classes are PCRE2's, so that a matcher by hand and the pattern that it stands for
 * know the same version of Unicode; white space is Unicode's White_Space, as Oniguruma's
 * and Rust's \s are. */
#ifndef SHARD_TOKENIZER_SPLIT_CHAR_CLASSES_H
#define SHARD_TOKENIZER_SPLIT_CHAR_CLASSES_H

#include <stddef.h>
#include <stdint.h>

enum {
    CHAR_LETTER = 1,     /* \p{L} */
    CHAR_NUMBER = 2,     /* \p{N} */
    CHAR_SPACE = 4,      /* \s */
    CHAR_NEWLINE = 8,    /* \r and \n */
    CHAR_NOT_LOWER = 16, /* \p{Lu}, \p{Lt}, \p{Lm}, \p{Lo}, \p{M} */
    CHAR_NOT_UPPER = 32, /* \p{Ll}, \p{Lm}, \p{Lo}, \p{M} */
    CHAR_MARK = 64,      /* \p{M} */
    CHAR_SIGN = 128      /* \p{P}, \p{S} */
};

struct char_classes {
    uint8_t block_of[0x1100]; /* of each 256 code points */
    uint8_t ascii[128];
    uint8_t blocks[256][256];
};

/* Gives the table (release with free()). SHARD_OK or SHARD_ENOMEM. */
int char_classes_new(struct char_classes **out);

/* The classes of the character at `at`, which is valid UTF-8; *len: its bytes. */
static inline unsigned char_class_at(const struct char_classes *c,
                                     const unsigned char *at, size_t *len)
{
    const unsigned lead = at[0];

    if (lead < 0x80) {
        *len = 1;
        return c->ascii[lead];
    }
    if (lead < 0xe0) {
        *len = 2;
        return c
            ->blocks[c->block_of[(lead & 0x1c) >> 2]][(lead & 3) << 6 | (at[1] & 0x3f)];
    }
    if (lead < 0xf0) {
        *len = 3;
        return c->blocks[c->block_of[(lead & 0xf) << 4 | (at[1] & 0x3c) >> 2]]
                        [(at[1] & 3) << 6 | (at[2] & 0x3f)];
    }
    *len = 4;
    return c->blocks[c->block_of[((lead & 7) << 10 | (at[1] & 0x3f) << 4 |
                                  (at[2] & 0x3c) >> 2) %
                                 0x1100]][(at[2] & 3) << 6 | (at[3] & 0x3f)];
}

#endif
