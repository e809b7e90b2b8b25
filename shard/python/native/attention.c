/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/python/native/attention.h"

#include <string.h>

/* Where the run of positions of one document and image that begins at `at` ends. */
static size_t run_end(const int32_t *documents, const int32_t *images, size_t n,
                      size_t at)
{
    size_t end = at + 1;

    while (end < n && documents[end] == documents[at] && images[end] == images[at])
        end++;
    return end;
}

/* The part of row q that a run, from `begin` to `end`, is. */
static void put_run(const int32_t *images, size_t q, size_t begin, size_t end,
                    uint8_t *row)
{
    const size_t behind = q + 1; /* of what is seen causally */

    if (images[q] < 0 || images[q] != images[begin])
        end = end < behind ? end : behind;
    if (end > begin)
        memset(row + begin, 1, end - begin);
}

/* The columns of a run, of all rows of its document. */
static void put_columns(const int32_t *documents, const int32_t *images, size_t n,
                        size_t begin, size_t end, uint8_t *mask)
{
    if (documents[begin] < 0)
        return;
    for (size_t q = 0; q < n; q++)
        if (documents[q] == documents[begin])
            put_run(images, q, begin, end, mask + q * n);
}

void attention_mask(const int32_t *documents, const int32_t *images, size_t n,
                    uint8_t *mask)
{
    for (size_t at = 0; at < n;) {
        const size_t end = run_end(documents, images, n, at);
        put_columns(documents, images, n, at, end, mask);
        at = end;
    }
    for (size_t q = 0; q < n; q++)
        mask[q * n + q] = 1;
}
