/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz/fuzz_dump.c - whatever a text frame says can be printed.
 *
 * The input is the content of a text frame, as it stands behind Zstandard's checksums.
 * Each record is printed in both forms: the text must be free of control characters, the
 * JSON one line of JSON. Tensors are zeros of the size that the frame gives. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "shard/status.h"
#include "shard/file/text_frame.h"
#include "tests/unit/sample_records.h"
#include "tools/dump/dump_sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TENSOR_CAP = 1 << 12 };

static void check_text(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 && text[i] != '\n')
            abort();
}

static void check_json(const char *text, size_t len)
{
    json_t *parsed =
        json_loadb(text, len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);

    if (parsed == NULL || strchr(text, '\n') != text + len - 1)
        abort();
    json_decref(parsed);
}

static void print(const struct dump_sample *s,
                  int (*dump)(FILE *out, const struct dump_sample *s),
                  void (*check)(const char *text, size_t len))
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    if (out == NULL)
        abort();
    dump(out, s);
    fclose(out);
    check(text, len);
    free(text);
}

static void print_record(const struct shard_record *record)
{
    struct dump_sample s = {.view = record_view(sample_header(), record),
                            .latents = DUMP_LATENTS_FULL};

    if (dump_sample_read(&s) < 0)
        abort();
    print(&s, dump_text_sample, check_text);
    print(&s, dump_json_sample, check_json);
    dump_sample_clear(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char zeros[TENSOR_CAP];
    struct shard_text_frame frame;
    char why[256];

    if (shard_text_frame_decode(&frame, data, size, sample_header(), why, sizeof(why)) ==
        SHARD_OK) {
        for (size_t i = 0; i < frame.n_records; i++) {
            const struct shard_record *r = &frame.records[i];
            struct shard_tensor *tensors = frame.tensors + (r->tensors - frame.tensors);
            for (size_t k = 0; k < r->n_tensors; k++)
                if (tensors[k].n_bytes <= TENSOR_CAP)
                    tensors[k].data = zeros;
            print_record(r);
        }
    }
    shard_text_frame_clear(&frame);
    return 0;
}
