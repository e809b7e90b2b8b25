/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/python/native/posterior.h"

#include <math.h>
#include <string.h>

#include "shard/python/native/patches.h"
#include "shard/record.h"

/* The i-th number of splitmix64 from a key on: any place without those before it. */
static uint64_t hash_at(uint64_t key, uint64_t i)
{
    uint64_t z = key + (i + 1) * UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* The natural logarithm of a positive normal number, to 1e-12: by the series of atanh. */
static double log_of(double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof(bits));
    int exponent = (int)(bits >> 52) - 1023;
    bits = (bits & UINT64_C(0xFFFFFFFFFFFFF)) | UINT64_C(0x3FF0000000000000);
    memcpy(&x, &bits, sizeof(x));
    if (x > 1.4142135623730951) {
        x *= 0.5;
        exponent++;
    }
    const double s = (x - 1) / (x + 1), s2 = s * s; /* |s| < 0.172 */
    double sum = 1.0 / 13;
    for (int k = 11; k > 0; k -= 2)
        sum = sum * s2 + 1.0 / k;
    return exponent * 0.6931471805599453 + 2 * s * sum;
}

/* e to the power of x, to 1e-12. Beyond what a float holds it stays there. */
static double exp_of(double x)
{
    double term = 1, sum = 1, power;

    x = x < -80 ? -80 : x > 80 ? 80 : x;
    const int n = (int)(x * 1.4426950408889634 + (x < 0 ? -0.5 : 0.5));
    x -= n * 0.6931471805599453; /* |x| < 0.35 */
    for (int k = 1; k < 10; k++) {
        term *= x / k;
        sum += term;
    }
    const uint64_t bits = (uint64_t)(n + 1023) << 52;
    memcpy(&power, &bits, sizeof(power));
    return sum * power;
}

/* sin(x) and cos(x) for x in -pi/4 .. pi/4, to 1e-12. */
static void sin_cos(double x, double *sine, double *cosine)
{
    const double x2 = x * x;
    double s = 0, c = 0;

    for (int k = 13; k > 1; k -= 2) {
        s = (1 - s) * x2 / (k * (k - 1));
        c = (1 - c) * x2 / ((k - 1) * (k - 2));
    }
    *sine = x * (1 - s);
    *cosine = 1 - c;
}

/* Two independent normal values, by Box and Muller's transform. */
static void two_normal(uint64_t key, uint64_t pair, float out[2])
{
    const uint64_t u = hash_at(key, 2 * pair), v = hash_at(key, 2 * pair + 1);
    const double radius =
        sqrt(-2 * log_of(((double)(u >> 11) + 1) * 0x1p-53));   /* of 0 < .. <= 1 */
    const double turn = (double)((v << 2) >> 11) * 0x1p-52 - 1; /* -1 .. 1 */
    double s, c;

    sin_cos(turn * 0.7853981633974483, &s, &c);
    const double x = radius * c, y = radius * s;
    const unsigned quarter = (unsigned)(v >> 62);
    out[0] = (float)(quarter == 0 ? x : quarter == 1 ? -y : quarter == 2 ? -x : y);
    out[1] = (float)(quarter == 0 ? y : quarter == 1 ? x : quarter == 2 ? -y : -x);
}

void posterior_noise(uint64_t key, size_t n, float *out)
{
    float last[2];

    for (size_t i = 0; i + 1 < n; i += 2)
        two_normal(key, i / 2, out + i);
    if (n % 2 != 0) {
        two_normal(key, n / 2, last);
        out[n - 1] = last[0];
    }
}

void posterior_sample(const struct posterior *p, uint64_t key, float *out)
{
    const size_t width = shard_dtype_width(p->dtype);
    const char *mean = p->mean, *logvar = p->logvar;

    posterior_noise(key, p->n, out);
    for (size_t i = 0; i < p->n; i++) {
        const double deviation =
            exp_of(0.5 * patches_value(logvar + i * width, p->dtype));
        out[i] = (float)(patches_value(mean + i * width, p->dtype) + deviation * out[i]);
    }
}
