/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/url.h"

#include <ctype.h>
#include <string.h>

size_t url_scheme_length(const char *text)
{
    size_t len = 0;

    while (isalnum((unsigned char)text[len]) || (text[len] && strchr("+-.", text[len])))
        len++;
    return strncmp(text + len, "://", 3) == 0 ? len : 0;
}
