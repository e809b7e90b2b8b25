/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/store/sha256.h"

#include <openssl/sha.h>
#include <stdio.h>

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
