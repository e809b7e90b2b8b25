/* SPDX-License-Identifier: Apache-2.0
 *
 * Only exact IEEE operations: the sine of the Lanczos window is our own, since libm's
 * differs from one processor to the next. */
#include "ingest/image/resize_filter.h"

#include <math.h>
#include <stddef.h>

/* sin(pi * x) for any x a filter sees; the error is below 1e-15. */
static double sin_pi(double x)
{
    double nearest = floor(x + 0.5);
    double t = (x - nearest) * 3.14159265358979323846;
    double t2 = t * t;
    double term = t, sum = t;

    for (int k = 2; k <= 24; k += 2) {
        term *= -t2 / (double)(k * (k + 1));
        sum += term;
    }
    return fmod(nearest, 2.0) == 0.0 ? sum : -sum;
}

static double sinc(double x)
{
    return x == 0.0 ? 1.0 : sin_pi(x) / (x * 3.14159265358979323846);
}

static double lanczos(double x)
{
    return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0;
}

/* Keys' cubic with a = -1/2. */
static double bicubic(double x)
{
    x = fabs(x);
    if (x < 1.0)
        return (1.5 * x - 2.5) * x * x + 1.0;
    if (x < 2.0)
        return -0.5 * (((x - 5.0) * x + 8.0) * x - 4.0);
    return 0.0;
}

static double bilinear(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double box(double x)
{
    return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

static const struct resize_shape shapes[] = {
    [RESIZE_BICUBIC] = {"bicubic", bicubic, 2.0},
    [RESIZE_LANCZOS] = {"lanczos", lanczos, 3.0},
    [RESIZE_BILINEAR] = {"bilinear", bilinear, 1.0},
    [RESIZE_AREA] = {"area", box, 0.5},
};

const struct resize_shape *resize_filter_shape(enum resize_filter filter)
{
    return (unsigned)filter < sizeof(shapes) / sizeof(shapes[0]) ? &shapes[filter] : NULL;
}

const char *resize_filter_name(enum resize_filter filter)
{
    const struct resize_shape *shape = resize_filter_shape(filter);

    return shape ? shape->name : "unknown";
}
