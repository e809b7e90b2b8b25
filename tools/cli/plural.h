/* SPDX-License-Identifier: Apache-2.0
 * tools/cli/plural.h - "1 input", "2 inputs". */
#ifndef TOOLS_CLI_PLURAL_H
#define TOOLS_CLI_PLURAL_H

#include <stdint.h>

/* What a noun ends with behind the number n. Static. */
static inline const char *plural_s(uint64_t n)
{
    return n == 1 ? "" : "s";
}

#endif
