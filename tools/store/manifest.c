/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/store/manifest.h"

#include <bzlib.h>
#include <errno.h>
#include <lcms2.h>
#include <lzma.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <spng.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>
#include <webp/decode.h>
#include <xxhash.h>
#include <zlib.h>
#include <zstd.h>

#include <jpeglib.h>

#include "tools/store/json_text.h"
#include "tools/store/path.h"
#include "tools/store/sha256.h"
#include "tools/store/store.h"

const char manifest_suffix[] = ".manifest.json";

char *manifest_path(const char *folder, const char *name)
{
    char *path;

    return asprintf(&path, "%s/%s%s", folder, name, manifest_suffix) < 0 ? NULL : path;
}

static json_t *load(struct manifest *m, const char *path, int *rc)
{
    json_error_t error;
    json_t *json = json_load_path(path, JSON_REJECT_DUPLICATES, &error);

    *rc = errno ? MANIFEST_UNREADABLE : MANIFEST_WRONG;
    if (!json && errno == EISDIR)
        snprintf(m->why, sizeof(m->why), "%s: is a folder, not a manifest", path);
    else if (!json)
        snprintf(m->why, sizeof(m->why), "%s: %s", path, error.text);
    return json;
}

static int no_manifest(struct manifest *m, const char *path)
{
    snprintf(m->why, sizeof(m->why), "%s: its members are not those of a manifest", path);
    return MANIFEST_WRONG;
}

static bool is_shard(const json_t *shard)
{
    const char *name = json_string_value(json_object_get(shard, "name"));

    return name != NULL && strchr(name, '/') == NULL && path_ends_in(name, ".lms") &&
           json_integer_value(json_object_get(shard, "bytes")) > 0;
}

static bool is_sound(const struct manifest *m)
{
    const json_t *shard;
    size_t i;

    json_array_foreach(m->shards, i, shard)
    {
        if (!is_shard(shard))
            return false;
    }
    return strcmp(m->status, "complete") == 0 || strcmp(m->status, "damaged") == 0 ||
           strcmp(m->status, "rejected") == 0;
}

int manifest_read(struct manifest *m, const char *path)
{
    json_t *size = NULL, *result = NULL, *shards = NULL, *rejects = NULL;
    json_int_t bytes = 0, groups = 0;
    int rc;

    *m = (struct manifest){0};
    m->json = load(m, path, &rc);
    if (!m->json)
        return rc;
    if (json_unpack(
            m->json,
            "{s:o, s:{s:[{s:s, s?I, s?I, s?s, s?s}], s:o, s?o}, s:{s:{s:s, s:o}}}",
            "result", &result, "result", "inputs", "status", &m->status, "bytes", &bytes,
            "groups", &groups, "sha256", &m->sha256, "probe", &m->probe, "shards",
            &shards, "rejects", &rejects, "run", "input", "path", &m->input_path, "size",
            &size) != 0 ||
        !json_is_array(shards) || bytes < 0 || groups < 0)
        return no_manifest(m, path);
    m->has_input_size = json_is_integer(size);
    m->input_size = m->has_input_size ? (uint64_t)json_integer_value(size) : 0;
    m->input_bytes = (uint64_t)bytes;
    m->groups = (uint64_t)groups;
    m->result = result;
    m->shards = shards;
    m->rejects = rejects;
    return is_sound(m) ? 0 : no_manifest(m, path);
}

static int is_not_there(struct manifest *m, const char *file, json_int_t bytes)
{
    snprintf(m->why, sizeof(m->why), "%s with %lld bytes, which is not there",
             file ? file : "a file", (long long)bytes);
    return MANIFEST_WRONG;
}

static int check_file(struct manifest *m, const char *dir, const json_t *entry,
                      bool hashes)
{
    const char *file = json_string_value(json_object_get(entry, "name"));
    const char *sha256 = json_string_value(json_object_get(entry, "sha256"));
    json_int_t bytes = json_integer_value(json_object_get(entry, "bytes"));
    char hex[SHA256_HEX_CAP] = "", *path;
    const struct store *store = store_at(dir);
    struct store_entry there;
    int rc = 0;

    if (!file || strchr(file, '/'))
        return is_not_there(m, NULL, bytes);
    if (asprintf(&path, "%s/%s", dir, file) < 0) {
        snprintf(m->why, sizeof(m->why), "out of memory");
        return MANIFEST_UNREADABLE;
    }
    if (store->look(path, &there) != 0 || (hashes && there.bytes == (uint64_t)bytes &&
                                           sha256_stored(store, path, hex) != 0))
        rc = errno == ENOENT ? MANIFEST_WRONG : MANIFEST_UNREADABLE;
    if (rc == MANIFEST_UNREADABLE)
        snprintf(m->why, sizeof(m->why), "%s: %s", path, strerror(errno));
    else if (rc != 0 || there.bytes != (uint64_t)bytes)
        rc = is_not_there(m, file, bytes);
    else if (hashes && (!sha256 || strcmp(hex, sha256) != 0)) {
        snprintf(m->why, sizeof(m->why), "%s with other bytes than are there", file);
        rc = MANIFEST_WRONG;
    }
    free(path);
    return rc;
}

int manifest_check_files(struct manifest *m, const char *dir, bool hashes)
{
    const json_t *shard;
    size_t i;
    int rc = 0;

    json_array_foreach(m->shards, i, shard)
    {
        rc = check_file(m, dir, shard, hashes);
        if (rc != 0)
            return rc;
    }
    return json_is_object(m->rejects) ? check_file(m, dir, m->rejects, hashes) : 0;
}

static bool is_called(const json_t *entry, const char *file)
{
    const char *name = json_string_value(json_object_get(entry, "name"));

    return name && strcmp(name, file) == 0;
}

bool manifest_names(const struct manifest *m, const char *file)
{
    const json_t *shard;
    size_t i;

    json_array_foreach(m->shards, i, shard)
    {
        if (is_called(shard, file))
            return true;
    }
    return is_called(m->rejects, file);
}

static bool input_is(const struct manifest *m, const char *what)
{
    const json_t *input = json_array_get(json_object_get(m->result, "inputs"), 0);

    return json_is_true(json_object_get(input, what));
}

const char *manifest_state(const struct manifest *m)
{
    bool complete = strcmp(m->status, "complete") == 0;

    return complete && input_is(m, "above_reject_rate") ? "rejected" : m->status;
}

bool manifest_is_ungrouped(const struct manifest *m)
{
    return input_is(m, "ungrouped");
}

bool manifest_is_bad(const struct manifest *m, bool damage_counts)
{
    return strcmp(m->status, "rejected") == 0 || input_is(m, "above_reject_rate") ||
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
    const char *bzip2 = BZ2_bzlibVersion(); /* with its date */
    char pcre2[64] = "";
    json_t *versions;

    pcre2_config(PCRE2_CONFIG_VERSION, pcre2); /* with its date */
    versions = json_pack("{s:s%, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s%, s:s}", "bzip2",
                         bzip2, strcspn(bzip2, ","), "jansson", jansson_version_str(),
                         "libjpeg-turbo", VERSION_STRING(LIBJPEG_TURBO_VERSION),
                         "liblzma", lzma_version_string(), "libspng",
                         spng_version_string(), "sentencepiece", SENTENCEPIECE_VERSION,
                         "zlib", zlibVersion(), "zstd", ZSTD_versionString(), "pcre2",
                         pcre2, strcspn(pcre2, " "), "utf8proc", utf8proc_version());

    add_version(&versions, "lcms2", lcms / 1000, lcms / 10 % 100, lcms % 10);
    add_version(&versions, "libwebp", webp >> 16, webp >> 8 & 255, webp & 255);
    add_version(&versions, "xxhash", xxhash / 10000, xxhash / 100 % 100, xxhash % 100);
    return versions;
}

json_t *manifest_pixel_libraries(void)
{
    static const char *const names[] = {"lcms2", "libjpeg-turbo", "libspng", "libwebp",
                                        "zlib"};
    json_t *all = manifest_library_versions(), *some = json_object();

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        json_put_member(&some, names[i], json_incref(json_object_get(all, names[i])));
    json_decref(all);
    return some;
}
