/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/run/input.h"

#include <string.h>

#include "ingest/text/utf8.h"
#include "tools/cli/options.h"

/* With the longest suffix of a temporary file it must fit NAME_MAX. */
enum { MAX_COMPONENT = 180 };

const char *input_prefix(const struct input *in)
{
    return in->kind == INPUT_PIPE ? "pipe:" : "";
}

/* UTF-8 without control characters, C1's included. */
static bool is_clean(const char *text)
{
    uint32_t c;

    for (size_t len = strlen(text), n; len > 0; text += n, len -= n) {
        n = utf8_decode(text, len, &c);
        if (n == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0))
            return false;
    }
    return true;
}

/* "x.lms" and the like: as a folder it would stand where NAME x has its shard. */
static bool is_output_name(const char *component, size_t len)
{
    static const char *const suffixes[] = {".lms", ".json", ".jsonl", ".model"};

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
        size_t n = strlen(suffixes[i]);

        if (len >= n && memcmp(component + len - n, suffixes[i], n) == 0)
            return true;
    }
    return false;
}

static const char *name_fault(const char *name)
{
    size_t len = strlen(name);

    if (!is_clean(name))
        return "is not UTF-8 without control characters";
    for (const char *p = name;; p += strcspn(p, "/") + 1) {
        size_t n = strcspn(p, "/");

        if (n == 0)
            return "has an empty component";
        if ((n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return "has a component '.' or '..'";
        if (p[n] == '\0' && n >= 2 && p[0] == '.' && p[1] == '_')
            return "begins with '._' as what macOS puts beside files (leave such inputs "
                   "out): no shard of that name would be found";
        if (n > MAX_COMPONENT)
            return "has a component longer than 180 bytes";
        if (p[n] == '\0')
            break;
        if (is_output_name(p, n))
            return "has a folder that is called like an output file";
    }
    if (len >= 6 && name[len - 6] == '+' && strspn(name + len - 5, "0123456789") == 5)
        return "ends in '+' and five digits, which numbers the shards of one input";
    if (len >= 9 && name[len - 9] == '~' &&
        strspn(name + len - 8, "0123456789abcdef") == 8)
        return "ends in '~' and eight hexadecimal digits, which tell apart the tries of "
               "one input";
    return NULL;
}

bool input_name_check(const char *name)
{
    const char *fault = name_fault(name);

    if (fault && !is_clean(name))
        usage_error("the name of an input %s; choose another with --name", fault);
    else if (fault)
        usage_error("the name '%s' %s; choose another with --name", name, fault);
    return !fault;
}

/* Length of `file` without that reader's suffix and a compression's: all of it
 * where it has another. */
static size_t stem_of(const char *file, const struct reader *reader)
{
    static const char *const packed[] = {"", ".gz", ".zst", ".bz2", ".xz"};
    const char *suffix = reader->suffix, *brief = reader->short_suffix;
    const size_t len = strlen(file), suffix_len = strlen(suffix);

    if (brief && len >= strlen(brief) && strcmp(file + len - strlen(brief), brief) == 0)
        return len - strlen(brief);
    for (size_t p = 0; p < sizeof(packed) / sizeof(*packed); p++) {
        size_t n = suffix_len + strlen(packed[p]);

        if (len >= n && strncmp(file + len - n, suffix, suffix_len) == 0 &&
            strcmp(file + len - n + suffix_len, packed[p]) == 0)
            return len - n;
    }
    return len;
}

size_t input_stem_length(const char *file, const struct reader *const *table, size_t n,
                         const struct reader **reader)
{
    size_t shortest = strlen(file);

    *reader = table[0];
    for (size_t i = 0; i < n; i++) {
        const size_t stem = stem_of(file, table[i]);

        if (stem < shortest) {
            shortest = stem;
            *reader = table[i];
        }
    }
    return shortest;
}
