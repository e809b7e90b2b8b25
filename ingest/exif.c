/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/exif.h"

#include <stdbool.h>
#include <string.h>

enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3, TYPE_LONG = 4, ENTRY_LEN = 12 };

static uint32_t read_16(const uint8_t *p, bool big)
{
    return big ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static uint32_t read_32(const uint8_t *p, bool big)
{
    return big ? read_16(p, big) << 16 | read_16(p + 2, big)
               : read_16(p + 2, big) << 16 | read_16(p, big);
}

/* An entry is tag, type, count, value; a short value fills the front of its 4 bytes. */
static int entry_orientation(const uint8_t *entry, bool big)
{
    uint32_t type = read_16(entry + 2, big);
    uint32_t value = 0;

    if (read_32(entry + 4, big) != 1)
        return 1;
    if (type == TYPE_SHORT)
        value = read_16(entry + 8, big);
    else if (type == TYPE_LONG)
        value = read_32(entry + 8, big);
    return value >= 1 && value <= 8 ? (int)value : 1;
}

int exif_orientation(const uint8_t *tiff, size_t len)
{
    if (len < 8 || (memcmp(tiff, "II*\0", 4) != 0 && memcmp(tiff, "MM\0*", 4) != 0))
        return 1;
    bool big = tiff[0] == 'M';
    size_t at = read_32(tiff + 4, big);

    if (at > len - 2)
        return 1;
    uint32_t n_entries = read_16(tiff + at, big);
    at += 2;
    for (uint32_t i = 0; i < n_entries && len - at >= ENTRY_LEN; i++, at += ENTRY_LEN)
        if (read_16(tiff + at, big) == TAG_ORIENTATION)
            return entry_orientation(tiff + at, big);
    return 1;
}
