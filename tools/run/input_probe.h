/* SPDX-License-Identifier: Apache-2.0
 * tools/run/input_probe.h - tell inputs of equal size apart without reading them whole.
 *
 * The probe of n bytes is XXH3-128, in its canonical form as hex, of
 *     n <= 3 * 65536:  all of them;
 *     else:            three pieces of 65536 bytes, one behind the other: the first, the
 *                      one that begins at the largest power of two not above n / 2, and
 *                      the last.
 * So a stream, which learns its length last, has the same probe as a file: whatever may
 * still become its middle piece is kept as it passes. */
#ifndef TOOLS_RUN_INPUT_PROBE_H
#define TOOLS_RUN_INPUT_PROBE_H

#include <stddef.h>
#include <stdint.h>

enum { PROBE_PIECE = 65536, PROBE_HEX_CAP = 33 };

/* Of a stream. All zero: nothing has passed. */
struct input_probe {
    uint64_t n;                           /* bytes so far */
    unsigned char head[3 * PROBE_PIECE];  /* the first ones */
    unsigned char middle[2][PROBE_PIECE]; /* from 2^k on, in middle[k % 2] */
    unsigned char last[PROBE_PIECE];      /* byte i is in last[i % PROBE_PIECE] */
};

void input_probe_update(struct input_probe *p, const void *bytes, size_t len);
/* Call once, behind the last byte. */
void input_probe_hex(struct input_probe *p, char hex[PROBE_HEX_CAP]);

/* The same, of the first n bytes of the regular file `fd`. Returns 0, or -1 with errno
 * set: ENODATA where it has fewer. */
int input_probe_file(int fd, uint64_t n, char hex[PROBE_HEX_CAP]);

#endif
