/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/store/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void sha256_to_hex(const unsigned char digest[32], char hex[SHA256_HEX_CAP])
{
    for (int i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

int sha256_hex(const void *bytes, size_t len, char hex[SHA256_HEX_CAP])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];

    if (!SHA256(bytes, len, digest))
        return -1;
    sha256_to_hex(digest, hex);
    return 0;
}

enum { CHUNK = 1 << 18 };

/* Hashes up to n bytes of `fd` through `chunk`. Returns 0 or an errno. */
static int update(EVP_MD_CTX *sha, int fd, uint64_t n, void *chunk)
{
    while (n > 0) {
        ssize_t got = read(fd, chunk, n < CHUNK ? (size_t)n : CHUNK);

        if (got == 0)
            break;
        if (got < 0 && errno != EINTR)
            return errno;
        if (got > 0 && EVP_DigestUpdate(sha, chunk, (size_t)got) != 1)
            return ENOMEM;
        n -= got > 0 ? (uint64_t)got : 0;
    }
    return 0;
}

/* Takes `sha`, which holds all bytes unless there was an error. */
static int finish(EVP_MD_CTX *sha, int error, char hex[SHA256_HEX_CAP])
{
    unsigned char digest[32];

    if (error == 0 && EVP_DigestFinal_ex(sha, digest, NULL) != 1)
        error = ENOMEM;
    if (error == 0)
        sha256_to_hex(digest, hex);
    EVP_MD_CTX_free(sha);
    errno = error;
    return error == 0 ? 0 : -1;
}

int sha256_stored(const struct store *store, const char *path, char hex[SHA256_HEX_CAP])
{
    EVP_MD_CTX *sha = EVP_MD_CTX_new();
    void *chunk = malloc(CHUNK);
    uint64_t at = 0;
    ssize_t n = 1;
    int error = 0;

    if (!sha || !chunk || EVP_DigestInit_ex(sha, EVP_sha256(), NULL) != 1)
        error = ENOMEM;
    while (error == 0 && n > 0) {
        n = store->read_at(path, at, chunk, CHUNK);
        if (n < 0)
            error = errno;
        else if (EVP_DigestUpdate(sha, chunk, (size_t)n) != 1)
            error = ENOMEM;
        else
            at += (uint64_t)n;
    }
    free(chunk);
    return finish(sha, error, hex);
}

int sha256_file(const char *path, uint64_t n, char hex[SHA256_HEX_CAP])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), error = fd < 0 ? errno : 0;
    EVP_MD_CTX *sha = EVP_MD_CTX_new();
    void *chunk = malloc(CHUNK);

    if (error == 0 && (!sha || !chunk || EVP_DigestInit_ex(sha, EVP_sha256(), NULL) != 1))
        error = ENOMEM;
    if (error == 0)
        error = update(sha, fd, n, chunk);
    free(chunk);
    if (fd >= 0)
        close(fd);
    return finish(sha, error, hex);
}
