/* SPDX-License-Identifier: Apache-2.0
 * shard/file/wire.h - internal to shard/: little-endian numbers at any address, and a
 * cursor that reads them out of foreign bytes without ever leaving them. */
#ifndef SHARD_FILE_WIRE_H
#define SHARD_FILE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "numbers in memory are numbers in the file");

static inline uint16_t wire_load_u16(const unsigned char *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint32_t wire_load_u32(const unsigned char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint64_t wire_load_u64(const unsigned char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

/* The put functions return the address behind what they wrote. */
static inline unsigned char *wire_put_u16(unsigned char *p, uint16_t v)
{
    memcpy(p, &v, sizeof(v));
    return p + sizeof(v);
}

static inline unsigned char *wire_put_u32(unsigned char *p, uint32_t v)
{
    memcpy(p, &v, sizeof(v));
    return p + sizeof(v);
}

static inline unsigned char *wire_put_u64(unsigned char *p, uint64_t v)
{
    memcpy(p, &v, sizeof(v));
    return p + sizeof(v);
}

static inline unsigned char *wire_put_bytes(unsigned char *p, const void *data,
                                            size_t len)
{
    if (len > 0)
        memcpy(p, data, len);
    return p + len;
}

/* Once a read would leave the bytes, bad is set and every later read gives zeros. */
struct wire_cursor {
    const unsigned char *p;
    size_t left;
    bool bad;
};

/* `len` bytes, lent; NULL where there are not as many. */
static inline const unsigned char *wire_take(struct wire_cursor *c, uint64_t len)
{
    const unsigned char *p = c->p;

    if (c->bad || len > c->left) {
        c->bad = true;
        return NULL;
    }
    c->p += len;
    c->left -= (size_t)len;
    return p;
}

static inline uint16_t wire_take_u16(struct wire_cursor *c)
{
    const unsigned char *p = wire_take(c, 2);
    return p != NULL ? wire_load_u16(p) : 0;
}

static inline uint32_t wire_take_u32(struct wire_cursor *c)
{
    const unsigned char *p = wire_take(c, 4);
    return p != NULL ? wire_load_u32(p) : 0;
}

static inline uint64_t wire_take_u64(struct wire_cursor *c)
{
    const unsigned char *p = wire_take(c, 8);
    return p != NULL ? wire_load_u64(p) : 0;
}

/* A string of `len` bytes and the zero behind it; NULL where the zero is missing. */
static inline const char *wire_take_string(struct wire_cursor *c, uint64_t len)
{
    const unsigned char *p = wire_take(c, len);
    const unsigned char *zero = wire_take(c, 1);

    if (zero == NULL || *zero != 0) {
        c->bad = true;
        return NULL;
    }
    return (const char *)p;
}

#endif
