/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/model/safetensors.h - the tensors of one safetensors file. Internal to
 * vae_encode/.
 *
 * The format: 8 bytes header length (little-endian), a JSON object that maps names to
 * dtype, shape and [begin, end) behind the header, then the tensors' bytes without holes.
 * The file is mapped, not read; everything is checked once, on opening. Immutable. */
#ifndef VAE_ENCODE_MODEL_SAFETENSORS_H
#define VAE_ENCODE_MODEL_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

enum { SAFETENSORS_MAX_DIMS = 8, SAFETENSORS_MAX_HEADER = 16 << 20 };

/* Lent; lives as long as the file is open. */
struct safetensors_tensor {
    const char *name;
    const char *dtype; /* as the file says it: "F32", "BF16", "I64", ... */
    int n_dims;
    uint64_t dims[SAFETENSORS_MAX_DIMS];
    uint64_t n_values;
    const unsigned char *data; /* little-endian, of any alignment */
    uint64_t n_bytes;
};

struct safetensors;

/* Give *out, even on failure, so that safetensors_why() can explain; NULL only for
 * VAE_ENOMEM. VAE_EIO; VAE_EMODEL where the file is not there or cannot be one; or
 * VAE_EFORMAT. `bytes` is kept, `what` names it in messages. */
int safetensors_open(struct safetensors **out, const char *path);
int safetensors_open_memory(struct safetensors **out, const void *bytes, size_t len,
                            const char *what);

size_t safetensors_count(const struct safetensors *s);
/* Position of a name in [0, count), in the names' byte order; -1: no such tensor. */
ptrdiff_t safetensors_find(const struct safetensors *s, const char *name);
const struct safetensors_tensor *safetensors_at(const struct safetensors *s, size_t i);

/* The whole file. Lent. */
const unsigned char *safetensors_bytes(const struct safetensors *s, size_t *len);

/* Converts an F32, F16 or BF16 tensor's n_values. VAE_EMODEL for any other dtype. */
int safetensors_to_fp32(const struct safetensors_tensor *t, float *out);

/* "F32 (128, 64, 3, 3)", for messages. */
void safetensors_describe(const struct safetensors_tensor *t, char *text, size_t cap);

const char *safetensors_why(const struct safetensors *s); /* lent; accepts NULL */
void safetensors_close(struct safetensors *s);            /* accepts NULL */

#endif
