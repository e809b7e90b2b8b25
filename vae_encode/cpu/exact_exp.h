/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/cpu/exact_exp.h - exp and tanh of exact IEEE operations in fixed order: the
 * same bits on every machine. One value at a time; the cpu back end's loops have their
 * own. Internal to vae_encode/. */
#ifndef VAE_ENCODE_CPU_EXACT_EXP_H
#define VAE_ENCODE_CPU_EXACT_EXP_H

#include <math.h>

/* e^x to within an ulp or two; x <= 0 or moderate, as sigmoid and softmax have it. */
static inline double exact_exp(double x)
{
    double k, r, term = 1, sum = 1;

    if (x != x)
        return x;
    if (x < -745)
        return 0;
    if (x > 709)
        return HUGE_VAL;
    k = nearbyint(x * 1.4426950408889634);
    r = x - k * 0x1.62e42feep-1;    /* ln 2, the high bits: the product is exact */
    r -= k * 0x1.a39ef35793c76p-33; /* and the rest */
    for (int i = 1; i <= 14; i++) {
        term = term * r / i;
        sum += term;
    }
    return ldexp(sum, (int)k);
}

/* To within 2^-52 of the true value. */
static inline double exact_tanh(double x)
{
    double e = exact_exp(-2 * fabs(x));

    return copysign((1 - e) / (1 + e), x);
}

/* What a decoder's network makes of its input: bound * tanh(v / bound); 0: v itself. */
static inline float exact_squash(float v, float bound)
{
    return bound > 0 ? (float)((double)bound * exact_tanh((double)v / (double)bound)) : v;
}

#endif
