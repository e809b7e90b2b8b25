/* SPDX-License-Identifier: Apache-2.0
 *
 * Profiles through lcms2, perceptual intent, 8 bits in and out. A profile is sRGB if its
 * transform moves no colour of a lattice by more than one level: that catches the many
 * profiles that are sRGB by another name, and needs no list of hashes. */
#include "ingest/colour_profile.h"

#include <stdbool.h>
#include <stdlib.h>

#include <lcms2.h>
#include <xxhash.h>

enum { N_CACHED = 16, LATTICE = 9 };

struct colour_transform {
    cmsHTRANSFORM lcms;
    enum colour_space space;
};

struct cached {
    bool used;
    XXH128_hash_t hash;
    enum colour_verdict verdict;
    struct colour_transform transform;
};

struct colour_cache {
    cmsContext context;
    cmsHPROFILE srgb;
    struct cached entries[N_CACHED];
    int next; /* the entry that is replaced next */
};

struct colour_cache *colour_cache_open(void)
{
    struct colour_cache *cache = calloc(1, sizeof(*cache));

    if (!cache)
        return NULL;
    cache->context = cmsCreateContext(NULL, NULL);
    if (cache->context)
        cache->srgb = cmsCreate_sRGBProfileTHR(cache->context);
    if (!cache->srgb) {
        colour_cache_close(cache);
        return NULL;
    }
    return cache;
}

static void clear_entry(struct cached *e)
{
    if (e->transform.lcms)
        cmsDeleteTransform(e->transform.lcms);
    *e = (struct cached){0};
}

void colour_cache_close(struct colour_cache *cache)
{
    if (!cache)
        return;
    for (int i = 0; i < N_CACHED; i++)
        clear_entry(&cache->entries[i]);
    if (cache->srgb)
        cmsCloseProfile(cache->srgb);
    if (cache->context)
        cmsDeleteContext(cache->context);
    free(cache);
}

static bool is_device_class(cmsProfileClassSignature class)
{
    return class == cmsSigInputClass || class == cmsSigDisplayClass ||
           class == cmsSigOutputClass || class == cmsSigColorSpaceClass;
}

static cmsHTRANSFORM make_transform(struct colour_cache *cache, cmsHPROFILE profile,
                                    enum colour_space space)
{
    static const struct {
        cmsColorSpaceSignature signature;
        cmsUInt32Number in, out;
    } formats[] = {
        [COLOUR_GREY] = {cmsSigGrayData, TYPE_GRAY_8, TYPE_RGB_8},
        [COLOUR_RGB] = {cmsSigRgbData, TYPE_RGB_8, TYPE_RGB_8},
        [COLOUR_CMYK] = {cmsSigCmykData, TYPE_CMYK_8, TYPE_RGBA_8},
    };

    if (!is_device_class(cmsGetDeviceClass(profile)) ||
        cmsGetColorSpace(profile) != formats[space].signature)
        return NULL;
    return cmsCreateTransformTHR(cache->context, profile, formats[space].in, cache->srgb,
                                 formats[space].out, INTENT_PERCEPTUAL, 0);
}

static bool leaves_colours_alone(cmsHTRANSFORM t)
{
    for (int i = 0; i < LATTICE * LATTICE * LATTICE; i++) {
        const uint8_t from[3] = {
            (uint8_t)(i % LATTICE * 255 / (LATTICE - 1)),
            (uint8_t)(i / LATTICE % LATTICE * 255 / (LATTICE - 1)),
            (uint8_t)(i / (LATTICE * LATTICE) * 255 / (LATTICE - 1))};
        uint8_t to[3];
        cmsDoTransform(t, from, to, 1);
        for (int c = 0; c < 3; c++)
            if (abs(to[c] - from[c]) > 1)
                return false;
    }
    return true;
}

static void fill_entry(struct colour_cache *cache, struct cached *e,
                       const uint8_t *profile, size_t len, enum colour_space space)
{
    cmsHPROFILE p = cmsOpenProfileFromMemTHR(cache->context, profile, (uint32_t)len);

    e->verdict = COLOUR_BROKEN;
    e->transform.space = space;
    if (!p)
        return;
    e->transform.lcms = make_transform(cache, p, space);
    cmsCloseProfile(p);
    if (!e->transform.lcms)
        return;
    e->verdict = COLOUR_CONVERT;
    if (space == COLOUR_RGB && leaves_colours_alone(e->transform.lcms))
        e->verdict = COLOUR_SRGB;
}

static struct cached *find_entry(struct colour_cache *cache, XXH128_hash_t hash,
                                 enum colour_space space)
{
    for (int i = 0; i < N_CACHED; i++) {
        struct cached *e = &cache->entries[i];
        if (e->used && e->transform.space == space && XXH128_isEqual(e->hash, hash))
            return e;
    }
    return NULL;
}

enum colour_verdict colour_cache_get(struct colour_cache *cache, const uint8_t *profile,
                                     size_t len, enum colour_space space,
                                     const struct colour_transform **transform)
{
    XXH128_hash_t hash = XXH3_128bits(profile, len);
    struct cached *e = find_entry(cache, hash, space);

    if (!e) {
        e = &cache->entries[cache->next];
        cache->next = (cache->next + 1) % N_CACHED;
        clear_entry(e);
        fill_entry(cache, e, profile, len, space);
        e->hash = hash;
        e->used = true;
    }
    *transform = e->verdict == COLOUR_CONVERT ? &e->transform : NULL;
    return e->verdict;
}

void colour_transform_rgb(const struct colour_transform *t, uint8_t *rgb, size_t n)
{
    if (t->space == COLOUR_RGB) {
        cmsDoTransform(t->lcms, rgb, rgb, (uint32_t)n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint8_t grey = rgb[3 * i];
        cmsDoTransform(t->lcms, &grey, rgb + 3 * i, 1);
    }
}

void colour_transform_cmyk(const struct colour_transform *t, uint8_t *pixels, size_t n)
{
    cmsDoTransform(t->lcms, pixels, pixels, (uint32_t)n);
}
