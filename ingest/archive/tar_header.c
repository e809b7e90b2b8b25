/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/archive/tar_header.h"

#include <string.h>

enum field { /* offset and width of what is used */
             NAME_AT = 0,
             NAME_LEN = 100,
             SIZE_AT = 124,
             SIZE_LEN = 12,
             CHECKSUM_AT = 148,
             CHECKSUM_LEN = 8,
             TYPE_AT = 156,
             MAGIC_AT = 257,
             PREFIX_AT = 345,
             PREFIX_LEN = 155,
             GNU_EXTENDED_AT = 482
};

bool tar_block_is_zero(const unsigned char block[TAR_BLOCK])
{
    return block[0] == 0 && memcmp(block, block + 1, TAR_BLOCK - 1) == 0;
}

/* Octal digits between optional blanks, up to a blank, a NUL or the field's end. An
 * empty field is 0. */
static bool parse_octal(const unsigned char *p, size_t len, uint64_t *value)
{
    size_t i = 0;

    *value = 0;
    while (i < len && p[i] == ' ')
        i++;
    for (; i < len && p[i] >= '0' && p[i] <= '7'; i++) {
        if (*value > TAR_MAX_SIZE / 8)
            return false;
        *value = *value * 8 + (p[i] - '0');
    }
    return i == len || p[i] == ' ' || p[i] == '\0';
}

/* GNU's base 256: the first byte is 0x80, the rest a big-endian number. */
static bool parse_size(const unsigned char *p, size_t len, uint64_t *value)
{
    if (p[0] < 0x80)
        return parse_octal(p, len, value) && *value <= TAR_MAX_SIZE;
    if (p[0] != 0x80)
        return false;
    *value = 0;
    for (size_t i = 1; i < len; i++) {
        if (*value > TAR_MAX_SIZE / 256)
            return false;
        *value = *value * 256 + p[i];
    }
    return *value <= TAR_MAX_SIZE;
}

/* The checksum field counts as blanks. Some old tars summed signed bytes. */
static bool checksum_ok(const unsigned char block[TAR_BLOCK])
{
    uint64_t stored;
    uint64_t sum = 0;
    int64_t signed_sum = 0;

    if (!parse_octal(block + CHECKSUM_AT, CHECKSUM_LEN, &stored))
        return false;
    for (size_t i = 0; i < TAR_BLOCK; i++) {
        bool own = i >= CHECKSUM_AT && i < CHECKSUM_AT + CHECKSUM_LEN;
        unsigned c = own ? ' ' : block[i];
        sum += c;
        signed_sum += c < 128 ? (int)c : (int)c - 256;
    }
    return stored == sum || (int64_t)stored == signed_sum;
}

/* "ustar\0" or "ustar" of early writers: the prefix field counts. GNU's "ustar  " keeps
 * other things there, tar of Version 7 nothing. */
static bool has_prefix(const unsigned char block[TAR_BLOCK])
{
    return memcmp(block + MAGIC_AT, "ustar", 5) == 0 &&
           memcmp(block + MAGIC_AT, "ustar  ", 7) != 0 && block[PREFIX_AT] != '\0';
}

const char *tar_header_parse(const unsigned char block[TAR_BLOCK], struct tar_header *h)
{
    const char *text = (const char *)block;
    size_t n;

    *h = (struct tar_header){.type = text[TYPE_AT]};
    if (!checksum_ok(block))
        return "bad header checksum";
    if (!parse_size(block + SIZE_AT, SIZE_LEN, &h->size))
        return "bad size in a header";
    if (has_prefix(block)) {
        h->name_len = strnlen(text + PREFIX_AT, PREFIX_LEN);
        memcpy(h->name, text + PREFIX_AT, h->name_len);
        h->name[h->name_len++] = '/';
    }
    n = strnlen(text + NAME_AT, NAME_LEN);
    memcpy(h->name + h->name_len, text + NAME_AT, n);
    h->name_len += n;
    if (h->type == '\0') /* Version 7 marks a folder by its name */
        h->type = n > 0 && text[NAME_AT + n - 1] == '/' ? '5' : '0';
    h->more_blocks = h->type == 'S' && block[GNU_EXTENDED_AT] != 0;
    return NULL;
}

static bool parse_decimal(const char *p, size_t len, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < len; i++) {
        if (p[i] < '0' || p[i] > '9' || *value > TAR_MAX_SIZE / 10)
            return false;
        *value = *value * 10 + (uint64_t)(p[i] - '0');
    }
    return len > 0 && *value <= TAR_MAX_SIZE;
}

/* An empty value takes an earlier one back. */
static void set_path(struct tar_pax *pax, const char *value, size_t len)
{
    pax->path = len > 0 ? value : NULL;
    pax->path_len = len;
}

static bool apply(struct tar_pax *pax, const char *key, size_t key_len, const char *value,
                  size_t len)
{
    static const char gnu_sparse[] = "GNU.sparse.";
    static const char gnu_name[] = "GNU.sparse.name";
    static const char gnu_volume[] = "GNU.volume.filename";

    if (key_len == 4 && memcmp(key, "path", 4) == 0) {
        if (!pax->sparse || !pax->path)
            set_path(pax, value, len);
    } else if (key_len == 4 && memcmp(key, "size", 4) == 0) {
        pax->has_size = len > 0;
        return len == 0 || parse_decimal(value, len, &pax->size);
    } else if (key_len >= sizeof(gnu_sparse) - 1 &&
               memcmp(key, gnu_sparse, sizeof(gnu_sparse) - 1) == 0) {
        pax->sparse = true;
        if (key_len == sizeof(gnu_name) - 1 && memcmp(key, gnu_name, key_len) == 0)
            set_path(pax, value, len);
    } else if (key_len == sizeof(gnu_volume) - 1 &&
               memcmp(key, gnu_volume, key_len) == 0) {
        pax->volume_file = len > 0 ? value : NULL;
        pax->volume_file_len = len;
    }
    return true;
}

bool tar_pax_parse(const char *text, size_t len, struct tar_pax *pax)
{
    *pax = (struct tar_pax){0};
    while (len > 0) {
        const char *blank = memchr(text, ' ', len < 20 ? len : 20);
        const char *equals;
        uint64_t n;

        if (!blank || !parse_decimal(text, (size_t)(blank - text), &n))
            return false;
        if (n > len || n < (uint64_t)(blank - text) + 3 || text[n - 1] != '\n')
            return false;
        equals = memchr(blank + 1, '=', (size_t)(text + n - 1 - (blank + 1)));
        if (!equals || !apply(pax, blank + 1, (size_t)(equals - (blank + 1)), equals + 1,
                              (size_t)(text + n - 1 - (equals + 1))))
            return false;
        text += n;
        len -= n;
    }
    return true;
}
