/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/cpu/cpu_simd.h - the vectors cpu_kernels.inc.c is written in. Internal to
 * vae_encode/.
 *
 * vf is VF_LANES floats, vd half as many doubles; + - * / are the compiler's. Each
 * operation is exact IEEE arithmetic on every lane, so its result is the same on each
 * instruction set. vf_max and vf_min give the second operand where one is NaN, as x86
 * does. */
#ifndef VAE_ENCODE_CPU_CPU_SIMD_H
#define VAE_ENCODE_CPU_CPU_SIMD_H

#include <stdint.h>

#if defined(__AVX512F__)
#include <immintrin.h>
enum { VF_LANES = 16 };
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
enum { VF_LANES = 8 };
#else
#include <math.h>
#include <string.h>
enum { VF_LANES = 4 };
#endif

typedef float vf __attribute__((vector_size(4 * VF_LANES)));
typedef uint32_t vu __attribute__((vector_size(4 * VF_LANES)));
typedef double vd __attribute__((vector_size(4 * VF_LANES)));

#if defined(__AVX512F__)

static inline vf vf_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

static inline void vf_store(float *p, vf a)
{
    _mm512_storeu_ps(p, a);
}

static inline vf vf_set1(float a)
{
    return _mm512_set1_ps(a);
}

/* a * b + c, rounded once */
static inline vf vf_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}

static inline vf vf_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}

static inline vf vf_min(vf a, vf b)
{
    return _mm512_min_ps(a, b);
}

static inline vd vd_load(const double *p)
{
    return _mm512_loadu_pd(p);
}

static inline void vd_store(double *p, vd a)
{
    _mm512_storeu_pd(p, a);
}

static inline vd vd_from_low(vf a)
{
    return _mm512_cvtps_pd(_mm512_castps512_ps256(a));
}

static inline vd vd_from_high(vf a)
{
    __m512d bits = _mm512_castps_pd(a);
    return _mm512_cvtps_pd(_mm256_castpd_ps(_mm512_extractf64x4_pd(bits, 1)));
}

#elif defined(__AVX2__) && defined(__FMA__)

static inline vf vf_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

static inline void vf_store(float *p, vf a)
{
    _mm256_storeu_ps(p, a);
}

static inline vf vf_set1(float a)
{
    return _mm256_set1_ps(a);
}

static inline vf vf_fma(vf a, vf b, vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}

static inline vf vf_max(vf a, vf b)
{
    return _mm256_max_ps(a, b);
}

static inline vf vf_min(vf a, vf b)
{
    return _mm256_min_ps(a, b);
}

static inline vd vd_load(const double *p)
{
    return _mm256_loadu_pd(p);
}

static inline void vd_store(double *p, vd a)
{
    _mm256_storeu_pd(p, a);
}

static inline vd vd_from_low(vf a)
{
    return _mm256_cvtps_pd(_mm256_castps256_ps128(a));
}

static inline vd vd_from_high(vf a)
{
    return _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1));
}

#else

static inline vf vf_load(const float *p)
{
    vf a;
    memcpy(&a, p, sizeof(a));
    return a;
}

static inline void vf_store(float *p, vf a)
{
    memcpy(p, &a, sizeof(a));
}

static inline vf vf_set1(float a)
{
    return (vf){a, a, a, a};
}

static inline vf vf_fma(vf a, vf b, vf c)
{
    return (vf){fmaf(a[0], b[0], c[0]), fmaf(a[1], b[1], c[1]), fmaf(a[2], b[2], c[2]),
                fmaf(a[3], b[3], c[3])};
}

static inline vf vf_max(vf a, vf b)
{
    return (vf){a[0] > b[0] ? a[0] : b[0], a[1] > b[1] ? a[1] : b[1],
                a[2] > b[2] ? a[2] : b[2], a[3] > b[3] ? a[3] : b[3]};
}

static inline vf vf_min(vf a, vf b)
{
    return (vf){a[0] < b[0] ? a[0] : b[0], a[1] < b[1] ? a[1] : b[1],
                a[2] < b[2] ? a[2] : b[2], a[3] < b[3] ? a[3] : b[3]};
}

static inline vd vd_load(const double *p)
{
    vd a;
    memcpy(&a, p, sizeof(a));
    return a;
}

static inline void vd_store(double *p, vd a)
{
    memcpy(p, &a, sizeof(a));
}

static inline vd vd_from_low(vf a)
{
    return (vd){a[0], a[1]};
}

static inline vd vd_from_high(vf a)
{
    return (vd){a[2], a[3]};
}

#endif

/* exp(x) within 2 ulp for x in [-87, 88], to which it is clamped. */
static inline vf vf_exp(vf x)
{
    const float round_to_int =
        0x1.8p23f; /* adding it leaves the integer in the low bits */

    x = vf_min(vf_set1(88.0f), vf_max(vf_set1(-87.0f), x));
    vf t = vf_fma(x, vf_set1(0x1.715476p+0f), vf_set1(round_to_int));
    vf n = t - vf_set1(round_to_int);
    /* r = x - n ln 2, with ln 2 in two parts of which n times the first is exact */
    vf r = vf_fma(n, vf_set1(-0x1.62e4p-1f), x);
    r = vf_fma(n, vf_set1(-0x1.7f7d1cp-20f), r);
    vf p = vf_set1(1.0f / 5040.0f);
    p = vf_fma(p, r, vf_set1(1.0f / 720.0f));
    p = vf_fma(p, r, vf_set1(1.0f / 120.0f));
    p = vf_fma(p, r, vf_set1(1.0f / 24.0f));
    p = vf_fma(p, r, vf_set1(1.0f / 6.0f));
    p = vf_fma(p, r, vf_set1(0.5f));
    p = vf_fma(p, r, vf_set1(1.0f));
    p = vf_fma(p, r, vf_set1(1.0f));
    return (vf)((vu)p + ((vu)t << 23));
}

#endif
