/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/run/input_probe.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

enum { PIECE_LOG2 = 16, ALL = 3 * PROBE_PIECE };

/* The k of the middle piece's place 2^k; n > ALL. */
static unsigned middle_log2(uint64_t n)
{
    unsigned k = PIECE_LOG2;

    while (n >> (k + 2) > 0)
        k++;
    return k;
}

static void hash(const unsigned char *bytes, size_t len, char hex[PROBE_HEX_CAP])
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, len));
    for (size_t i = 0; i < sizeof(canonical.digest); i++)
        snprintf(hex + 2 * i, 3, "%02x", canonical.digest[i]);
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Keeps what falls into [at, at + cap) of the `len` bytes that begin at p->n. */
static void keep(const struct input_probe *p, const unsigned char *bytes, size_t len,
                 uint64_t at, unsigned char *to, size_t cap)
{
    uint64_t from = p->n > at ? p->n : at;
    uint64_t end = min_u64(p->n + len, at + cap);

    if (from < end)
        memcpy(to + (from - at), bytes + (from - p->n), end - from);
}

static void keep_last(struct input_probe *p, const unsigned char *bytes, size_t len)
{
    size_t skip = len > PROBE_PIECE ? len - PROBE_PIECE : 0;
    size_t at = (p->n + skip) % PROBE_PIECE;
    size_t n = len - skip;
    size_t first = min_u64(n, PROBE_PIECE - at);

    memcpy(p->last + at, bytes + skip, first);
    memcpy(p->last, bytes + skip + first, n - first);
}

void input_probe_update(struct input_probe *p, const void *bytes, size_t len)
{
    if (len == 0)
        return;
    keep(p, bytes, len, 0, p->head, sizeof(p->head));
    /* Two places at most can still be the middle of what has passed; a later one takes
     * the memory of an earlier one, which it has ruled out by then. */
    for (unsigned k = PIECE_LOG2; k < 64 && (uint64_t)1 << k < p->n + len; k++)
        keep(p, bytes, len, (uint64_t)1 << k, p->middle[k % 2], PROBE_PIECE);
    keep_last(p, bytes, len);
    p->n += len;
}

void input_probe_hex(struct input_probe *p, char hex[PROBE_HEX_CAP])
{
    size_t at = p->n % PROBE_PIECE;
    unsigned char *last = p->head + 2 * PROBE_PIECE;

    if (p->n > ALL) {
        memcpy(p->head + PROBE_PIECE, p->middle[middle_log2(p->n) % 2], PROBE_PIECE);
        memcpy(last, p->last + at, PROBE_PIECE - at);
        memcpy(last + (PROBE_PIECE - at), p->last, at);
    }
    hash(p->head, (size_t)min_u64(p->n, ALL), hex);
}

static bool read_at(int fd, unsigned char *to, size_t len, uint64_t offset)
{
    while (len > 0) {
        ssize_t n = pread(fd, to, len, (off_t)offset);

        if (n == 0)
            errno = ENODATA;
        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        if (n > 0) {
            to += n;
            len -= (size_t)n;
            offset += (uint64_t)n;
        }
    }
    return true;
}

int input_probe_file(int fd, uint64_t n, char hex[PROBE_HEX_CAP])
{
    unsigned char *pieces = malloc(ALL);
    bool ok = false;

    if (pieces && n <= ALL)
        ok = read_at(fd, pieces, (size_t)n, 0);
    else if (pieces)
        ok = read_at(fd, pieces, PROBE_PIECE, 0) &&
             read_at(fd, pieces + PROBE_PIECE, PROBE_PIECE,
                     (uint64_t)1 << middle_log2(n)) &&
             read_at(fd, pieces + 2 * PROBE_PIECE, PROBE_PIECE, n - PROBE_PIECE);
    if (ok)
        hash(pieces, (size_t)min_u64(n, ALL), hex);
    free(pieces);
    return ok ? 0 : -1;
}
