/* SPDX-License-Identifier: Apache-2.0
 * tools/cli/url.h - URLs where a path is meant. */
#ifndef TOOLS_CLI_URL_H
#define TOOLS_CLI_URL_H

#include <stddef.h>

/* Length of "s3" in "s3://...", or 0. */
size_t url_scheme_length(const char *text);

#endif
