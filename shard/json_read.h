/* SPDX-License-Identifier: Apache-2.0
 * shard/json_read.h - internal to shard/: members of JSON objects, each with its type.
 *
 * The first fault stays in the struct, and what is read after it is 0, NULL or what
 * stands there: whoever reads an object asks for all of it and looks at `rc` once. */
#ifndef SHARD_JSON_READ_H
#define SHARD_JSON_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct shard_json {
    const char *where; /* what is read now, "the header": an error begins with it */
    int refused;       /* the status of what is not as it must be */
    char *why;         /* cap bytes for the words */
    size_t cap;
    int rc; /* SHARD_OK, or of the first fault: SHARD_ENOMEM or `refused` */
};

/* Keeps the words, if there was no fault yet. */
void shard_json_refuse(struct shard_json *j, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Gives the object that the text is (release with json_decref()), nested at most
 * max_depth deep; or NULL: j->rc. */
json_t *shard_json_parse(struct shard_json *j, const char *text, size_t len,
                         size_t max_depth);

/* Gives n objects of `size` bytes, all 0 (release with free()), never NULL but with
 * j->rc SHARD_ENOMEM. */
void *shard_json_alloc(struct shard_json *j, size_t n, size_t size);

/* Neither absent nor null. */
bool shard_json_has(const json_t *object, const char *key);

/* These must be there. Strings and arrays are lent by the object. */
const char *shard_json_string(struct shard_json *j, const json_t *object,
                              const char *key);
int64_t shard_json_integer(struct shard_json *j, const json_t *object, const char *key,
                           int64_t max); /* 0 to max; else 0 */
bool shard_json_bool(struct shard_json *j, const json_t *object, const char *key);
/* At most `max` elements, *n of them; else NULL and 0. */
const json_t *shard_json_array(struct shard_json *j, const json_t *object,
                               const char *key, size_t max, size_t *n);

#endif
