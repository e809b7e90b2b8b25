/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/store/temporary.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

/* So many characters of the host's name: a NAME of 180 bytes, a try's own name and the
 * rejects' suffix before it fit NAME_MAX. */
enum { HOST_LEN = 28 };

const char temporary_claim[] = ".tmp.claim.0.00000000";

void temporary_suffix(char suffix[TEMPORARY_SUFFIX_CAP])
{
    char host[HOST_NAME_MAX + 1] = "";
    uint32_t random = 0;

    if (gethostname(host, sizeof(host)) != 0 || !host[0])
        snprintf(host, sizeof(host), "host");
    host[HOST_LEN] = '\0';
    for (char *c = host; *c; c++)
        if (*c == '/' || *c == '.' || *c <= ' ')
            *c = '-';
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        random = (uint32_t)time(NULL);
    snprintf(suffix, TEMPORARY_SUFFIX_CAP, ".tmp.%s.%ld.%08x", host, (long)getpid(),
             random);
}

size_t temporary_final_length(const char *name)
{
    size_t len = strlen(name);
    const char *found = NULL;

    for (const char *p = name; (p = strstr(p, ".tmp.")) != NULL; p++) {
        size_t host = strcspn(p + 5, ".");
        const char *pid = p + 5 + host;
        size_t digits = *pid ? strspn(pid + 1, "0123456789") : 0;
        const char *random = pid + 1 + digits;

        if (host > 0 && digits > 0 && *random == '.' && random + 9 == name + len &&
            strspn(random + 1, "0123456789abcdef") == 8)
            found = p;
    }
    return found ? (size_t)(found - name) : 0;
}
