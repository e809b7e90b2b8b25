/* SPDX-License-Identifier: Apache-2.0
 * ingest/image/exif.h - the orientation out of an EXIF block. Internal to ingest/. */
#ifndef INGEST_IMAGE_EXIF_H
#define INGEST_IMAGE_EXIF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { EXIF_TAG_LEN = 6 };

/* Whether JPEG's tag of an EXIF segment stands first. */
static inline bool exif_has_tag(const uint8_t *p, size_t len)
{
    return len >= EXIF_TAG_LEN && memcmp(p, "Exif\0", EXIF_TAG_LEN) == 0;
}

/* `block` is the EXIF data: a TIFF stream, before which some writers put JPEG's tag:
 * again in a JPEG, or in a PNG or WebP, which have none. Returns 1 to 8: as in Pillow,
 * the first IFD's first orientation if it is a SHORT or a LONG; 1 where there is none, or
 * where the block is damaged. */
int exif_orientation(const uint8_t *block, size_t len);

#endif
