/* SPDX-License-Identifier: Apache-2.0
 *
 * Profiles through lcms2, perceptual intent, 8 bits in and out. A profile is sRGB if its
 * transform moves no colour of a lattice by more than one level: that catches the many
 * profiles that are sRGB by another name, and needs no list of hashes.
 *
 * Short of memory lcms2 calls a good profile broken, or makes another transform of it, so
 * it allocates through functions of ours, which tell. */
#include "ingest/image/colour_profile.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <lcms2.h>
#include <lcms2_plugin.h>
#include <xxhash.h>

/* lcms2 itself allocates no more at once: a larger number is a profile's, and wrong. */
enum { N_CACHED = 16, LATTICE = 9, MOST_AT_ONCE = 512 << 20 };

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
    int next;       /* the entry that is replaced next */
    bool no_memory; /* and then what is made is made in part of the reserve */
    size_t reserve_used;
    alignas(16) unsigned char reserve[1 << 14];
};

/* ---- lcms2's memory ---- */

/* What there is no memory for comes from the reserve, as far as it goes, since lcms2 uses
 * some small things unchecked; and is noted, so that what is made of it is thrown away.
 */
static void *take_reserve(cmsContext context, size_t size)
{
    struct colour_cache *cache = cmsGetContextUserData(context);
    const size_t room = (size + 15) & ~(size_t)15;

    if (!cache) /* it is still being made */
        return NULL;
    cache->no_memory = true;
    if (room > sizeof(cache->reserve) - cache->reserve_used)
        return NULL;
    cache->reserve_used += room;
    return cache->reserve + cache->reserve_used - room;
}

static bool is_of_reserve(cmsContext context, const void *p)
{
    const struct colour_cache *cache = cmsGetContextUserData(context);

    return cache && cache->reserve_used > 0 &&
           (uintptr_t)p >= (uintptr_t)cache->reserve &&
           (uintptr_t)p < (uintptr_t)cache->reserve + sizeof(cache->reserve);
}

static void *lcms_malloc(cmsContext context, cmsUInt32Number size)
{
    if (size == 0 || size > MOST_AT_ONCE)
        return NULL;
    void *p = malloc(size);
    return p ? p : take_reserve(context, size);
}

static void *lcms_realloc(cmsContext context, void *old, cmsUInt32Number size)
{
    if (size == 0 || size > MOST_AT_ONCE || is_of_reserve(context, old))
        return NULL;
    void *p = realloc(old, size);
    if (!p)
        take_reserve(context, SIZE_MAX - 15); /* only noted: lcms2 checks this */
    return p;
}

static void lcms_free(cmsContext context, void *p)
{
    if (!is_of_reserve(context, p))
        free(p);
}

static cmsPluginMemHandler memory_handler = {
    .base = {cmsPluginMagicNumber, 2000, cmsPluginMemHandlerSig, NULL},
    .MallocPtr = lcms_malloc,
    .FreePtr = lcms_free,
    .ReallocPtr = lcms_realloc,
};

/* ---- the cache ---- */

struct colour_cache *colour_cache_open(void)
{
    struct colour_cache *cache = calloc(1, sizeof(*cache));

    if (!cache)
        return NULL;
    cache->context = cmsCreateContext(&memory_handler, cache);
    if (cache->context)
        cache->srgb = cmsCreate_sRGBProfileTHR(cache->context);
    if (!cache->srgb || cache->no_memory) {
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
        cache->no_memory = false;
        cache->reserve_used = 0;
        fill_entry(cache, e, profile, len, space);
        if (cache->no_memory) {
            clear_entry(e);
            return COLOUR_NO_MEMORY;
        }
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
