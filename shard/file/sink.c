/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/file/sink.h"

#include <errno.h>
#include <stdlib.h>

#include <openssl/evp.h>
#include <xxhash.h>

#include "shard/status.h"

struct shard_sink {
    const struct shard_output *output;
    void *file; /* NULL: finished */
    uint64_t offset;
    EVP_MD_CTX *sha256;
    XXH3_state_t *xxh3;
};

int shard_sink_open(struct shard_sink **out, const struct shard_output *output,
                    const char *path)
{
    struct shard_sink *s = calloc(1, sizeof(*s));

    *out = NULL;
    if (s == NULL)
        return SHARD_ENOMEM;
    s->output = output;
    s->sha256 = EVP_MD_CTX_new();
    s->xxh3 = XXH3_createState();
    if (s->sha256 == NULL || s->xxh3 == NULL ||
        EVP_DigestInit_ex(s->sha256, EVP_sha256(), NULL) != 1) {
        shard_sink_close(s);
        return SHARD_ENOMEM;
    }
    XXH3_128bits_reset(s->xxh3);
    if (output->open(&s->file, path) != 0) {
        int saved = errno;
        shard_sink_close(s);
        errno = saved;
        return SHARD_EIO;
    }
    *out = s;
    return SHARD_OK;
}

int shard_sink_write(struct shard_sink *s, const void *data, size_t len)
{
    if (s->output->write(s->file, data, len) != 0)
        return SHARD_EIO;
    if (EVP_DigestUpdate(s->sha256, data, len) != 1) {
        errno = ENOMEM;
        return SHARD_EIO;
    }
    XXH3_128bits_update(s->xxh3, data, len);
    s->offset += len;
    return SHARD_OK;
}

uint64_t shard_sink_offset(const struct shard_sink *s)
{
    return s->offset;
}

void shard_sink_fingerprint(const struct shard_sink *s, unsigned char out[16])
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(s->xxh3));
    for (size_t i = 0; i < 16; i++)
        out[i] = canonical.digest[i];
}

int shard_sink_finish(struct shard_sink *s, unsigned char sha256[32])
{
    void *file = s->file;

    s->file = NULL;
    if (s->output->finish(file) != 0)
        return SHARD_EIO;
    if (EVP_DigestFinal_ex(s->sha256, sha256, NULL) != 1) {
        errno = ENOMEM;
        return SHARD_EIO;
    }
    return SHARD_OK;
}

void shard_sink_close(struct shard_sink *s)
{
    if (s == NULL)
        return;
    s->output->close(s->file);
    EVP_MD_CTX_free(s->sha256);
    XXH3_freeState(s->xxh3);
    free(s);
}
