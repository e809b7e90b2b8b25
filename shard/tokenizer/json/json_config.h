/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/json/json_config.h - internal to shard/: reading a configuration in
 * JSON of which nothing may be passed over.
 *
 * The first fault stays in the struct with the path to it, as in
 *     pre_tokenizer.pretokenizers[1].type: "BertPreTokenizer" is not supported
 * and what is read after it is false, 0 or NULL. Whoever reads an object names all
 * members that it knows; any other is a fault. */
#ifndef SHARD_TOKENIZER_JSON_JSON_CONFIG_H
#define SHARD_TOKENIZER_JSON_JSON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct json_config {
    char path[160]; /* of what is read now */
    size_t path_len;
    char *why; /* cap bytes for the words */
    size_t cap;
    int rc; /* SHARD_OK, or of the first fault: SHARD_EMODEL or SHARD_ENOMEM */
};

/* Keeps "path: words", if there was no fault yet. The words end up one line
 * of UTF-8. */
void json_config_refuse(struct json_config *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* No memory; the same. */
void json_config_no_memory(struct json_config *c);

/* Goes down into a member, or an element; returns the length of the path to leave() to.
 */
size_t json_config_enter(struct json_config *c, const char *key);
size_t json_config_enter_at(struct json_config *c, size_t index);
void json_config_leave(struct json_config *c, size_t path_len);

/* Faults members beside those of `names`, which ends in NULL, and what is no object. */
void json_config_only(struct json_config *c, const json_t *object,
                      const char *const *names);

/* Member `key`, of its type. Strings and arrays are lent by the object. */
const char *json_config_string(struct json_config *c, const json_t *object,
                               const char *key, size_t *len);
/* The same; NULL also where it is absent or null. */
const char *json_config_string_or_null(struct json_config *c, const json_t *object,
                                       const char *key, size_t *len);
/* The same as json_config_string(), copied: gives memory, with a NUL behind its *len
 * bytes (release with free()). */
char *json_config_copy_string(struct json_config *c, const json_t *object,
                              const char *key, size_t *len);
bool json_config_bool(struct json_config *c, const json_t *object, const char *key);
bool json_config_bool_or(struct json_config *c, const json_t *object, const char *key,
                         bool absent);
/* 0 to max. */
uint32_t json_config_integer(struct json_config *c, const json_t *object, const char *key,
                             uint32_t max);
const json_t *json_config_array(struct json_config *c, const json_t *object,
                                const char *key);
/* Reads with read() all elements of array `key` of an object that has beside it only its
 * type, up to the first fault. */
void json_config_sequence(struct json_config *c, const json_t *object, const char *key,
                          void (*read)(struct json_config *c, const json_t *value,
                                       void *to),
                          void *to);
/* Reads with read() what the file has under `name`, unless it is not there or null. */
void json_config_step(struct json_config *c, const char *name, const json_t *value,
                      void (*read)(struct json_config *c, const json_t *value, void *to),
                      void *to);
/* Faults a member that is there and not null. */
void json_config_null(struct json_config *c, const json_t *object, const char *key,
                      const char *advice);

/* Member "type" is the index of one of the names (which end in NULL); -1 and a fault:
 * none of them. */
int json_config_type(struct json_config *c, const json_t *object,
                     const char *const *names);

#endif
