/* SPDX-License-Identifier: Apache-2.0
 * tests/programs/time_encoder.c - CPU time of the cpu back end on networks with random
 * weights, beside the multiply-add peak measured in the same run.
 *
 *     time_encoder [sd|taesd] [SIZE] [REPEATS] [ISA] */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <sys/resource.h>

#include "tests/unit/random_graph.h"
#include "vae_encode/backend.h"
#include "vae_encode/status.h"

static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#ifdef __x86_64__
/* Ten independent chains of multiply-adds on registers: what one core can do. */
#define CHAIN(r, n) "vfmadd231ps %%" r "14, %%" r "15, %%" r n "\n"
#define CHAINS(r)                                                                        \
    CHAIN(r, "0")                                                                        \
    CHAIN(r, "1")                                                                        \
    CHAIN(r, "2")                                                                        \
    CHAIN(r, "3")                                                                        \
    CHAIN(r, "4")                                                                        \
    CHAIN(r, "5") CHAIN(r, "6") CHAIN(r, "7") CHAIN(r, "8") CHAIN(r, "9")

__attribute__((target("avx512f"))) static void chains_avx512(int n)
{
    __asm__ volatile("vzeroall");
    for (int i = 0; i < n; i++)
        __asm__ volatile(CHAINS("zmm")::
                             : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
                               "xmm7", "xmm8", "xmm9");
}

__attribute__((target("avx2,fma"))) static void chains_avx2(int n)
{
    __asm__ volatile("vzeroall");
    for (int i = 0; i < n; i++)
        __asm__ volatile(CHAINS("ymm")::
                             : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
                               "xmm7", "xmm8", "xmm9");
}
#endif

/* 0: unknown */
static double peak_flops(const char *isa)
{
#ifdef __x86_64__
    const int n = 20000000, lanes = strcmp(isa, "avx512") == 0 ? 16 : 8;
    double begin = cpu_seconds();

    if (strcmp(isa, "portable") == 0)
        return 0;
    if (lanes == 16)
        chains_avx512(n);
    else
        chains_avx2(n);
    return 2.0 * lanes * 10 * n / (cpu_seconds() - begin);
#else
    (void)isa;
    return 0;
#endif
}

/* Multiply-adds counted as two, of one image. */
static double flops(const struct vae_graph *g, int size)
{
    double sum = 0;

    for (int i = 0; i < g->n_steps; i++) {
        const struct vae_step *s = &g->steps[i];
        double pixels = (double)size / s->downscale_in * size / s->downscale_in;
        if (s->kind == VAE_STEP_CONV) {
            const struct vae_conv *c = &s->u.conv;
            sum += 2.0 * c->c_in * c->c_out * c->kernel * c->kernel * pixels /
                   (c->stride * c->stride);
        } else {
            double c = s->u.attention.channels;
            sum += 8 * c * c * pixels + 4 * c * pixels * pixels;
        }
    }
    return sum;
}

int main(int argc, char **argv)
{
    static const int sd[] = {128, 256, 512, 512};
    const int taesd = argc > 1 && strcmp(argv[1], "taesd") == 0;
    const int size = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 256;
    const int repeats = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 1;
    const char *isa = argc > 4 ? argv[4] : NULL;
    struct random_graph r;
    void *packed, *state;

    random_graph_init(&r, 1);
    if (taesd)
        random_graph_taesd(&r, 64, 4);
    else
        random_graph_kl(&r, sd, 4, 2, 32, 8);
    if (vae_backend_cpu.pack(&packed, &r.g, isa) != VAE_OK ||
        vae_backend_cpu.open(&state, packed, size, size) != VAE_OK) {
        fprintf(stderr, "time_encoder: no such instruction set or size\n");
        return 1;
    }
    uint8_t *rgb = malloc((size_t)size * size * 3);
    float *mean = malloc((size_t)size * size * sizeof(*mean));
    if (!rgb || !mean)
        return 1;
    for (int i = 0; i < size * size * 3; i++)
        rgb[i] = (uint8_t)(random_next(&r.seed) >> 56);
    struct image_batch in = {
        .n = 1, .width = size, .height = size, .rgb = (const uint8_t *const *)&rgb};
    for (int i = 0; i < repeats; i++) {
        double begin = cpu_seconds();
        vae_backend_cpu.encode(state, &in, &(struct latent_batch){.mean = mean}, NULL);
        double seconds = cpu_seconds() - begin;
        printf("%s %d x %d, %s: %.3f s, %.1f GFLOPS of %.1f at the peak\n",
               taesd ? "taesd" : "sd", size, size, vae_backend_cpu.isa(packed), seconds,
               flops(&r.g, size) / seconds * 1e-9,
               peak_flops(vae_backend_cpu.isa(packed)) * 1e-9);
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("packed weights %.1f MiB, peak memory %.1f MiB\n",
           (double)vae_backend_cpu.packed_bytes(packed) / (1 << 20),
           (double)usage.ru_maxrss / 1024);
    vae_backend_cpu.close(state);
    vae_backend_cpu.free_packed(packed);
    random_graph_free(&r);
    free(rgb);
    free(mean);
    return 0;
}
