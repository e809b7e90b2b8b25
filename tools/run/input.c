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
