/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/make_tar.h - tar archives in memory, also wrong ones. For unit tests: what
 * fails, aborts. */
#ifndef TESTS_MAKE_TAR_H
#define TESTS_MAKE_TAR_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/status.h"
#include "tests/unit/memory_input.h"

/* Grows by itself; all zero: empty. Free `bytes`. */
struct made_tar {
    unsigned char *bytes;
    size_t len;
};

static inline void tar_put(struct made_tar *t, const void *bytes, size_t len)
{
    t->bytes = realloc(t->bytes, t->len + len + 1);
    if (!t->bytes)
        abort();
    if (bytes)
        memcpy(t->bytes + t->len, bytes, len);
    else
        memset(t->bytes + t->len, 0, len);
    t->len += len;
}

static inline void tar_set_checksum(unsigned char *block)
{
    unsigned sum = 0;

    memset(block + 148, ' ', 8);
    for (int i = 0; i < 512; i++)
        sum += block[i];
    snprintf((char *)block + 148, 8, "%06o", sum);
}

/* A ustar header whose name may be any bytes, 100 at most. */
static inline void tar_put_header(struct made_tar *t, const char *name, size_t name_len,
                                  char type, uint64_t size)
{
    unsigned char block[512] = {0};

    memcpy(block, name, name_len);
    snprintf((char *)block + 100, 8, "0000644");
    snprintf((char *)block + 124, 12, "%011llo",
             (unsigned long long)(size & 077777777777));
    block[156] = (unsigned char)type;
    memcpy(block + 257, "ustar\00000", 8);
    tar_set_checksum(block);
    tar_put(t, block, sizeof(block));
}

static inline void tar_put_body(struct made_tar *t, const void *body, size_t len)
{
    tar_put(t, body, len);
    tar_put(t, NULL, (512 - len % 512) % 512);
}

static inline void tar_put_member(struct made_tar *t, const char *name, char type,
                                  const void *body, size_t len)
{
    tar_put_header(t, name, strlen(name), type, len);
    tar_put_body(t, body, len);
}

static inline void tar_put_text(struct made_tar *t, const char *name, const char *text)
{
    tar_put_member(t, name, '0', text, strlen(text));
}

static inline void tar_put_image(struct made_tar *t, const char *name)
{
    tar_put_member(t, name, '0', "\xFF\xD8\xFF\xE0 no more of it", 19);
}

/* KEY.jpg and KEY.txt. */
static inline void tar_put_pair(struct made_tar *t, const char *key)
{
    char name[100];

    snprintf(name, sizeof(name), "%s.jpg", key);
    tar_put_image(t, name);
    snprintf(name, sizeof(name), "%s.txt", key);
    tar_put_text(t, name, "a cat\n");
}

/* One "LENGTH KEY=VALUE" record as an extended header. */
static inline void tar_put_pax(struct made_tar *t, const char *key, const char *value)
{
    char record[2048];
    size_t body = strlen(key) + strlen(value) + 3;
    size_t len = body + 1;

    while (len != body + (size_t)snprintf(NULL, 0, "%zu", len))
        len++;
    snprintf(record, sizeof(record), "%zu %s=%s\n", len, key, value);
    tar_put_member(t, "PaxHeaders/x", 'x', record, len);
}

static inline void tar_put_end(struct made_tar *t)
{
    tar_put(t, NULL, 1024);
}

#endif
