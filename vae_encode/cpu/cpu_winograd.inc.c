/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/cpu/cpu_winograd.inc.c - the transforms B^T d B and A^T p A of winograd.h,
 * included by the same files as cpu_kernels.inc.c, after it.
 *
 * In one dimension a pair of points +-p shares its even terms E and odd terms O: E + p O
 * and E - p O. In two dimensions a transform runs down the columns of a whole strip of
 * tiles, then along the rows of each. All constants are exact in fp32. */
#include "vae_encode/cpu/winograd.h"

/* x + a y + b z */
static ALWAYS_INLINE vf sum3(vf x, float a, vf y, float b, vf z)
{
    return vf_fma(vf_set1(b), z, vf_fma(vf_set1(a), y, x));
}

static ALWAYS_INLINE void pair_of_points(vf out[2], vf even, vf odd, float p)
{
    out[0] = vf_fma(vf_set1(p), odd, even);
    out[1] = vf_fma(vf_set1(-p), odd, even);
}

/* B^T d of F(4, 3), in place */
static ALWAYS_INLINE void to_points_4(vf d[])
{
    const float a = 0.75f, b = 1.5f, aa = a * a, bb = b * b;
    vf first = sum3(d[4], -(aa + bb), d[2], aa * bb, d[0]);
    vf last = sum3(d[5], -(aa + bb), d[3], aa * bb, d[1]);
    vf even_a = vf_fma(vf_set1(-bb), d[2], d[4]);
    vf odd_a = vf_fma(vf_set1(-bb), d[1], d[3]);
    vf even_b = vf_fma(vf_set1(-aa), d[2], d[4]);
    vf odd_b = vf_fma(vf_set1(-aa), d[1], d[3]);

    d[0] = first;
    pair_of_points(d + 1, even_a, odd_a, a);
    pair_of_points(d + 3, even_b, odd_b, b);
    d[5] = last;
}

/* A^T p of F(4, 3), in place */
static ALWAYS_INLINE void from_points_4(vf p[])
{
    const float a = 0.75f, b = 1.5f;
    vf sum_a = p[1] + p[2], dif_a = p[1] - p[2];
    vf sum_b = p[3] + p[4], dif_b = p[3] - p[4];

    p[0] = p[0] + (sum_a + sum_b);
    p[1] = vf_fma(vf_set1(a), dif_a, vf_set1(b) * dif_b);
    p[2] = vf_fma(vf_set1(a * a), sum_a, vf_set1(b * b) * sum_b);
    p[3] = sum3(p[5], a * a * a, dif_a, b * b * b, dif_b);
}

/* B^T d of F(6, 3), in place */
static ALWAYS_INLINE void to_points_6(vf d[])
{
    const float aa = 0.25f, bb = 1.0f, cc = 2.25f; /* a = 1/2, b = 1, c = 3/2, squared */
    const float s1 = aa + bb + cc, s2 = aa * bb + aa * cc + bb * cc, s3 = aa * bb * cc;
    vf first = vf_fma(vf_set1(-s3), d[0], sum3(d[6], -s1, d[4], s2, d[2]));
    vf last = vf_fma(vf_set1(-s3), d[1], sum3(d[7], -s1, d[5], s2, d[3]));
    vf even_a = sum3(d[6], -(bb + cc), d[4], bb * cc, d[2]);
    vf odd_a = sum3(d[5], -(bb + cc), d[3], bb * cc, d[1]);
    vf even_b = sum3(d[6], -(aa + cc), d[4], aa * cc, d[2]);
    vf odd_b = sum3(d[5], -(aa + cc), d[3], aa * cc, d[1]);
    vf even_c = sum3(d[6], -(aa + bb), d[4], aa * bb, d[2]);
    vf odd_c = sum3(d[5], -(aa + bb), d[3], aa * bb, d[1]);

    d[0] = first;
    pair_of_points(d + 1, even_a, odd_a, 0.5f);
    d[3] = even_b + odd_b;
    d[4] = even_b - odd_b;
    pair_of_points(d + 5, even_c, odd_c, 1.5f);
    d[7] = last;
}

/* A^T p of F(6, 3), in place */
static ALWAYS_INLINE void from_points_6(vf p[])
{
    const float a = 0.5f, aa = 0.25f, c = 1.5f, cc = 2.25f;
    vf sum_a = p[1] + p[2], dif_a = p[1] - p[2];
    vf sum_b = p[3] + p[4], dif_b = p[3] - p[4];
    vf sum_c = p[5] + p[6], dif_c = p[5] - p[6];

    p[0] = p[0] + (sum_a + (sum_b + sum_c));
    p[1] = sum3(dif_b, a, dif_a, c, dif_c);
    p[2] = sum3(sum_b, aa, sum_a, cc, sum_c);
    p[3] = sum3(dif_b, aa * a, dif_a, cc * c, dif_c);
    p[4] = sum3(sum_b, aa * aa, sum_a, cc * cc, sum_c);
    p[5] = sum3(dif_b + p[7], aa * aa * a, dif_a, cc * cc * c, dif_c);
}

/* B^T d for halving, in place: F(3, 2) of d[0], d[2], d[4], d[6], then d[1], d[3], d[5]
 */
static ALWAYS_INLINE void to_points_halving(vf d[])
{
    vf zero = d[0] - d[4], plus = d[4] + d[2], minus = d[4] - d[2], last = d[6] - d[2];
    vf odd[3] = {d[1], d[3], d[5]};

    d[0] = zero;
    d[1] = plus;
    d[2] = minus;
    d[3] = last;
    for (int i = 0; i < 3; i++)
        d[4 + i] = odd[i];
}

/* A^T p for halving, in place */
static ALWAYS_INLINE void from_points_halving(vf p[])
{
    vf sum = p[1] + p[2], dif = p[1] - p[2];

    p[0] = p[0] + sum + p[4];
    p[1] = dif + p[5];
    p[2] = sum + p[3] + p[6];
}

static ALWAYS_INLINE void to_points(vf d[], const enum winograd_kind kind)
{
    if (kind == WINOGRAD_4X4)
        to_points_4(d);
    else if (kind == WINOGRAD_6X6)
        to_points_6(d);
    else
        to_points_halving(d);
}

static ALWAYS_INLINE void from_points(vf p[], const enum winograd_kind kind)
{
    if (kind == WINOGRAD_4X4)
        from_points_4(p);
    else if (kind == WINOGRAD_6X6)
        from_points_6(p);
    else
        from_points_halving(p);
}

/* VF_LANES channels of a strip. `kind` is a constant where this is inlined, and with it
 * the bounds of all loops. */
static ALWAYS_INLINE void input_lanes(const struct cpu_winograd_input *w, int lane,
                                      const enum winograd_kind kind)
{
    const int n = winograd_table[kind].n, step = winograd_table[kind].step;
    vf mid[WINOGRAD_MAX_STRIP][WINOGRAD_MAX_N];
    const int cols = w->tiles * step + n - step;

    for (int x = 0; x < cols; x++) {
        vf d[WINOGRAD_MAX_N];
        for (int i = 0; i < n; i++)
            d[i] = vf_load(w->in + i * w->in_row + x * CPU_BLOCK + lane);
        to_points(d, kind);
        for (int i = 0; i < n; i++)
            mid[x][i] = d[i];
    }
    for (int i = 0; i < n; i++) {
        float *out = w->out + i * n * w->out_point + lane;
        for (int t = 0; t < w->tiles; t++, out += CPU_BLOCK) {
            vf d[WINOGRAD_MAX_N];
            for (int j = 0; j < n; j++)
                d[j] = mid[t * step + j][i];
            to_points(d, kind);
            for (int j = 0; j < n; j++)
                vf_store(out + j * w->out_point, d[j]);
        }
    }
}

static void winograd_input(const struct cpu_winograd_input *w)
{
    for (int lane = 0; lane < CPU_BLOCK; lane += VF_LANES) {
        if (w->kind == WINOGRAD_4X4)
            input_lanes(w, lane, WINOGRAD_4X4);
        else if (w->kind == WINOGRAD_6X6)
            input_lanes(w, lane, WINOGRAD_6X6);
        else
            input_lanes(w, lane, WINOGRAD_HALVING);
    }
}

static ALWAYS_INLINE void add_to_sums(double *sums, vf v)
{
    vd_store(sums, vd_load(sums) + vd_from_low(v));
    vd_store(sums + VF_LANES / 2, vd_load(sums + VF_LANES / 2) + vd_from_high(v));
}

/* One tile, from A^T along its columns to its outputs. */
static ALWAYS_INLINE void finish_tile(const struct cpu_winograd_output *w,
                                      vf mid[][WINOGRAD_MAX_N], int t, int lane,
                                      const enum winograd_kind kind)
{
    const int n = winograd_table[kind].n, m = winograd_table[kind].m;
    const vf bias = vf_load(w->bias + lane);
    const int left = w->cols - t * m, cols = left < m ? left : m;
    ptrdiff_t at = t * m * CPU_BLOCK + lane;
    vf sum = vf_set1(0.0f), square = vf_set1(0.0f);

    for (int i = 0; i < w->rows; i++, at += w->out_row) {
        vf p[WINOGRAD_MAX_N];
        for (int j = 0; j < n; j++)
            p[j] = mid[i][j];
        from_points(p, kind);
        for (int j = 0; j < m && j < cols; j++) {
            vf v = p[j] + bias;
            if (w->residual)
                v += vf_load(w->residual + at + j * CPU_BLOCK);
            if (w->relu)
                v = vf_max(vf_set1(0.0f), v);
            vf_store(w->out + at + j * CPU_BLOCK, v);
            sum += v;
            square = vf_fma(v, v, square);
        }
    }
    if (w->sums) {
        add_to_sums(w->sums + lane, sum);
        add_to_sums(w->sums + CPU_BLOCK + lane, square);
    }
}

static ALWAYS_INLINE void output_lanes(const struct cpu_winograd_output *w, int lane,
                                       const enum winograd_kind kind)
{
    const int n = winograd_table[kind].n, m = winograd_table[kind].m;
    vf mid[WINOGRAD_STRIP][WINOGRAD_MAX_M][WINOGRAD_MAX_N];

    for (int j = 0; j < n; j++) {
        const float *in = w->in + j * w->in_point + lane;
        for (int t = 0; t < w->tiles; t++, in += CPU_BLOCK) {
            vf p[WINOGRAD_MAX_N];
            for (int i = 0; i < n; i++)
                p[i] = vf_load(in + i * n * w->in_point);
            from_points(p, kind);
            for (int i = 0; i < m; i++)
                mid[t][i][j] = p[i];
        }
    }
    for (int t = 0; t < w->tiles; t++)
        finish_tile(w, mid[t], t, lane, kind);
}

static void winograd_output(const struct cpu_winograd_output *w)
{
    for (int lane = 0; lane < CPU_BLOCK; lane += VF_LANES) {
        if (w->kind == WINOGRAD_4X4)
            output_lanes(w, lane, WINOGRAD_4X4);
        else if (w->kind == WINOGRAD_6X6)
            output_lanes(w, lane, WINOGRAD_6X6);
        else
            output_lanes(w, lane, WINOGRAD_HALVING);
    }
}
