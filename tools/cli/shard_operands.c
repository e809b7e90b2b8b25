/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/shard_operands.h"

#include <errno.h>
#include <string.h>

#include "tools/store/data_set.h"
#include "tools/cli/data_set_report.h"
#include "tools/cli/exit_code.h"
#include "tools/cli/options.h"
#include "tools/cli/print.h"
#include "tools/store/path.h"
#include "tools/store/store.h"

static int out_of_memory(const char *operand)
{
    print_to_stderr("error: %s: out of memory", operand);
    return EXIT_FAILED;
}

static int add_folder(struct shard_operands *operands, const char *folder)
{
    struct data_set d;

    int rc = data_set_look(&d, folder);
    for (size_t i = 0; i < d.n_shards; i++)
        if (!path_list_add(&operands->files, path_below(d.folder, d.shards[i].path)))
            rc = out_of_memory(folder);
    operands->n_lacking += data_set_n_lacking(&d);
    operands->n_unfinished += data_set_n_unfinished(&d);
    data_set_clear(&d);
    return rc;
}

int shard_operands_add(struct shard_operands *operands, const char *operand)
{
    struct store_entry entry;

    if (store_at(operand)->look(operand, &entry) != 0)
        return usage_error("%s: %s", operand, strerror(errno));
    if (entry.folder)
        return add_folder(operands, operand);
    return path_list_add(&operands->files, strdup(operand)) ? 0 : out_of_memory(operand);
}

void shard_operands_clear(struct shard_operands *operands)
{
    path_list_clear(&operands->files);
}
