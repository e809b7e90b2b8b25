/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/sample.h - one sample on its way through the conveyor. Start reading
 * here.
 *
 * It has the shape of the record that it becomes: a list of parts, the renditions of its
 * images, their tensors, and one reject. A fixed number of samples goes round: `read`
 * fills `in`; `encode` adds to each part what is made of it: a text's ids, an image's
 * renditions and tensors; `write` puts samples in order of (unit, seq) and into a shard
 * or the rejects. Each field says who writes it; whoever holds the sample owns all of it.
 */
#ifndef TOOLS_PREPARE_SAMPLE_H
#define TOOLS_PREPARE_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/ingest_sample.h"
#include "shard/record.h"

struct unit;

/* What is made of one part. */
struct sample_part {
    /* text: one array an alternative; NULL without a tokenizer */
    uint32_t **ids;
    uint32_t *n_ids;
    /* image: */
    uint32_t width, height;   /* pixels, oriented */
    unsigned char sha256[32]; /* of the encoded bytes */
    bool upscaled;            /* one of its renditions is larger than the source */
    bool broken_profile;      /* an ICC profile was ignored because it is broken */
    /* for encoders of later stages: NULL, or the pixels of all its fittings (fittings.h),
     * in pixel_memory, */
    const uint8_t *pixels;
    uint32_t first_rendition; /* and the first of its renditions */
};

/* What is made of one image at most: of all samples of a run. */
struct sample_room {
    size_t n_renditions, n_tensors;
    /* of the tensors together, as stored, but those that are files, and about what those
     * have at most: */
    size_t tensor_bytes, file_bytes;
    size_t pixel_bytes; /* of what it is given to later stages as; 0: no such stage */
};

/* What one image needs lives as long as the sample, so that it does not grow while
 * images are read. What more of them need is counted with what was read (`held`), and
 * goes with them. */
struct sample_memory {
    unsigned char *bytes;
    size_t used, cap;
    size_t kept;         /* cap for one image */
    unsigned char *lent; /* those bytes, where they are not its own; NULL: they are */
};

struct sample {
    /* read: */
    struct unit *unit;
    uint64_t seq;            /* place in the unit: every number from 0 is used once */
    bool end_of_unit;        /* no sample: the unit's totals are final */
    struct ingest_sample in; /* `encode` parses it; in.reject names why it ends in the
                              * rejects, whoever found it */
    uint32_t rejected_part;  /* (encode) what in.reject is about: sample_reject() */
    uint64_t held;           /* bytes taken from the budget of what was read */
    uint64_t held_images; /* of those, for encoded images: none for what parse() adds */

    /* encode: */
    struct sample_part *parts; /* in.n_parts */
    size_t n_renditions;
    struct shard_rendition *renditions;
    size_t n_tensors;
    struct shard_tensor *tensors; /* data is in tensor_memory, but files own theirs */
    struct sample_memory tensor_memory, pixel_memory;

    /* device (stage_device.c), of the one that has it: */
    size_t n_unanswered; /* images */
    bool is_shared;      /* several of its workers have some of these: device_lock() */

    /* write: */
    struct sample *next; /* in the unit's list of samples that wait for an earlier one */
};

/* Gives a sample with room for what is made of one image (release with sample_free()), or
 * NULL: no memory. Keeps `pixels`, room->pixel_bytes for those of one image; NULL: it
 * makes room itself. */
struct sample *sample_new(const struct sample_room *room, unsigned char *pixels);

/* To be called once, when the parts of s->in are known: gives each of them a struct
 * sample_part, and room for what is made of all images. Returns 0, or -1: no memory. */
int sample_make_room(struct sample *s, const struct sample_room *room);

/* Adds a tensor, all of it but `data`: that is room for n_bytes, and is returned for the
 * caller to write to. sample_make_room() has made room for it. They may be added in any
 * order, as batches end, and stand in that of a row. */
void *sample_add_tensor(struct sample *s, const struct shard_tensor *t);

/* Adds a file, whose `data` it takes: it was malloc'ed, and goes with the sample. */
void sample_take_file(struct sample *s, const struct shard_tensor *t);

/* Room for the pixels of one image: sample_make_room() has made it. */
uint8_t *sample_add_pixels(struct sample *s, size_t n_bytes);

/* Rejects the sample for one of its parts. Of several bad parts the first one counts,
 * whichever was found first: that depends on batches. */
void sample_reject(struct sample *s, uint32_t part, const struct reject *why);

/* Frees all but the memory for one image and makes every field zero, so that
 * nothing of this sample is found in the next one. The one place that gives a sample's
 * memory back. */
void sample_clear(struct sample *s);

void sample_free(struct sample *s); /* accepts NULL */

#endif
