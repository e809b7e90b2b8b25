/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/out_folder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli/exit_code.h"
#include "tools/cli/options.h"
#include "tools/cli/print.h"
#include "tools/store/store.h"
#include "tools/cli/url.h"

/* Makes the folders above it too; `path` is cut at each slash in turn. Returns 0, or -1
 * with errno and the folder that could not be made in `path`. */
static int make_all(const struct store *store, char *path)
{
    for (char *slash = path; (slash = strchr(slash + 1, '/')) != NULL; *slash = '/') {
        struct store_entry there;

        *slash = '\0';
        /* One that is there may be where nothing can be made, /proc say. */
        if (store->look(path, &there) != 0 && store->make_folder(path) != 0)
            return -1;
    }
    return store->make_folder(path);
}

int out_folder_make(const char *out)
{
    const struct store *store = store_at(out);
    struct store_entry there;
    char *path;
    int rc = 0;

    if (url_scheme_length(out) > 0)
        return usage_error(
            "--out %s: no URL is written to; name a local folder, and copy "
            "it there when the run is done",
            out);
    path = strdup(out);
    if (!path)
        rc = file_error(ENOMEM, "--out %s", out);
    else if (store->make_folder(path) != 0 &&
             (errno != ENOENT || make_all(store, path) != 0))
        rc = strcmp(path, out) == 0 ? file_error(errno, "--out %s", out)
                                    : file_error(errno, "--out %s: %s", out, path);
    else if (store->look(out, &there) != 0)
        rc = file_error(errno, "--out %s", out);
    else if (!there.folder)
        rc = usage_error("--out %s: is not a folder", out);
    free(path);
    return rc;
}

int out_folder_check_room(const char *out, uint64_t need)
{
    uint64_t room;

    if (store_at(out)->room(out, &room) != 0)
        return file_error(errno, "--out %s", out);
    if (room >= need)
        return 0;
    print_to_stderr("error: --out %s: %" PRIu64
                    " bytes are free there, and the first shard "
                    "may need %" PRIu64 "; make room, then run the same command again",
                    out, room, need);
    return EXIT_FAILED;
}
