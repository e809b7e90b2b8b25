/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/image/exif.h"

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

/* An entry is tag, type, count, value; a short value fills the front of its 4 bytes. Two
 * short ones fit in, of which the first counts, as Pillow has it. */
static int entry_orientation(const uint8_t *entry, bool big)
{
    uint32_t type = read_16(entry + 2, big);
    uint32_t count = read_32(entry + 4, big);
    uint32_t value = 0;

    if (type == TYPE_SHORT && (count == 1 || count == 2))
        value = read_16(entry + 8, big);
    else if (type == TYPE_LONG && count == 1)
        value = read_32(entry + 8, big);
    return value >= 1 && value <= 8 ? (int)value : 1;
}

/* The letters tell the byte order; some writers have 42 in the other one. */
static bool is_tiff(const uint8_t *p, size_t len)
{
    return len >= 8 && (memcmp(p, "II", 2) == 0 || memcmp(p, "MM", 2) == 0) &&
           (memcmp(p + 2, "*\0", 2) == 0 || memcmp(p + 2, "\0*", 2) == 0);
}

int exif_orientation(const uint8_t *block, size_t len)
{
    for (; exif_has_tag(block, len); block += EXIF_TAG_LEN)
        len -= EXIF_TAG_LEN;
    if (!is_tiff(block, len))
        return 1;
    bool big = block[0] == 'M';
    size_t at = read_32(block + 4, big);

    if (at > len - 2)
        return 1;
    uint32_t n_entries = read_16(block + at, big);
    at += 2;
    for (uint32_t i = 0; i < n_entries && len - at >= ENTRY_LEN; i++, at += ENTRY_LEN)
        if (read_16(block + at, big) == TAG_ORIENTATION)
            return entry_orientation(block + at, big);
    return 1;
}
