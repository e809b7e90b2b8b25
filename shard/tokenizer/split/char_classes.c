/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/split/char_classes.c - one walk of PCRE2 over all characters of the
 * planes that have letters, marks, numbers, signs or spaces: 0 to 3, and 14. */
#include "shard/tokenizer/split/char_classes.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "shard/status.h"

/* A group a class, in the order of group_classes. */
static const char pattern[] = "([\\p{Lu}\\p{Lt}]++)|(\\p{Ll}++)|([\\p{Lm}\\p{Lo}]++)|"
                              "(\\p{M}++)|(\\p{N}++)|([\\p{P}\\p{S}]++)";
static const uint8_t group_classes[] = {0,
                                        CHAR_LETTER | CHAR_NOT_LOWER,
                                        CHAR_LETTER | CHAR_NOT_UPPER,
                                        CHAR_LETTER | CHAR_NOT_LOWER | CHAR_NOT_UPPER,
                                        CHAR_MARK | CHAR_NOT_LOWER | CHAR_NOT_UPPER,
                                        CHAR_NUMBER,
                                        CHAR_SIGN};

static const struct {
    uint32_t first, last;
} planes[] = {{0, 0xd7ff}, {0xe000, 0x3ffff}, {0xe0000, 0xe0fff}},
  spaces[] = {{9, 13},          {0x20, 0x20},     {0x85, 0x85},     {0xa0, 0xa0},
              {0x1680, 0x1680}, {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f},
              {0x205f, 0x205f}, {0x3000, 0x3000}};

static unsigned char *put_utf8(unsigned char *at, uint32_t c)
{
    if (c < 0x80) {
        *at++ = (unsigned char)c;
        return at;
    }
    if (c >= 0x10000) {
        *at++ = (unsigned char)(0xf0 | c >> 18);
        *at++ = (unsigned char)(0x80 | (c >> 12 & 0x3f));
    } else if (c >= 0x800) {
        *at++ = (unsigned char)(0xe0 | c >> 12);
    }
    *at++ = (unsigned char)(c >= 0x800 ? 0x80 | (c >> 6 & 0x3f) : 0xc0 | c >> 6);
    *at++ = (unsigned char)(0x80 | (c & 0x3f));
    return at;
}

/* The classes of `n` code points from `first`, one a byte, from their UTF-8. */
static int classify(const pcre2_code *code, pcre2_match_data *data,
                    const unsigned char *text, size_t len, uint8_t *classes)
{
    const size_t *found = pcre2_get_ovector_pointer(data);
    size_t from = 0, n = 0;
    int group;

    while ((group = pcre2_match(code, text, len, from, PCRE2_NO_UTF_CHECK, data, NULL)) >
           0) {
        for (size_t i = from; i < found[1]; i++) {
            if ((text[i] & 0xc0) == 0x80)
                continue;
            classes[n++] = i < found[0] ? 0 : group_classes[group - 1];
        }
        from = found[1];
    }
    return group == PCRE2_ERROR_NOMATCH ? SHARD_OK : SHARD_ENOMEM;
}

/* Classes of all code points; the block of a plane that was not walked is that of zeros.
 */
static int fill(struct char_classes *c, const uint8_t *classes)
{
    size_t n = 1;

    for (size_t i = 0; i < sizeof(c->block_of); i++) {
        const uint8_t *block = classes + 256 * i;
        size_t k = 0;

        while (k < n && memcmp(c->blocks[k], block, 256) != 0)
            k++;
        if (k == sizeof(c->blocks) / sizeof(c->blocks[0]))
            return SHARD_ENOMEM;
        if (k == n)
            memcpy(c->blocks[n++], block, 256);
        c->block_of[i] = (uint8_t)k;
    }
    memcpy(c->ascii, classes, sizeof(c->ascii));
    return SHARD_OK;
}

static int walk(struct char_classes *c, const pcre2_code *code, pcre2_match_data *data)
{
    unsigned char *text = malloc(4 * (size_t)0x40000);
    uint8_t *classes = calloc(0x110000, 1);
    int rc = text != NULL && classes != NULL ? SHARD_OK : SHARD_ENOMEM;

    for (size_t i = 0; i < sizeof(planes) / sizeof(*planes) && rc == SHARD_OK; i++) {
        unsigned char *end = text;

        for (uint32_t p = planes[i].first; p <= planes[i].last; p++)
            end = put_utf8(end, p);
        rc = classify(code, data, text, (size_t)(end - text), classes + planes[i].first);
    }
    for (size_t i = 0; i < sizeof(spaces) / sizeof(*spaces) && rc == SHARD_OK; i++)
        for (uint32_t p = spaces[i].first; p <= spaces[i].last; p++)
            classes[p] |= CHAR_SPACE;
    if (rc == SHARD_OK) {
        classes['\r'] |= CHAR_NEWLINE;
        classes['\n'] |= CHAR_NEWLINE;
        rc = fill(c, classes);
    }
    free(text);
    free(classes);
    return rc;
}

int char_classes_new(struct char_classes **out)
{
    int error;
    size_t offset;
    struct char_classes *c = *out = calloc(1, sizeof(*c));
    pcre2_code *code =
        pcre2_compile((const unsigned char *)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF,
                      &error, &offset, NULL);
    pcre2_match_data *data =
        code != NULL ? pcre2_match_data_create_from_pattern(code, NULL) : NULL;
    int rc = SHARD_ENOMEM;

    if (c != NULL && data != NULL) {
        (void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* slower without */
        rc = walk(c, code, data);
    }
    pcre2_match_data_free(data);
    pcre2_code_free(code);
    if (rc != SHARD_OK) {
        free(c);
        *out = NULL;
    }
    return rc;
}
