/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/run/isa.h"

#include <stdlib.h>
#include <string.h>

#include "tools/cli/options.h"
#include "vae_encode/vae.h"

int isa_from_environment(const char **isa)
{
    static const char *const names[] = {"portable", "avx2", "avx512"};
    const char *name = getenv("LATENTMILL_ISA");

    *isa = name && *name ? name : NULL;
    if (!*isa || vae_has_isa(name))
        return 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(name, names[i]) == 0)
            return usage_error("LATENTMILL_ISA=%s: this machine has no %s", name, name);
    return usage_error("LATENTMILL_ISA=%s: is none of portable, avx2, avx512", name);
}
