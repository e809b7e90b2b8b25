/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads a JPEG's markers up to its first scan: size, components, how much memory the
 * scans' layout will need, EXIF orientation, ICC profile. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/image/exif.h"
#include "ingest/image/header_format.h"
#include "ingest/image/image_header.h"
#include "ingest/status.h"

enum {
    M_SOF0 = 0xC0,
    M_SOF15 = 0xCF,
    M_DHT = 0xC4,
    M_JPG = 0xC8,
    M_DAC = 0xCC,
    M_RST0 = 0xD0,
    M_SOI = 0xD8,
    M_EOI = 0xD9,
    M_SOS = 0xDA,
    M_APP1 = 0xE1,
    M_APP2 = 0xE2,
    M_TEM = 0x01
};

static const char icc_tag[12] = "ICC_PROFILE";

struct segment {
    int marker;
    const uint8_t *data;
    size_t len;
};

struct cursor {
    const uint8_t *at, *end;
};

static bool has_no_length(int marker)
{
    return marker == M_TEM || (marker >= M_RST0 && marker <= M_SOI);
}

/* The next marker with a length; bytes before a marker are skipped, and a length that
 * does not cover itself is taken for one that does, as libjpeg does. False at the end of
 * the data or of the image. */
static bool next_segment(struct cursor *c, struct segment *s)
{
    for (;;) {
        while (c->at < c->end && *c->at != 0xFF)
            c->at++;
        while (c->at < c->end && *c->at == 0xFF)
            c->at++;
        if (c->at == c->end)
            return false;
        s->marker = *c->at++;
        if (s->marker == M_EOI)
            return false;
        if (s->marker != 0 && !has_no_length(s->marker))
            break;
    }
    if (c->end - c->at < 2)
        return false;
    size_t len = (size_t)c->at[0] << 8 | c->at[1];
    len = len < 2 ? 2 : len;
    if (len > (size_t)(c->end - c->at))
        return false;
    s->data = c->at + 2;
    s->len = len - 2;
    c->at += len;
    return true;
}

static bool is_sof(int marker)
{
    return marker >= M_SOF0 && marker <= M_SOF15 && marker != M_DHT && marker != M_JPG &&
           marker != M_DAC;
}

/* Where several scans make one image, libjpeg holds all coefficients: 64 of 2 bytes for
 * each block of each component, whole groups of blocks. 0: the frame is damaged. */
static uint64_t coefficient_bytes(const struct image_header *h, const uint8_t *component)
{
    uint64_t bytes = 0;
    unsigned max_h = 1, max_v = 1;

    for (int i = 0; i < h->channels; i++) {
        unsigned across = component[3 * i + 1] >> 4, down = component[3 * i + 1] & 15;
        if (across < 1 || across > 4 || down < 1 || down > 4)
            return 0;
        max_h = across > max_h ? across : max_h;
        max_v = down > max_v ? down : max_v;
    }
    for (int i = 0; i < h->channels; i++) {
        uint64_t across = component[3 * i + 1] >> 4, down = component[3 * i + 1] & 15;
        uint64_t groups_across = (h->width + 8 * max_h - 1) / (8 * max_h);
        uint64_t groups_down = (h->height + 8 * max_v - 1) / (8 * max_v);
        bytes += groups_across * across * groups_down * down * 64 * 2;
    }
    return bytes;
}

/* SOF0: baseline, 1: extended, 2: progressive, 9 and 10: the same arithmetic-coded. */
static enum reject_reason read_frame(const struct segment *s, struct image_header *h,
                                     uint64_t *coefficients, struct reject *reject)
{
    int kind = s->marker - M_SOF0;

    if (kind != 0 && kind != 1 && kind != 2 && kind != 9 && kind != 10)
        return reject_set(reject, REJECT_UNSUPPORTED_FORMAT,
                          "JPEG process SOF%d (lossless or hierarchical)", kind);
    if (s->len < 6 || s->len < 6 + (size_t)3 * s->data[5])
        return reject_set(reject, REJECT_CORRUPT_IMAGE, "JPEG frame header too short");
    if (s->data[0] != 8)
        return reject_set(reject, REJECT_UNSUPPORTED_FORMAT, "JPEG of %d bits a sample",
                          s->data[0]);
    h->height = (uint32_t)s->data[1] << 8 | s->data[2];
    h->width = (uint32_t)s->data[3] << 8 | s->data[4];
    h->channels = s->data[5];
    h->bit_depth = 8;
    h->progressive = kind == 2 || kind == 10;
    if (h->channels != 1 && h->channels != 3 && h->channels != 4)
        return reject_set(reject, REJECT_UNSUPPORTED_FORMAT, "JPEG of %d components",
                          h->channels);
    *coefficients = coefficient_bytes(h, s->data + 6);
    if (*coefficients == 0)
        return reject_set(reject, REJECT_CORRUPT_IMAGE,
                          "JPEG of %u x %u pixels or with impossible sampling factors",
                          h->width, h->height);
    return REJECT_NONE;
}

static bool is_profile_piece(const struct segment *s)
{
    return s->marker == M_APP2 && s->len >= sizeof(icc_tag) + 2 &&
           memcmp(s->data, icc_tag, sizeof(icc_tag)) == 0;
}

/* The first segment that has more than its tag counts, as for Pillow, even if damaged. */
static bool is_exif(const struct segment *s)
{
    return s->marker == M_APP1 && s->len > EXIF_TAG_LEN && exif_has_tag(s->data, s->len);
}

enum reject_reason jpeg_header_read(const uint8_t *bytes, size_t len,
                                    struct image_header *h, struct reject *reject)
{
    struct cursor c = {bytes, bytes + len};
    struct segment s = {0};
    uint64_t coefficients = 0;
    bool exif_seen = false, found;

    h->format = IMAGE_JPEG;
    while ((found = next_segment(&c, &s)) && s.marker != M_SOS) {
        if (is_sof(s.marker)) {
            if (coefficients != 0)
                return reject_set(reject, REJECT_CORRUPT_IMAGE, "JPEG with two frames");
            if (read_frame(&s, h, &coefficients, reject) != REJECT_NONE)
                return reject->reason;
        } else if (is_exif(&s) && !exif_seen) {
            exif_seen = true;
            h->orientation = exif_orientation(s.data, s.len);
        } else if (is_profile_piece(&s)) {
            h->profile_len += s.len;
        }
    }
    if (!found)
        return reject_set(
            reject, s.marker == M_EOI ? REJECT_CORRUPT_IMAGE : REJECT_TRUNCATED_IMAGE,
            "JPEG ends before its first scan");
    if (coefficients == 0 || s.len < 1)
        return reject_set(reject, REJECT_CORRUPT_IMAGE, "JPEG scan without a frame");
    h->need = 0;
    if (h->progressive || s.data[0] < h->channels)
        h->need = coefficients;
    return REJECT_NONE;
}

/* A profile is cut into pieces, each with its number (from 1) and their count; they may
 * come in any order. */
int jpeg_header_profile(const uint8_t *bytes, size_t len, uint8_t **profile,
                        size_t *profile_len)
{
    struct segment pieces[256] = {{0}};
    struct cursor c = {bytes, bytes + len};
    struct segment s;
    int count = 0, found = 0;
    size_t total = 0;

    *profile = NULL;
    *profile_len = 0;
    while (next_segment(&c, &s) && s.marker != M_SOS) {
        if (!is_profile_piece(&s))
            continue;
        const uint8_t *number = s.data + sizeof(icc_tag);
        if (number[0] == 0 || number[0] > number[1] || pieces[number[0]].data ||
            (count != 0 && number[1] != count))
            return INGEST_OK;
        count = number[1];
        pieces[number[0]] =
            (struct segment){s.marker, number + 2, s.len - sizeof(icc_tag) - 2};
        total += pieces[number[0]].len;
        found++;
    }
    if (found != count || total == 0 || total > PROFILE_MAX)
        return INGEST_OK;
    *profile = malloc(total);
    if (!*profile)
        return INGEST_ENOMEM;
    for (int i = 1; i <= count; i++) {
        memcpy(*profile + *profile_len, pieces[i].data, pieces[i].len);
        *profile_len += pieces[i].len;
    }
    return INGEST_OK;
}
