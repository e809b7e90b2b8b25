/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <xxhash.h>

#include "shard/status.h"

struct shard_sink {
    int fd;
    uint64_t offset;
    EVP_MD_CTX *sha256;
    XXH3_state_t *xxh3;
};

int shard_sink_open(struct shard_sink **out, const char *path)
{
    struct shard_sink *s = calloc(1, sizeof(*s));

    *out = NULL;
    if (s == NULL)
        return SHARD_ENOMEM;
    s->fd = -1;
    s->sha256 = EVP_MD_CTX_new();
    s->xxh3 = XXH3_createState();
    if (s->sha256 == NULL || s->xxh3 == NULL ||
        EVP_DigestInit_ex(s->sha256, EVP_sha256(), NULL) != 1) {
        shard_sink_close(s);
        return SHARD_ENOMEM;
    }
    XXH3_128bits_reset(s->xxh3);
    s->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (s->fd < 0) {
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
    const unsigned char *p = data;
    size_t left = len;

    while (left > 0) {
        ssize_t n = write(s->fd, p, left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return SHARD_EIO;
        p += n;
        left -= (size_t)n;
    }
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
    int fd = s->fd;

    s->fd = -1;
    if (fsync(fd) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return SHARD_EIO;
    }
    if (close(fd) != 0)
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
    if (s->fd >= 0)
        close(s->fd);
    EVP_MD_CTX_free(s->sha256);
    XXH3_freeState(s->xxh3);
    free(s);
}
