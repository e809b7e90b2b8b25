/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz/fuzz_child.c - whatever an encoder in a process of its own writes, it is
 * read or refused.
 *
 * An input is its standard output: frames, the last of which may be cut off. */
#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tools/run/child_hello.h"
#include "vae_encode/child/child_frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned sink;

static void touch(const void *at, size_t len)
{
    const unsigned char *bytes = at;

    for (size_t i = 0; i < len; i++)
        sink += bytes[i];
}

static void touch_words(const char *words)
{
    touch(words, strlen(words));
}

static void touch_hello(const struct child_hello *h)
{
    const struct shard_encoder *e = h->encoder;

    touch_words(e->kind);
    touch_words(e->family);
    touch(e->scale, e->n_scale * sizeof(*e->scale));
    touch(e->shift, e->n_scale * sizeof(*e->shift));
    touch(e->id_map, e->n_id_map * sizeof(*e->id_map));
    for (size_t i = 0; i < e->n_features; i++)
        touch_words(e->features[i].what);
    touch(h->tensors, h->n_tensors * sizeof(h->tensors[0]));
}

static void read_hello(const uint8_t *payload, size_t len)
{
    static const char *const moments[] = {"mean", "mean+logvar"};
    json_t *json = json_loadb((const char *)payload, len, JSON_REJECT_DUPLICATES, NULL);
    struct child_hello h;
    char why[600];

    for (int i = 0; i < 2 && json_is_object(json); i++) {
        const int rc = child_hello_read(&h, json, 32, 32, moments[i], why, sizeof(why));

        if (rc == 0)
            touch_hello(&h);
        else if (rc == EINVAL)
            touch_words(why);
        child_hello_free(&h);
    }
    if (json)
        (void)child_hello_difference(json, json);
    json_decref(json);
}

static void read_tensors(const uint8_t *payload, size_t len)
{
    struct child_tensors got;
    const char *wrong = child_read_tensors(payload, len, &got);

    if (wrong)
        touch_words(wrong);
    for (uint32_t i = 0; !wrong && i < got.n_tensors; i++)
        touch(got.tensors[i].data, got.tensors[i].n_bytes);
}

static void read_error(const uint8_t *payload, size_t len)
{
    struct child_error error;
    const char *wrong = child_read_error(payload, len, &error);

    if (wrong)
        touch_words(wrong);
    else
        touch(error.message, error.message_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct child_frame frame;

    while (size >= CHILD_FRAME_HEAD && child_read_frame(data, &frame) == NULL) {
        const size_t left = size - CHILD_FRAME_HEAD;
        const size_t len = frame.len < left ? (size_t)frame.len : left;

        data += CHILD_FRAME_HEAD;
        if (frame.type == CHILD_HELLO)
            read_hello(data, len);
        else if (frame.type == CHILD_TENSORS)
            read_tensors(data, len);
        else if (frame.type == CHILD_ERROR)
            read_error(data, len);
        data += len;
        size = left - len;
    }
    return 0;
}
