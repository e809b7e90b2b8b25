/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/no_memory.h"

#include <stdlib.h>
#include <unistd.h>

#include <jansson.h>

#include "shard/tokenizer/tokenizer.h"
#include "tools/cli/exit_code.h"

/* On any thread, so without the work that exit() does. */
static void end_process(void)
{
    static const char words[] = "error: out of memory\n";

    const ssize_t n = write(STDERR_FILENO, words, sizeof(words) - 1);

    (void)n; /* there is nobody else to tell */
    _exit(EXIT_FAILED);
}

static void *allocate(size_t size)
{
    void *p = malloc(size);

    if (p == NULL && size > 0)
        end_process();
    return p;
}

void no_memory_ends_process(void)
{
    json_set_alloc_funcs(allocate, free);
    tokenizer_on_no_memory(end_process);
}
