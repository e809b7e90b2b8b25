/* SPDX-License-Identifier: Apache-2.0
 * ingest/archive/reader_tar.c - samples out of a tar stream.
 *
 * unpack.c -> tar.c -> group.c. A group is known to be complete when a member with
 * another key arrives, or the archive's end; that member then waits, its body unread,
 * until the next call. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/archive/damage.h"
#include "ingest/archive/group.h"
#include "ingest/hash_set.h"
#include "ingest/archive/key.h"
#include "ingest/readers.h"
#include "ingest/status.h"
#include "ingest/archive/tar.h"
#include "ingest/archive/unpack.h"

/* The last member that is no file and was skipped outside of its group. */
struct stray {
    char *name; /* NULL: there was none */
    size_t name_len, key_len;
    enum tar_kind kind;
};

struct tar_samples {
    struct reader_options options;
    char *image_field; /* options.image_field points here */
    struct damage damage;
    struct unpacker *unpacker;
    struct tar_reader *tar;
    struct group *group;
    struct hash_set keys; /* of all groups so far */
    struct tar_member member;
    struct stray stray;
    struct hash_set strays; /* keys of all of them */
    size_t key_len;         /* member's key: so many bytes of its name */
    bool waiting;           /* the member belongs to the next group */
    bool archive_ended;     /* the end marker was read */
    int status;             /* what next() returns for good, or INGEST_OK */
    struct ingest_totals totals;
    char *partial_key; /* totals.partial_key points here */
    char why[256];
};

/* A field is compared in lower case, without the dot before it. */
static int take_image_field(struct tar_samples *r)
{
    const char *field = r->options.image_field;

    if (!field)
        return INGEST_OK;
    if (reader_image_field_problem(field)) {
        snprintf(r->why, sizeof(r->why), "image field '%s': %s", field,
                 reader_image_field_problem(field));
        return INGEST_EINVAL;
    }
    r->image_field = strdup(field);
    if (!r->image_field)
        return INGEST_ENOMEM;
    for (char *c = r->image_field; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c + 32);
    r->options.image_field = r->image_field;
    return INGEST_OK;
}

static void close_reader(void *state)
{
    struct tar_samples *r = state;

    if (!r)
        return;
    group_close(r->group);
    tar_reader_close(r->tar);
    unpacker_close(r->unpacker);
    hash_set_free(&r->keys);
    hash_set_free(&r->strays);
    free(r->stray.name);
    free(r->partial_key);
    free(r->image_field);
    free(r);
}

static int open_reader(void **state, const struct ingest_source *source,
                       const struct reader_options *options)
{
    struct tar_samples *r = *state = calloc(1, sizeof(*r));
    int rc;

    if (!r)
        return INGEST_ENOMEM;
    r->options = *options;
    rc = take_image_field(r);
    if (rc == INGEST_OK)
        rc = unpacker_open(&r->unpacker, source, options->unpack_memory, &r->damage);
    if (rc == INGEST_OK)
        rc = tar_reader_open(&r->tar, r->unpacker, &r->damage);
    if (rc == INGEST_OK)
        rc = group_open(&r->group, &r->options);
    if (rc == INGEST_ENOMEM) {
        close_reader(r);
        *state = NULL;
    } else {
        r->status = rc;
    }
    return rc;
}

/* Its field begins behind the dot that ends the key. */
static size_t field_at(const struct tar_samples *r)
{
    return r->key_len + 1;
}

/* Why a name is no sample's, or SKIP_NOT; then key_len is set. */
static enum skip_kind skip_of_name(struct tar_samples *r)
{
    const struct tar_member *m = &r->member;

    r->key_len = 0;
    if (key_is_macos(m->name, m->name_len))
        return SKIP_MACOS;
    if (key_is_private(m->name, m->name_len))
        return SKIP_PRIVATE;
    r->key_len = key_length(m->name, m->name_len);
    return r->key_len == 0 ? SKIP_NO_KEY : SKIP_NOT;
}

/* Why the member belongs to no sample, or SKIP_NOT. One that is no file belongs to
 * one where its field is known; else *noted says that its group must hear of it. */
static enum skip_kind skip_of(struct tar_samples *r, bool *noted)
{
    const struct tar_member *m = &r->member;
    bool is_link = m->kind == TAR_HARD_LINK || m->kind == TAR_SYMBOLIC_LINK;
    enum skip_kind by_name;

    *noted = false;
    if (m->kind == TAR_FOLDER)
        return SKIP_FOLDER;
    if (m->kind == TAR_SPECIAL)
        return SKIP_SPECIAL;
    by_name = skip_of_name(r);
    if (m->kind == TAR_DEVICE && by_name != SKIP_NOT)
        return SKIP_SPECIAL;
    if (is_link && by_name == SKIP_NO_KEY)
        return SKIP_LINK; /* the name may be that of a folder */
    if (by_name != SKIP_NOT)
        return by_name;
    if (m->kind == TAR_FILE ||
        group_knows_field(r->group, m->name + field_at(r), m->name_len - field_at(r)))
        return SKIP_NOT;
    *noted = true;
    return is_link ? SKIP_LINK : SKIP_SPECIAL;
}

static bool is_in_group(const struct tar_samples *r)
{
    return group_is_open(r->group) && group_has_key(r->group, r->member.name, r->key_len);
}

/* Tells the group of a member that is skipped, or keeps it for a group that follows. */
static int note_skipped(struct tar_samples *r)
{
    const struct tar_member *m = &r->member;

    if (is_in_group(r)) {
        group_note_skipped(r->group, m->name + field_at(r), m->name_len - field_at(r),
                           m->kind);
        return INGEST_OK;
    }
    free(r->stray.name);
    r->stray.name = malloc(m->name_len);
    if (!r->stray.name)
        return INGEST_ENOMEM;
    memcpy(r->stray.name, m->name, m->name_len);
    r->stray.name_len = m->name_len;
    r->stray.key_len = r->key_len;
    r->stray.kind = m->kind;
    return hash_set_add(&r->strays, m->name, r->key_len);
}

/* Reads up to the next member of a sample. */
static int next_member(struct tar_samples *r)
{
    int rc;

    while ((rc = tar_reader_next(r->tar, &r->member)) == INGEST_OK) {
        bool noted;
        enum skip_kind skip = skip_of(r, &noted);

        /* Behind its group, and the group may have taken another image. */
        if (noted && !is_in_group(r) &&
            hash_set_has(&r->keys, r->member.name, r->key_len))
            return INGEST_OK;
        if (skip == SKIP_NOT)
            return INGEST_OK;
        r->totals.skipped_members++;
        r->totals.skipped[skip]++;
        if (noted && (rc = note_skipped(r)) < 0)
            return rc;
    }
    return rc;
}

/* Tells a new group of what was skipped before it. */
static void recall_stray(struct tar_samples *r)
{
    const struct stray *stray = &r->stray;
    size_t field = stray->key_len + 1;

    if (stray->name && group_has_key(r->group, stray->name, stray->key_len))
        group_note_skipped(r->group, stray->name + field, stray->name_len - field,
                           stray->kind);
    else if (hash_set_has(&r->strays, r->member.name, r->key_len))
        group_note_apart(r->group);
}

static int begin_group(struct tar_samples *r)
{
    const char *key = r->member.name;
    int rc = hash_set_add(&r->keys, key, r->key_len);

    if (rc >= 0)
        rc = group_begin(r->group, key, r->key_len, rc == 0);
    if (rc == INGEST_OK)
        recall_stray(r);
    return rc;
}

/* Gives the member to the group, or makes it wait where it begins the next one. */
static int place_member(struct tar_samples *r)
{
    const struct tar_member *m = &r->member;
    int rc;

    r->waiting = false;
    if (!group_is_open(r->group)) {
        rc = begin_group(r);
        if (rc < 0)
            return rc;
    } else if (!group_has_key(r->group, m->name, r->key_len)) {
        r->waiting = true;
        return INGEST_OK;
    }
    rc = group_claim(r->group, m->name + field_at(r), m->name_len - field_at(r));
    if (rc == 0)
        r->waiting = true;
    return rc == 1 ? group_add(r->group, m, r->tar) : rc;
}

/* INGEST_OK: the open group is complete. INGEST_END: there is none. */
static int collect(struct tar_samples *r)
{
    int rc = r->waiting ? place_member(r) : INGEST_OK;

    while (rc == INGEST_OK && !r->waiting && !r->archive_ended) {
        rc = next_member(r);
        if (rc == INGEST_OK) {
            rc = place_member(r);
        } else if (rc == INGEST_END) {
            r->archive_ended = true;
            rc = INGEST_OK;
        }
    }
    if (rc != INGEST_OK || group_is_open(r->group))
        return rc;
    rc = tar_reader_finish(r->tar);
    return rc == INGEST_OK ? INGEST_END : rc;
}

/* Notes the damage, and whose group it cut. The damage ends the input, but the input is
 * still read to its end: its hash is then that of all its bytes. */
static int note_damage(struct tar_samples *r)
{
    int rc;

    r->totals.damaged = true;
    r->totals.damage_offset = r->damage.offset;
    snprintf(r->totals.damage, sizeof(r->totals.damage), "%s", r->damage.what);
    if (group_is_open(r->group)) {
        r->partial_key = group_printable_key(r->group);
        r->totals.partial_key = r->partial_key;
        if (!r->partial_key)
            return INGEST_ENOMEM;
    }
    rc = unpacker_drain(r->unpacker);
    return rc < 0 ? rc : INGEST_END;
}

static int read_sample(struct tar_samples *r, struct ingest_sample *s)
{
    int rc;

    if (r->options.limit > 0 && r->totals.groups == r->options.limit)
        return INGEST_END;
    rc = collect(r);
    if (rc == INGEST_DAMAGED)
        rc = note_damage(r);
    if (rc != INGEST_OK)
        return rc;
    rc = group_finish(r->group, s, &r->totals);
    if (rc < 0)
        ingest_sample_clear(s);
    else
        s->index = r->totals.groups++;
    return rc;
}

static int next_sample(void *state, struct ingest_sample *s)
{
    struct tar_samples *r = state;

    *s = (struct ingest_sample){0};
    if (r->status == INGEST_OK) {
        r->status = read_sample(r, s);
        if (r->status < 0)
            snprintf(r->why, sizeof(r->why), "%s",
                     r->status == INGEST_ENOMEM ? ingest_strerror(r->status)
                                                : unpacker_why(r->unpacker));
    }
    return r->status;
}

static const struct ingest_totals *totals(const void *state)
{
    return &((const struct tar_samples *)state)->totals;
}

static const char *why(const void *state)
{
    return state ? ((const struct tar_samples *)state)->why
                 : ingest_strerror(INGEST_ENOMEM);
}

const struct reader reader_tar = {.name = "tar",
                                  .suffix = ".tar",
                                  .short_suffix = ".tgz",
                                  .has_images = true,
                                  .open = open_reader,
                                  .next = next_sample,
                                  .totals = totals,
                                  .why = why,
                                  .close = close_reader};
