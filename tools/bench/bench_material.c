/* SPDX-License-Identifier: Apache-2.0
 * tools/bench/bench_material.c - what is measured on: the user's samples, a VAE, and
 * folders that do not stay. */
#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/status.h"
#include "tools/bench/bench_section.h"
#include "tools/run/input_source.h"
#include "vae_encode/status.h"

int bench_vae_path(struct bench *b, enum vae_part part, const char **path)
{
    char *made = b->random_vae[part];
    int fd;

    *path = b->options.vae;
    if (!*path || strcmp(*path, "random-sd") != 0)
        return 0;
    *path = made;
    if (*made)
        return 0;
    fd = bench_random_vae(part);
    if (fd < 0) {
        bench_fail("random-sd could not be made: %s", strerror(errno));
        return -1;
    }
    snprintf(made, sizeof(b->random_vae[part]), "/proc/self/fd/%d", fd);
    return 0;
}

int bench_open_vae(struct bench *b, enum vae_part part, const char *backend,
                   struct vae **vae)
{
    struct vae_options options = {.scale = b->vae_scale,
                                  .backend = backend,
                                  /* "ref" has no kernels to choose from. */
                                  .isa = backend ? NULL : b->models.isa,
                                  .part = part};

    *vae = NULL;
    if (bench_vae_path(b, part, &options.path) != 0)
        return VAE_ENOMEM;
    return vae_open(vae, &options);
}

static int append(struct bench_tar *tar, size_t *cap, const struct ingest_sample *sample)
{
    if (tar->n == *cap) {
        size_t more = *cap ? 2 * *cap : 64;
        struct ingest_sample *samples = realloc(tar->samples, more * sizeof(*samples));

        if (!samples)
            return INGEST_ENOMEM;
        tar->samples = samples;
        *cap = more;
    }
    tar->samples[tar->n++] = *sample;
    return INGEST_OK;
}

/* The good samples of one input, of a reader whose next() gives whole ones. */
static int load(struct bench_tar *tar, const struct input *input, int64_t limit)
{
    const struct reader *reader = input->reader;
    struct reader_options options = reader_options_default();
    struct source *source = NULL;
    void *reading = NULL;
    struct ingest_sample sample;
    size_t cap = 0;
    int rc = source_open(&source, input, -1);

    options.limit = (uint64_t)limit;
    if (rc == INGEST_OK)
        rc = reader->open(&reading, source_callback(source), &options);
    while (rc == INGEST_OK && (rc = reader->next(reading, &sample)) == INGEST_OK) {
        if (sample.reject.reason != REJECT_NONE) {
            ingest_sample_clear(&sample);
            continue;
        }
        rc = bench_stopped() ? INGEST_EIO : append(tar, &cap, &sample);
        if (rc != INGEST_OK)
            ingest_sample_clear(&sample);
    }
    if (rc < 0)
        bench_fail("%s: %s", input->text,
                   *source_why(source) ? source_why(source) : reader->why(reading));
    else if (tar->n == 0)
        bench_fail("%s: holds no image-caption pair", input->text);
    reader->close(reading);
    source_close(source);
    return rc < 0 || tar->n == 0 ? -1 : 0;
}

int bench_load_tars(struct bench *b)
{
    if (b->tars)
        return 0;
    b->tars = calloc(b->inputs.n + 1, sizeof(*b->tars));
    if (!b->tars) {
        bench_fail("out of memory");
        return -1;
    }
    for (size_t i = 0; i < b->inputs.n; i++)
        if (load(&b->tars[i], &b->inputs.inputs[i], b->options.limit) != 0)
            return -1;
    return 0;
}

char *bench_make_folder(void)
{
    const char *tmp = getenv("TMPDIR");
    char *path = NULL;

    if (asprintf(&path, "%s/latentmill-bench-XXXXXX", tmp && *tmp ? tmp : "/tmp") < 0) {
        bench_fail("out of memory");
        return NULL;
    }
    if (mkdtemp(path))
        return path;
    bench_fail("%s: %s", path, strerror(errno));
    free(path);
    return NULL;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void bench_remove_folder(char *path)
{
    nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(path);
}
