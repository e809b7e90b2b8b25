/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/child/child_frames.h - public: the bytes between prepare and an encoder in a
 * process of its own. ENCODER.md specifies them.
 *
 * Packs what is sent and reads what came. It starts nothing, waits for nothing and
 * allocates nothing; what came is not trusted. */
#ifndef VAE_ENCODE_CHILD_FRAMES_H
#define VAE_ENCODE_CHILD_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#include "vae_encode/encoder.h"

enum {
    CHILD_PROTOCOL = 1,
    CHILD_MEMORY_FD = 3,       /* the child's descriptor of the memory it is offered */
    CHILD_FRAME_HEAD = 16,     /* bytes in front of every payload */
    CHILD_REQUEST_HEAD = 24,   /* of ENCODE, before the pixels */
    CHILD_OFFSET = 8,          /* of one image in the memory, in their place */
    CHILD_TENSORS_HEAD = 16,   /* of TENSORS, before the descriptors */
    CHILD_DESCRIPTOR = 48,     /* of one tensor */
    CHILD_ERROR_HEAD = 16,     /* of ERROR, before the message */
    CHILD_MAX_HELLO = 1 << 24, /* bytes of its JSON */
    CHILD_MAX_ERROR = 1 << 16  /* bytes of an ERROR */
};

enum child_frame_type {
    CHILD_OPEN = 1,
    CHILD_HELLO = 2,
    CHILD_ENCODE = 3,
    CHILD_TENSORS = 4,
    CHILD_ERROR = 5,
    CHILD_DECODE = 6,
    CHILD_IMAGES = 7
};

/* Where an ENCODE has its pixels. */
enum child_pixels {
    CHILD_PIXELS_FOLLOW = 0,
    CHILD_PIXELS_IN_MEMORY = 1 /* an offset of each image follows */
};

/* As in FORMAT.md. */
enum child_dtype {
    CHILD_U16 = 1,
    CHILD_U32 = 2,
    CHILD_I32 = 3,
    CHILD_FP16 = 4,
    CHILD_BF16 = 5,
    CHILD_FP32 = 6
};

enum child_error_code {
    CHILD_NO_MEMORY = 1,     /* of the device */
    CHILD_CANNOT_ENCODE = 2, /* this batch */
    CHILD_REFUSED = 3        /* the user must act */
};

struct child_frame {
    uint32_t type;
    uint64_t len; /* of the payload */
};

struct child_error {
    uint64_t id; /* 0: about OPEN */
    uint32_t code;
    const char *message; /* lent by the payload, or where it has none static; not
                            terminated, any bytes */
    size_t message_len;
};

/* One tensor of n images. */
struct child_tensor {
    uint32_t dtype;
    uint32_t n_dims;
    uint32_t dims[ENCODER_MAX_DIMS]; /* of one image */
    const unsigned char *data;       /* lent by the payload; (n, dims); not aligned */
    uint64_t n_bytes;                /* of all images */
};

struct child_tensors {
    uint64_t id;
    uint32_t n; /* images */
    uint32_t n_tensors;
    struct child_tensor tensors[ENCODER_MAX_TENSORS];
};

/* Bytes of one value; 0: there is no such type. */
size_t child_dtype_width(uint32_t dtype);

void child_pack_frame(unsigned char out[CHILD_FRAME_HEAD], enum child_frame_type type,
                      uint64_t len);

/* The frame's head and the request's, for n images of width x height: `len` bytes follow,
 * pixels or offsets. */
void child_pack_encode(unsigned char out[CHILD_FRAME_HEAD + CHILD_REQUEST_HEAD],
                       uint64_t id, uint32_t n, uint32_t width, uint32_t height,
                       enum child_pixels where, uint64_t len);
void child_pack_offset(unsigned char out[CHILD_OFFSET], uint64_t offset);

/* Read what came. NULL, or what is wrong with it: a static string, for a message. */
const char *child_read_frame(const unsigned char in[CHILD_FRAME_HEAD],
                             struct child_frame *out);
const char *child_read_tensors(const unsigned char *in, size_t len,
                               struct child_tensors *out);
const char *child_read_error(const unsigned char *in, size_t len,
                             struct child_error *out);

#endif
