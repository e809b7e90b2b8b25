/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz/fuzz_dataset_index.c - a reader of index.lmi survives any file. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shard/index/dataset_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned sink;

static void touch(const unsigned char *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sink += p[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    struct dataset_index *x = NULL;
    unsigned char fingerprint[16];
    char path[32];

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (dataset_index_open(&x, path) == SHARD_OK) {
        for (int column = 1; column <= DATASET_N_COLUMNS; column++) {
            unsigned char *values;
            size_t len;
            dataset_index_load(x, (enum dataset_index_column)column, &values, &len);
            touch(values, len);
            free(values);
        }
        dataset_index_fingerprint(x, fingerprint);
        sink += (unsigned)dataset_index_count(x) + dataset_index_incomplete(x);
    }
    touch((const unsigned char *)dataset_index_why(x), strlen(dataset_index_why(x)));
    dataset_index_close(x);
    close(fd);
    return 0;
}
