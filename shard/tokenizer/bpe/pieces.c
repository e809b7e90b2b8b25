/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/bpe/pieces.c - a vocabulary: all pieces in one memory, an offset an id,
 * and an open-addressing table of ids by the pieces' hash. */
#include "shard/tokenizer/bpe/pieces.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "shard/status.h"

struct place {
    uint32_t len;
    bool taken;
    size_t at;
};

struct pieces {
    char *bytes;
    size_t n_bytes, cap_bytes;
    struct place *places; /* by id */
    size_t end, cap_places;
    uint32_t *slots; /* id + 1; 0: free */
    size_t n_slots;  /* a power of two, or 0 */
    size_t n;
};

uint32_t pieces_highest_id(size_t n_pieces)
{
    const size_t id = n_pieces < PIECES_MAX_ID ? 4 * n_pieces + (1 << 18) : PIECES_MAX_ID;

    return id < PIECES_MAX_ID ? (uint32_t)id : PIECES_MAX_ID;
}

struct pieces *pieces_new(void)
{
    return calloc(1, sizeof(struct pieces));
}

void pieces_free(struct pieces *p)
{
    if (p == NULL)
        return;
    free(p->bytes);
    free(p->places);
    free(p->slots);
    free(p);
}

/* The slot of this piece, or the free one where it belongs. */
static size_t find_slot(const struct pieces *p, const char *bytes, size_t len)
{
    size_t i = (size_t)XXH3_64bits(bytes, len) & (p->n_slots - 1);

    for (; p->slots[i] != 0; i = (i + 1) & (p->n_slots - 1)) {
        const struct place *at = &p->places[p->slots[i] - 1];

        if (at->len == len && memcmp(p->bytes + at->at, bytes, len) == 0)
            break;
    }
    return i;
}

static int grow_slots(struct pieces *p)
{
    const size_t n = p->n_slots > 0 ? 2 * p->n_slots : 1024;
    uint32_t *slots = calloc(n, sizeof(*slots));

    if (slots == NULL)
        return SHARD_ENOMEM;
    free(p->slots);
    p->slots = slots;
    p->n_slots = n;
    for (size_t id = 0; id < p->end; id++)
        if (p->places[id].taken)
            slots[find_slot(p, p->bytes + p->places[id].at, p->places[id].len)] =
                (uint32_t)id + 1;
    return SHARD_OK;
}

static int grow_places(struct pieces *p, size_t end)
{
    if (end <= p->cap_places)
        return SHARD_OK;
    const size_t cap = end + end / 2 + 256;
    struct place *places = realloc(p->places, cap * sizeof(*places));
    if (places == NULL)
        return SHARD_ENOMEM;
    memset(places + p->cap_places, 0, (cap - p->cap_places) * sizeof(*places));
    p->places = places;
    p->cap_places = cap;
    return SHARD_OK;
}

static int grow_bytes(struct pieces *p, size_t len)
{
    if (len > UINT32_MAX || p->n_bytes > SIZE_MAX / 4 - len)
        return SHARD_EINVAL;
    if (p->n_bytes + len <= p->cap_bytes)
        return SHARD_OK;
    const size_t cap = p->n_bytes + len + p->n_bytes / 2 + 4096;
    char *bytes = realloc(p->bytes, cap);
    if (bytes == NULL)
        return SHARD_ENOMEM;
    p->bytes = bytes;
    p->cap_bytes = cap;
    return SHARD_OK;
}

/* Room for one piece of len bytes with this id. */
static int make_room(struct pieces *p, uint32_t id, size_t len)
{
    int rc = grow_places(p, (size_t)id + 1);

    if (rc == SHARD_OK && p->n >= p->n_slots / 2)
        rc = grow_slots(p);
    return rc == SHARD_OK ? grow_bytes(p, len + 1) : rc;
}

int pieces_add(struct pieces *p, uint32_t id, const char *bytes, size_t len)
{
    if (id > PIECES_MAX_ID || (id < p->end && p->places[id].taken))
        return SHARD_EINVAL;
    const int rc = make_room(p, id, len);
    if (rc != SHARD_OK)
        return rc;
    const size_t slot = find_slot(p, bytes, len);
    if (p->slots[slot] != 0)
        return SHARD_EINVAL;
    p->places[id] = (struct place){(uint32_t)len, true, p->n_bytes};
    memcpy(p->bytes + p->n_bytes, bytes, len);
    p->bytes[p->n_bytes + len] = '\0';
    p->n_bytes += len + 1;
    p->slots[slot] = id + 1;
    p->n++;
    if (id >= p->end)
        p->end = (size_t)id + 1;
    return SHARD_OK;
}

uint32_t pieces_end(const struct pieces *p)
{
    return (uint32_t)p->end;
}

const char *pieces_get(const struct pieces *p, uint32_t id, size_t *len)
{
    *len = 0;
    if (id >= p->end || !p->places[id].taken)
        return NULL;
    *len = p->places[id].len;
    return p->bytes + p->places[id].at;
}

int64_t pieces_find(const struct pieces *p, const char *bytes, size_t len)
{
    return p->n_slots > 0 ? (int64_t)p->slots[find_slot(p, bytes, len)] - 1 : -1;
}
