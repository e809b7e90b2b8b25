/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/export/wds_key.h"

#include <stdbool.h>
#include <string.h>

static char *put_hex(char *out, char byte)
{
    static const char digits[] = "0123456789ABCDEF";
    const unsigned char b = (unsigned char)byte;

    *out++ = '%';
    *out++ = digits[b >> 4];
    *out++ = digits[b & 15];
    return out;
}

/* "__x__", which readers skip where it is the first folder. */
static bool is_skipped(const char *component, size_t len)
{
    return len >= 4 && memcmp(component, "__", 2) == 0 &&
           memcmp(component + len - 2, "__", 2) == 0;
}

static char *put_component(char *out, const char *component, size_t len, bool first,
                           bool last)
{
    const bool dots = last || (len == 2 && memcmp(component, "..", 2) == 0);

    for (size_t i = 0; i < len; i++) {
        const char c = component[i];
        if (c == '%' || (c == '.' && dots) ||
            (i == 0 && first && !last && is_skipped(component, len)))
            out = put_hex(out, c);
        else
            *out++ = c;
    }
    return out;
}

size_t wds_key_encode(char *out, const char *key)
{
    const char *const start = out;

    for (const char *at = key;;) {
        const size_t len = strcspn(at, "/");
        const char *const behind = at + len;
        const bool last = behind[0] == '\0' || behind[1] == '\0';
        out = put_component(out, at, len, at == key, last);
        if (*behind == '\0')
            break;
        if (len > 0 && !last)
            *out++ = '/';
        else
            out = put_hex(out, '/');
        at = behind + 1;
    }
    *out = '\0';
    return (size_t)(out - start);
}
