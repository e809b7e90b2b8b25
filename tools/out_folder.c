/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/out_folder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "tools/exit_code.h"
#include "tools/options.h"
#include "tools/print.h"
#include "tools/url.h"

static int make(const char *path)
{
    return mkdir(path, 0777) == 0 || errno == EEXIST ? 0 : -1;
}

/* Makes the folders above it too; `path` is cut at each slash in turn. Returns 0, or -1
 * with errno and the folder that could not be made in `path`. */
static int make_all(char *path)
{
    for (char *slash = path; (slash = strchr(slash + 1, '/')) != NULL; *slash = '/') {
        struct stat st;

        *slash = '\0';
        /* One that is there may be where nothing can be made, /proc say. */
        if (stat(path, &st) != 0 && make(path) != 0)
            return -1;
    }
    return make(path);
}

int out_folder_make(const char *out)
{
    char *path;
    struct stat st;
    int rc = 0;

    if (url_scheme_length(out) > 0)
        return usage_error(
            "--out %s: no URL is written to; name a local folder, and copy "
            "it there when the run is done",
            out);
    path = strdup(out);
    if (!path)
        rc = file_error(ENOMEM, "--out %s", out);
    else if (make(path) != 0 && (errno != ENOENT || make_all(path) != 0))
        rc = strcmp(path, out) == 0 ? file_error(errno, "--out %s", out)
                                    : file_error(errno, "--out %s: %s", out, path);
    else if (stat(out, &st) != 0)
        rc = file_error(errno, "--out %s", out);
    else if (!S_ISDIR(st.st_mode))
        rc = usage_error("--out %s: is not a folder", out);
    else if (access(out, W_OK | X_OK) != 0)
        rc = file_error(errno, "--out %s", out);
    free(path);
    return rc;
}

int out_folder_check_room(const char *out, uint64_t need)
{
    struct statvfs fs;
    uint64_t room;

    if (statvfs(out, &fs) != 0)
        return file_error(errno, "--out %s", out);
    room = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (fs.f_blocks == 0 || room >= need) /* 0: a file system that does not tell */
        return 0;
    print_to_stderr("error: --out %s: %" PRIu64
                    " bytes are free there, and the first shard "
                    "may need %" PRIu64 "; make room, then run the same command again",
                    out, room, need);
    return EXIT_FAILED;
}
