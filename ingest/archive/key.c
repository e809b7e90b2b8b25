/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/archive/key.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/text/utf8.h"

/* WebDataset's regular expression is ^((?:.*<slash>|)[^.]+)[.]([^/]*)$. Where the file
 * name starts with its first dot, the part before that dot may be the folder's last
 * component, if that has no dot: "a/.hidden" has the key "a/". */
size_t key_length(const char *name, size_t len)
{
    const char *slash = memrchr(name, '/', len);
    const char *base = slash ? slash + 1 : name;
    const char *dot = memchr(base, '.', len - (size_t)(base - name));

    if (!dot || dot == name)
        return 0;
    if (dot == base) {
        const char *above = memrchr(name, '/', (size_t)(slash - name));
        const char *last = above ? above + 1 : name;
        if (memchr(last, '.', (size_t)(slash - last)))
            return 0;
    }
    return (size_t)(dot - name);
}

bool key_is_private(const char *name, size_t len)
{
    const char *slash = memchr(name, '/', len);
    size_t n = slash ? (size_t)(slash - name) : len;

    return n >= 4 && memcmp(name, "__", 2) == 0 && memcmp(name + n - 2, "__", 2) == 0;
}

bool key_is_macos(const char *name, size_t len)
{
    static const char view[] = ".DS_Store", folder[] = "/__MACOSX/";
    const size_t n_folder = sizeof(folder) - 1;
    const char *slash = memrchr(name, '/', len);
    const char *base = slash ? slash + 1 : name;
    size_t n = len - (size_t)(base - name);

    return (n >= 2 && memcmp(base, "._", 2) == 0) ||
           (n == sizeof(view) - 1 && memcmp(base, view, n) == 0) ||
           (len >= n_folder - 1 && memcmp(name, folder + 1, n_folder - 1) == 0) ||
           memmem(name, len, folder, n_folder) != NULL;
}

/* C0, DEL and C1. */
static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0);
}

const char *key_problem(const char *key, size_t len)
{
    uint32_t c;

    if (len > KEY_MAX_BYTES)
        return "the key is longer than 1024 bytes";
    for (size_t i = 0, n; i < len; i += n) {
        n = utf8_decode(key + i, len - i, &c);
        if (n == 0)
            return "the key is not UTF-8";
        if (is_control(c))
            return "the key has a control character";
    }
    return NULL;
}

char *key_escape(const char *key, size_t len)
{
    static const char dots[] = "...";
    static const char hex[] = "0123456789ABCDEF";
    size_t shown = len <= KEY_MAX_BYTES ? len : KEY_MAX_BYTES;
    char *text = malloc(shown * 4 + sizeof(dots));
    char *out = text;
    uint32_t c;

    if (!text)
        return NULL;
    for (size_t i = 0; i < shown;) {
        size_t n = utf8_decode(key + i, len - i, &c);
        if (n > 0 && !is_control(c) && c != '\\') {
            if (i + n > shown)
                break;
            memcpy(out, key + i, n);
            out += n;
            i += n;
        } else if (n > 0 && c == '\\') {
            memcpy(out, "\\\\", 2);
            out += 2;
            i++;
        } else {
            memcpy(out, "\\x", 2);
            out[2] = hex[(unsigned char)key[i] >> 4];
            out[3] = hex[key[i] & 15];
            out += 4;
            i++;
        }
    }
    memcpy(out, dots, sizeof(dots));
    if (shown == len)
        *out = '\0';
    return text;
}
