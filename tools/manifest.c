/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/manifest.h"

#include <archive.h>
#include <lcms2.h>
#include <spng.h>
#include <stdio.h>
#include <string.h>
#include <webp/decode.h>
#include <xxhash.h>
#include <zlib.h>
#include <zstd.h>

#include <jpeglib.h>

#include "tools/json_text.h"

int manifest_read(struct manifest *m, const char *path)
{
    json_error_t error;
    const char *status = NULL, *input_path = NULL;
    json_t *size = NULL, *shards = NULL;

    *m = (struct manifest){.json = json_load_path(path, JSON_REJECT_DUPLICATES, &error)};
    if (!m->json) {
        snprintf(m->why, sizeof(m->why), "%s: %s (line %d)", path, error.text,
                 error.line);
        return -1;
    }
    if (json_unpack(m->json, "{s:{s:[{s:s}], s:o}, s:{s:{s:s, s:o}}}", "result", "inputs",
                    "status", &status, "shards", &shards, "run", "input", "path",
                    &input_path, "size", &size) != 0 ||
        !json_is_array(shards)) {
        snprintf(m->why, sizeof(m->why), "%s: is not a manifest", path);
        return -1;
    }
    m->status = status;
    m->input_path = input_path;
    m->has_input_size = json_is_integer(size);
    m->input_size = m->has_input_size ? (uint64_t)json_integer_value(size) : 0;
    m->shards = shards;
    return 0;
}

bool manifest_is_bad(const struct manifest *m, bool damage_counts)
{
    return strcmp(m->status, "rejected") == 0 ||
           (damage_counts && strcmp(m->status, "damaged") == 0);
}

void manifest_free(struct manifest *m)
{
    json_decref(m->json);
    m->json = NULL;
}

#define STRING_OF(x) #x
#define VERSION_STRING(x) STRING_OF(x)

/* {"name": "major.minor.patch"} into `versions`. */
static void add_version(json_t **versions, const char *name, unsigned major,
                        unsigned minor, unsigned patch)
{
    json_put_member(versions, name, json_sprintf("%u.%u.%u", major, minor, patch));
}

json_t *manifest_library_versions(void)
{
    unsigned webp = (unsigned)WebPGetDecoderVersion();
    unsigned lcms = (unsigned)cmsGetEncodedCMMversion();
    unsigned xxhash = XXH_versionNumber();
    json_t *versions =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "jansson", jansson_version_str(),
                  "libarchive", archive_version_string(), "libjpeg-turbo",
                  VERSION_STRING(LIBJPEG_TURBO_VERSION), "libspng", spng_version_string(),
                  "sentencepiece", SENTENCEPIECE_VERSION, "zlib", zlibVersion(), "zstd",
                  ZSTD_versionString());

    add_version(&versions, "lcms2", lcms / 1000, lcms / 10 % 100, lcms % 10);
    add_version(&versions, "libwebp", webp >> 16, webp >> 8 & 255, webp & 255);
    add_version(&versions, "xxhash", xxhash / 10000, xxhash / 100 % 100, xxhash % 100);
    return versions;
}
