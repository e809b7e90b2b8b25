/* SPDX-License-Identifier: Apache-2.0 */
#include "vae_encode/why.h"

#include <stdarg.h>
#include <stdio.h>

int vae_fail(struct vae_why *why, int status, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why->text, sizeof(why->text), fmt, ap);
    va_end(ap);
    return status;
}
