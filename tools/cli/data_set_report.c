/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/data_set_report.h"

#include <inttypes.h>
#include <string.h>

#include "tools/cli/exit_code.h"
#include "tools/cli/options.h"
#include "tools/cli/print.h"
#include "tools/store/manifest.h"
#include "tools/store/path.h"

/* The folder with its slash. */
struct place {
    const char *folder, *slash;
};

static void report_unreadable(struct place at, const struct data_set_unreadable *u)
{
    print_to_stderr("warning: %s%s%s%s: %s", at.folder, at.slash, u->path,
                    u->error == 0 && path_ends_in(u->path, manifest_suffix)
                        ? " is damaged or no manifest"
                        : "",
                    u->why);
}

static void report_missing(struct place at, const struct data_set_missing *m)
{
    if (m->there)
        print_to_stderr("warning: %s%s%s has %" PRIu64 " bytes; %s%s%s says %" PRIu64,
                        at.folder, at.slash, m->path, m->there_bytes, at.folder, at.slash,
                        m->manifest, m->bytes);
    else
        print_to_stderr("warning: %s%s%s is missing; %s%s%s names it", at.folder,
                        at.slash, m->path, at.folder, at.slash, m->manifest);
}

void data_set_report(const struct data_set *d)
{
    const struct place at = {d->folder, strcmp(d->folder, "/") == 0 ? "" : "/"};

    for (size_t i = 0; i < d->n_unreadable; i++)
        report_unreadable(at, &d->unreadable[i]);
    for (size_t i = 0; i < d->n_missing; i++)
        report_missing(at, &d->missing[i]);
    for (size_t i = 0; i < d->unfinished.n; i++)
        print_to_stderr("warning: %s%s%s: its unit is unfinished", at.folder, at.slash,
                        d->unfinished.paths[i]);
    for (size_t i = 0; i < d->foreign.n; i++)
        print_to_stderr("warning: %s%s%s: no manifest names it, its unit is unfinished",
                        at.folder, at.slash, d->foreign.paths[i]);
}

int data_set_look(struct data_set *d, const char *folder)
{
    const int error = data_set_find(d, folder);

    if (error != 0) {
        print_to_stderr("error: %s: %s", folder, strerror(error));
        return EXIT_FAILED;
    }
    data_set_report(d);
    if (data_set_has_no_samples(d))
        print_to_stderr(
            "%s has no samples: its %zu unit%s finished without any (what was "
            "rejected stands in NAME.rejects.jsonl)",
            d->folder, d->n_units, d->n_units == 1 ? " is" : "s are");
    if (data_set_may_pass(d)) {
        print_to_stderr("error: %s cannot be read whole; try again, or mend its rights",
                        d->folder);
        return EXIT_FAILED;
    }
    return data_set_is_empty(d) ? usage_error("%s: no shards below it", folder) : 0;
}
