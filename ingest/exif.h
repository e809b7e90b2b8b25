/* SPDX-License-Identifier: Apache-2.0
 * ingest/exif.h - the orientation out of an EXIF block. Internal to ingest/. */
#ifndef INGEST_EXIF_H
#define INGEST_EXIF_H

#include <stddef.h>
#include <stdint.h>

/* `tiff` is the TIFF stream within the EXIF data ("II*\0" or "MM\0*" first). Returns
 * 1 to 8; 1 where there is none, or where the block is damaged. */
int exif_orientation(const uint8_t *tiff, size_t len);

#endif
