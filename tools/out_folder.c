/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/out_folder.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/options.h"

int out_folder_make(const char *out)
{
    struct stat st;

    if (mkdir(out, 0777) != 0 && errno != EEXIST)
        return usage_error("--out %s: %s", out,
                           errno == ENOENT ? "the folder to make it in does not exist"
                                           : strerror(errno));
    if (stat(out, &st) == 0 && !S_ISDIR(st.st_mode))
        return usage_error("--out %s: is not a folder", out);
    if (access(out, W_OK | X_OK) != 0)
        return usage_error("--out %s: %s", out, strerror(errno));
    return 0;
}
