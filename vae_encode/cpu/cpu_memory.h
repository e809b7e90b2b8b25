/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/cpu/cpu_memory.h - memory for weights and activations. Internal to
 * vae_encode/.
 */
#ifndef VAE_ENCODE_CPU_CPU_MEMORY_H
#define VAE_ENCODE_CPU_CPU_MEMORY_H

#include <stddef.h>

/* Gives n * size bytes, unset, on a cache line, in huge pages where they fill any and the
 * system has them: transforms touch 64 places far apart. Release with free(). NULL: no
 * memory, or more than can be. */
void *cpu_memory_allocate(size_t n, size_t size);

#endif
