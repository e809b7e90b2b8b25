/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/archive/decoder.h"

#include <inttypes.h>
#include <string.h>

bool decoder_matches(const unsigned char *bytes, size_t n, const char *magic,
                     size_t magic_len)
{
    return memcmp(bytes, magic, n < magic_len ? n : magic_len) == 0;
}

int decoder_needs_memory(struct damage *damage, const char *what, uint64_t need,
                         uint64_t max_memory, const char *command)
{
    enum { MIB = 1 << 20 };

    return damage_set(damage, 0,
                      "%s of %" PRIu64 " MiB, more than --decode-mem (%" PRIu64
                      " MiB): raise that, or read 'pipe:%s FILE'",
                      what, need / MIB + (need % MIB > 0), max_memory / MIB, command);
}
