/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/why.h - a status with its words, handed up by value. Internal to
 * vae_encode/.
 */
#ifndef VAE_ENCODE_WHY_H
#define VAE_ENCODE_WHY_H

struct vae_why {
    char text[1024];
};

/* Formats the text and returns `status`. */
int vae_fail(struct vae_why *why, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
