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
/* Twelve independent chains of AVX2 or AVX-512 multiply-adds, written so that nothing is
 * loaded: what one core can do. */
__attribute__((target("avx2,fma"))) static double peak_avx2(void)
{
    const int n = 20000000;
    double begin = cpu_seconds();

    for (int i = 0; i < n; i++)
        __asm__ volatile("vfmadd231ps %%ymm14, %%ymm15, %%ymm0\n"
                         "vfmadd231ps %%ymm14, %%ymm15, %%ymm1\n"
                         "vfmadd231ps %%ymm14, %%ymm15, %%ymm2\n"
                         "vfmadd231ps %%ymm14, %%ymm15, %%ymm3\n"
                         "vfmadd231ps %%ymm14, %%ymm15, %%ymm4\n"
                         "vfmadd231ps %%ymm14, %%ymm15, %%ymm5\n"
                         "vfmadd231ps %%ymm14, %%ymm15, %%ymm6\n"
                         "vfmadd231ps %%ymm14, %%ymm15, %%ymm7\n"
                         "vfmadd231ps %%ymm14, %%ymm15, %%ymm8\n"
                         "vfmadd231ps %%ymm14, %%ymm15, %%ymm9\n" ::
                             : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
                               "xmm7", "xmm8", "xmm9");
    return 10 * 16 * (double)n / (cpu_seconds() - begin);
}

__attribute__((target("avx512f"))) static double peak_avx512(void)
{
    const int n = 20000000;
    double begin = cpu_seconds();

    for (int i = 0; i < n; i++)
        __asm__ volatile("vfmadd231ps %%zmm14, %%zmm15, %%zmm0\n"
                         "vfmadd231ps %%zmm14, %%zmm15, %%zmm1\n"
                         "vfmadd231ps %%zmm14, %%zmm15, %%zmm2\n"
                         "vfmadd231ps %%zmm14, %%zmm15, %%zmm3\n"
                         "vfmadd231ps %%zmm14, %%zmm15, %%zmm4\n"
                         "vfmadd231ps %%zmm14, %%zmm15, %%zmm5\n"
                         "vfmadd231ps %%zmm14, %%zmm15, %%zmm6\n"
                         "vfmadd231ps %%zmm14, %%zmm15, %%zmm7\n"
                         "vfmadd231ps %%zmm14, %%zmm15, %%zmm8\n"
                         "vfmadd231ps %%zmm14, %%zmm15, %%zmm9\n" ::
                             : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
                               "xmm7", "xmm8", "xmm9");
    return 10 * 32 * (double)n / (cpu_seconds() - begin);
}
#endif

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
    const int size = argc > 2 ? atoi(argv[2]) : 256;
    const int repeats = argc > 3 ? atoi(argv[3]) : 1;
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
        vae_backend_cpu.encode(state, &in, &(struct latent_batch){.mean = mean});
        double seconds = cpu_seconds() - begin;
        double peak = 0;
#ifdef __x86_64__
        peak = __builtin_cpu_supports("avx512f") ? peak_avx512() : peak_avx2();
#endif
        printf("%s %d x %d, %s: %.3f s, %.1f GFLOPS of %.1f at the peak\n",
               taesd ? "taesd" : "sd", size, size, vae_backend_cpu.isa(packed), seconds,
               flops(&r.g, size) / seconds * 1e-9, peak * 1e-9);
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
