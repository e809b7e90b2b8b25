/* SPDX-License-Identifier: Apache-2.0 */
#include "vae_encode/child/child_frames.h"

#include <string.h>

static const uint32_t MAGIC = 0x31454d4c; /* "LME1" */

_Static_assert(CHILD_DESCRIPTOR == 8 + 4 * ENCODER_MAX_DIMS + 8,
               "a descriptor has room for as many dims as an encoder gives");

static void put32(unsigned char *out, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        out[i] = (unsigned char)(v >> (8 * i));
}

static void put64(unsigned char *out, uint64_t v)
{
    put32(out, (uint32_t)v);
    put32(out + 4, (uint32_t)(v >> 32));
}

static uint32_t get32(const unsigned char *in)
{
    return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 |
           (uint32_t)in[3] << 24;
}

static uint64_t get64(const unsigned char *in)
{
    return get32(in) | (uint64_t)get32(in + 4) << 32;
}

size_t child_dtype_width(uint32_t dtype)
{
    static const size_t widths[] = {0, 2, 4, 4, 2, 2, 4};

    return dtype < sizeof(widths) / sizeof(*widths) ? widths[dtype] : 0;
}

void child_pack_frame(unsigned char out[CHILD_FRAME_HEAD], enum child_frame_type type,
                      uint64_t len)
{
    put32(out, MAGIC);
    put32(out + 4, type);
    put64(out + 8, len);
}

void child_pack_encode(unsigned char out[CHILD_FRAME_HEAD + CHILD_REQUEST_HEAD],
                       uint64_t id, uint32_t n, uint32_t width, uint32_t height,
                       enum child_pixels where, uint64_t len)
{
    unsigned char *request = out + CHILD_FRAME_HEAD;

    child_pack_frame(out, CHILD_ENCODE, CHILD_REQUEST_HEAD + len);
    put64(request, id);
    put32(request + 8, n);
    put32(request + 12, width);
    put32(request + 16, height);
    put32(request + 20, where);
}

void child_pack_offset(unsigned char out[CHILD_OFFSET], uint64_t offset)
{
    put64(out, offset);
}

const char *child_read_frame(const unsigned char in[CHILD_FRAME_HEAD],
                             struct child_frame *out)
{
    if (get32(in) != MAGIC)
        return "its output is none of the protocol's (a print() to standard output?)";
    out->type = get32(in + 4);
    out->len = get64(in + 8);
    if (out->type < CHILD_OPEN || out->type > CHILD_IMAGES)
        return "a frame of its output has an unknown type";
    return NULL;
}

/* The data of the tensors before it end at *at, and so do its own. */
static const char *read_tensor(const unsigned char *in, size_t len, size_t *at,
                               uint32_t n, struct child_tensor *out)
{
    const unsigned char *data = in + *at;
    const unsigned char *descriptor = out->data;
    uint64_t bytes;

    out->dtype = get32(descriptor);
    out->n_dims = get32(descriptor + 4);
    out->n_bytes = get64(descriptor + 8 + 4 * ENCODER_MAX_DIMS);
    bytes = child_dtype_width(out->dtype);
    if (bytes == 0)
        return "a tensor's type is none of the protocol's";
    if (out->n_dims > ENCODER_MAX_DIMS)
        return "a tensor has too many dimensions";
    bytes *= n;
    for (uint32_t i = 0; i < out->n_dims; i++) {
        out->dims[i] = get32(descriptor + 8 + 4 * (size_t)i);
        if (out->dims[i] != 0 && bytes > UINT64_MAX / out->dims[i])
            return "a tensor is too large";
        bytes *= out->dims[i];
    }
    for (size_t i = out->n_dims; i < ENCODER_MAX_DIMS; i++)
        if (get32(descriptor + 8 + 4 * i) != 0)
            return "a tensor has sizes behind its last dimension";
    if (bytes != out->n_bytes)
        return "a tensor's length does not follow from its dimensions";
    if (bytes > len - *at)
        return "a tensor's data are cut off";
    out->data = data;
    *at += bytes;
    return NULL;
}

const char *child_read_tensors(const unsigned char *in, size_t len,
                               struct child_tensors *out)
{
    size_t at = CHILD_TENSORS_HEAD;

    if (len < CHILD_TENSORS_HEAD)
        return "an answer is cut off";
    *out = (struct child_tensors){
        .id = get64(in), .n = get32(in + 8), .n_tensors = get32(in + 12)};
    if (out->n_tensors > ENCODER_MAX_TENSORS)
        return "an answer has too many tensors";
    if ((len - at) / CHILD_DESCRIPTOR < out->n_tensors)
        return "an answer is cut off";
    at += (size_t)out->n_tensors * CHILD_DESCRIPTOR;
    for (uint32_t i = 0; i < out->n_tensors; i++) {
        struct child_tensor *tensor = &out->tensors[i];
        const char *wrong;

        tensor->data = in + CHILD_TENSORS_HEAD + (size_t)i * CHILD_DESCRIPTOR;
        wrong = read_tensor(in, len, &at, out->n, tensor);
        if (wrong)
            return wrong;
    }
    return at == len ? NULL : "an answer has bytes behind its tensors";
}

const char *child_read_error(const unsigned char *in, size_t len, struct child_error *out)
{
    if (len < CHILD_ERROR_HEAD)
        return "an ERROR is cut off";
    *out = (struct child_error){.id = get64(in),
                                .code = get32(in + 8),
                                .message = (const char *)in + CHILD_ERROR_HEAD,
                                .message_len = get32(in + 12)};
    if (out->code < CHILD_NO_MEMORY || out->code > CHILD_REFUSED)
        return "an ERROR has an unknown code";
    if (out->message_len != len - CHILD_ERROR_HEAD)
        return "an ERROR's length is wrong";
    if (out->message_len == 0 || *out->message == '\0') {
        out->message = "it does not say why";
        out->message_len = strlen(out->message);
    }
    return NULL;
}
