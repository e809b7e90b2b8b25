/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/text/foreign_text.h"

#include <string.h>

/* The options of `prepare` that read it, instead of what its NAME stands for so far. */
#define READ(command)                                                                    \
    "read --retry-failed --name NAME --input-format jsonl 'pipe:" command " FILE'"
#define NOT_UTF8(name) name ", not UTF-8: " READ("iconv -f " name " -t UTF-8")

/* UTF-16 and UTF-32 have a byte order mark, or zeros in their first characters, which are
 * ASCII. */
static const char *encoding(const unsigned char *b, size_t n)
{
    if (n < 4)
        return NULL;
    if (memcmp(b, "\xFF\xFE\0", 4) == 0 || memcmp(b, "\0\0\xFE\xFF", 4) == 0)
        return NOT_UTF8("UTF-32");
    if (memcmp(b, "\xFF\xFE", 2) == 0 || memcmp(b, "\xFE\xFF", 2) == 0)
        return NOT_UTF8("UTF-16");
    if (b[0] && !b[1] && !b[2] && !b[3])
        return NOT_UTF8("UTF-32LE");
    if (!b[0] && !b[1] && !b[2] && b[3])
        return NOT_UTF8("UTF-32BE");
    if (b[0] && !b[1] && b[2] && !b[3])
        return NOT_UTF8("UTF-16LE");
    if (!b[0] && b[1] && !b[2] && b[3])
        return NOT_UTF8("UTF-16BE");
    return NULL;
}

/* An array of objects begins with "[", and then a "{" or the line's end. A line that is
 * an array of something else is a bad line, and others may be good. */
const char *foreign_text_look(struct foreign_text *f, const unsigned char *bytes,
                              size_t n)
{
    static const char before[] = " \t\r\n\xEF\xBB\xBF"; /* a byte order mark too */
    static const char array[] = "a JSON array, not JSON Lines: " READ("jq -c .[]");
    const char *encoded = f->started ? NULL : encoding(bytes, n);

    f->started = true;
    if (encoded)
        return encoded;
    for (size_t i = 0; i < n && !f->decided; i++) {
        if (f->bracket && (bytes[i] == '{' || bytes[i] == '\n'))
            return array;
        if (!f->bracket && bytes[i] == '[')
            f->bracket = true;
        else
            f->decided =
                bytes[i] == 0 || !strchr(f->bracket ? " \t\r" : before, bytes[i]);
    }
    return NULL;
}
