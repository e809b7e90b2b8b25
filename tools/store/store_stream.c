/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/store/store_stream.h"

#include <errno.h>
#include <sys/types.h>

static ssize_t put(void *cookie, const char *from, size_t n)
{
    struct store_stream *s = cookie;

    if (s->error == 0 && s->output->write(s->to, from, n) != 0)
        s->error = errno;
    errno = s->error;
    return s->error == 0 ? (ssize_t)n : 0; /* to stdio an error */
}

int store_stream_open(struct store_stream *s, const struct store *store, const char *path)
{
    *s = (struct store_stream){.output = store->output};
    if (s->output->open(&s->to, path) != 0)
        return -1;
    s->file = fopencookie(s, "w", (cookie_io_functions_t){.write = put});
    if (s->file)
        return 0;
    s->output->close(s->to);
    errno = ENOMEM;
    return -1;
}

int store_stream_finish(struct store_stream *s)
{
    if (fclose(s->file) != 0 && s->error == 0)
        s->error = errno;
    s->file = NULL;
    if (s->error != 0)
        s->output->close(s->to);
    else if (s->output->finish(s->to) != 0)
        s->error = errno;
    errno = s->error;
    return s->error == 0 ? 0 : -1;
}

void store_stream_close(struct store_stream *s)
{
    if (!s->file)
        return;
    s->error = ECANCELED; /* what is still to be written need not be */
    fclose(s->file);
    s->file = NULL;
    s->output->close(s->to);
}
