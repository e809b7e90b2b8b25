/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/prepare/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/run/input_probe.h"
#include "tools/store/sha256.h"

__attribute__((format(printf, 3, 4))) static enum identity
say(enum identity id, char **why, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(why, fmt, ap) < 0)
        *why = NULL;
    va_end(ap);
    return id;
}

static enum identity other_size(const struct manifest *m, const struct input *in,
                                uint64_t bytes, char **why)
{
    return say(IDENTITY_OTHER, why,
               "made from %s with %" PRIu64 " bytes, but %s has %" PRIu64 " bytes now",
               m->input_path, bytes, in->text, in->bytes);
}

static enum identity unknown(const struct manifest *m, const struct input *in, char **why)
{
    return say(IDENTITY_UNKNOWN, why,
               "made from %s, and whether %s%s is the same input cannot be told",
               m->input_path, input_prefix(in), in->text);
}

/* Of a stream the manifest knows only what was read of it: everything, unless damage or
 * --limit ended the reading. */
static bool ended_early(const struct manifest *m, int64_t limit)
{
    return limit > 0 && m->groups >= (uint64_t)limit;
}

static enum identity compare_bytes(const struct manifest *m, const struct input *in,
                                   bool read_all, char **why)
{
    char hex[SHA256_HEX_CAP];
    int fd = open(in->text, O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : input_probe_file(fd, m->input_bytes, hex);
    int saved = errno;
    bool same = rc == 0 && strcmp(hex, m->probe) == 0;

    if (fd >= 0)
        close(fd);
    if (same && read_all) {
        rc = sha256_file(in->text, m->input_bytes, hex);
        saved = errno;
        same = rc == 0 && strcmp(hex, m->sha256) == 0;
    }
    if (rc != 0)
        return say(IDENTITY_FAILED, why, "%s: %s", in->text, strerror(saved));
    if (!same)
        return say(IDENTITY_OTHER, why,
                   "made from %s, but %s has other bytes, though as many", m->input_path,
                   in->text);
    return IDENTITY_SAME;
}

static enum identity compare_file(const struct manifest *m, const struct input *in,
                                  const struct run_options *o, int64_t limit, char **why)
{
    if (m->has_input_size && m->input_size != in->bytes)
        return other_size(m, in, m->input_size, why);
    if (m->input_bytes > in->bytes)
        return other_size(m, in, m->input_bytes, why);
    if (!m->has_input_size && m->input_bytes != in->bytes && !ended_early(m, limit))
        return strcmp(m->status, "damaged") == 0 ? unknown(m, in, why)
                                                 : other_size(m, in, m->input_bytes, why);
    if (!m->probe || !m->sha256) /* an older version's */
        return unknown(m, in, why);
    return compare_bytes(m, in, o->check_inputs, why);
}

static enum identity compare(const struct manifest *m, const struct input *in,
                             const struct run_options *o, int64_t limit, char **why)
{
    size_t n = strlen(input_prefix(in));

    if (in->regular)
        return compare_file(m, in, o, limit, why);
    if (in->kind == INPUT_PIPE && strncmp(m->input_path, input_prefix(in), n) == 0 &&
        strcmp(m->input_path + n, in->text) == 0)
        return IDENTITY_SAME;
    return unknown(m, in, why);
}

enum identity identity_compare(const struct manifest *m, const struct input *in,
                               const struct run_options *o, int64_t limit, char **why)
{
    enum identity id;

    *why = NULL;
    id = compare(m, in, o, limit, why);
    if (id != IDENTITY_UNKNOWN || !o->same_input)
        return id;
    free(*why);
    *why = NULL;
    return IDENTITY_SAME;
}

const char *identity_advice(enum identity id)
{
    return id == IDENTITY_UNKNOWN
               ? "give it another --name, say --same-input where it is the same"
               : "give it another --name";
}
