/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/models.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shard/canonical_json.h"
#include "shard/status.h"
#include "tools/exit_code.h"
#include "tools/isa.h"
#include "tools/model_advice.h"
#include "tools/options.h"
#include "tools/print.h"
#include "tools/sha256.h"
#include "vae_encode/status.h"

enum { MAX_MODEL_BYTES = 64 << 20 };

static int failed(const char *why)
{
    print_to_stderr("error: %s", why);
    return EXIT_FAILED;
}

/* Without permission another try is of no help; else it may be. */
static int cannot_open(const char *option, const char *path, int error)
{
    return error == EACCES ? usage_error("%s %s: %s", option, path, strerror(error))
                           : file_error(error, "%s %s", option, path);
}

static int check_size(const struct prepare_options *o, const struct vae_info *vae)
{
    int64_t grid = o->size / vae->downscale;

    if (o->size % vae->downscale != 0)
        return usage_error("--size %lld: must be a multiple of %d, the VAE's downscale",
                           (long long)o->size, vae->downscale);
    if (grid % o->patch != 0)
        return usage_error("--patch %lld: does not divide the latent grid of %lld x %lld",
                           (long long)o->patch, (long long)grid, (long long)grid);
    if (o->moments == MOMENTS_MEAN_LOGVAR && !vae->has_posterior)
        return usage_error("--moments mean+logvar: %s has no posterior, only a latent",
                           vae->family);
    return 0;
}

int models_open_vae(struct models *m, const struct prepare_options *o, enum vae_part part)
{
    bool builtin = !o->vae || strcmp(o->vae, "builtin") == 0;
    struct vae_options options = {
        .path = builtin ? NULL : o->vae, .scale = o->scale, .isa = m->isa, .part = part};
    struct stat st;
    int rc = builtin ? 0 : model_advise_vae(o->vae);

    if (rc != 0)
        return rc;
    if (!builtin && (stat(o->vae, &st) != 0 || access(o->vae, R_OK) != 0))
        return cannot_open("--vae", o->vae, errno);
    if (!builtin && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return usage_error("--vae %s: is neither a file nor a folder", o->vae);
    rc = vae_open(&m->vae, &options);
    if (rc == VAE_ENOMEM || rc == VAE_EIO)
        return failed(vae_why(m->vae));
    if (rc != VAE_OK)
        return usage_error("%s", vae_why(m->vae));
    return check_size(o, vae_info(m->vae));
}

static int open_encoder(struct models *m, const struct prepare_options *o)
{
    const struct vae_info *info;
    int rc = models_open_vae(m, o, VAE_ENCODER);

    if (rc != 0)
        return rc;
    info = vae_info(m->vae);
    m->demo_vae = info->builtin;
    if (info->replaced_scale != 0)
        print_to_stderr(
            "warning: --scale %g is recorded, though config.json says %g: the "
            "trainer's latents will be scaled by it",
            o->scale, info->replaced_scale);
    if (asprintf(&m->geometry, "{\"fit\":\"crop\",\"resize\":\"%s\",\"size\":[%d,%d]}",
                 resize_names[o->resize], (int)o->size, (int)o->size) < 0) {
        m->geometry = NULL;
        return failed("out of memory");
    }
    m->encoder = (struct shard_encoder){.name = "vae",
                                        .kind = "latent",
                                        .of = "image",
                                        .family = info->family,
                                        .weights_sha256 = info->sha256,
                                        .config = info->config,
                                        .geometry = m->geometry,
                                        .input = "{\"range\":[-1,1]}",
                                        .numerics = info->numerics,
                                        .reproducible = true,
                                        .channels = (uint32_t)info->latent_channels,
                                        .downscale = (uint32_t)info->downscale,
                                        .moments = moments_names[o->moments],
                                        .n_scale = (size_t)info->n_scale,
                                        .scale_window = 1,
                                        .scale = info->scale,
                                        .shift = info->shift};
    return 0;
}

static int read_model(struct models *m, const char *path)
{
    FILE *f;
    struct stat st;
    int rc = model_advise_tokenizer(path);

    if (rc != 0)
        return rc;
    f = fopen(path, "rbe");
    if (!f || fstat(fileno(f), &st) != 0)
        rc = cannot_open("--tokenizer", path, errno);
    else if (!S_ISREG(st.st_mode) || st.st_size > MAX_MODEL_BYTES)
        rc = usage_error("--tokenizer %s: is not a SentencePiece model", path);
    else if (!(m->model_owned = malloc((size_t)st.st_size + 1)))
        rc = failed("out of memory");
    else if (fread(m->model_owned, 1, (size_t)st.st_size, f) != (size_t)st.st_size)
        rc = ferror(f) ? cannot_open("--tokenizer", path, errno)
                       : usage_error("--tokenizer %s: became shorter", path);
    m->model = m->model_owned;
    m->model_len = rc == 0 ? (size_t)st.st_size : 0;
    if (f)
        fclose(f);
    return rc;
}

/* The id of a marker: a named piece, or the `next` id behind the vocabulary. */
static int choose_marker(const struct models *m, const char *option, const char *piece,
                         uint32_t next, uint32_t *id)
{
    int64_t found = piece ? tokenizer_piece_id(m->tokenizer, piece) : (int64_t)next;

    if (found < 0)
        return usage_error("%s %s: the tokenizer has no such piece", option, piece);
    if (found == tokenizer_bos(m->tokenizer) || found == tokenizer_eos(m->tokenizer))
        return usage_error("%s %s: is the tokenizer's BOS or EOS", option, piece);
    *id = (uint32_t)found;
    return 0;
}

/* {"normalizer": name, "charsmap_sha256": of its table, or null} into m->tables. */
static int describe_tables(struct models *m)
{
    char sha256[SHA256_HEX_CAP];
    size_t len;
    const void *charsmap = tokenizer_charsmap(m->tokenizer, &len);
    json_t *tables =
        sha256_hex(charsmap, len, sha256) == 0
            ? json_pack("{s:s, s:s?}", "normalizer", tokenizer_normalizer(m->tokenizer),
                        "charsmap_sha256", len > 0 ? sha256 : NULL)
            : NULL;

    m->tables = tables ? shard_json_canonical(tables) : NULL;
    json_decref(tables);
    return m->tables ? 0 : failed("out of memory");
}

static int describe_tokenizer(struct models *m, const struct prepare_options *o)
{
    struct shard_tokenizer *d = &m->described;
    uint32_t n = tokenizer_n_pieces(m->tokenizer);
    int rc;

    if (sha256_hex(m->model, m->model_len, m->model_sha256) != 0)
        return failed("out of memory");
    snprintf(m->model_file, sizeof(m->model_file), "tokenizer-%.12s.model",
             m->model_sha256);
    rc = describe_tables(m);
    if (rc != 0)
        return rc;
    *d = (struct shard_tokenizer){.present = true,
                                  .kind = tokenizer_kind(m->tokenizer),
                                  .special = tokenizer_special(m->tokenizer),
                                  .tables = m->tables,
                                  .sha256 = m->model_sha256,
                                  .file = m->model_file,
                                  .n_pieces = n,
                                  .bos = tokenizer_bos(m->tokenizer),
                                  .eos = tokenizer_eos(m->tokenizer)};
    rc = choose_marker(m, "--boi", o->boi, n, &d->boi);
    if (rc == 0)
        rc = choose_marker(m, "--eoi", o->eoi, n + 1, &d->eoi);
    if (rc == 0 && d->boi == d->eoi)
        rc = usage_error("--boi and --eoi are the same piece");
    return rc;
}

static int open_tokenizer(struct models *m, const struct prepare_options *o)
{
    const char *model = o->tokenizer ? o->tokenizer : "builtin";
    bool builtin = strcmp(model, "builtin") == 0;
    int rc = 0;

    if (strcmp(model, "none") == 0)
        return o->boi || o->eoi ? usage_error("--boi and --eoi need a tokenizer") : 0;
    if (builtin)
        m->model = tokenizer_builtin(&m->model_len);
    else
        rc = read_model(m, model);
    if (rc != 0)
        return rc;
    m->demo_tokenizer = builtin;
    rc = tokenizer_open(&m->tokenizer, m->model, m->model_len, model);
    if (rc == SHARD_ENOMEM)
        return failed("out of memory");
    if (rc != SHARD_OK)
        return usage_error("--tokenizer %s", tokenizer_why(m->tokenizer));
    return describe_tokenizer(m, o);
}

int models_open(struct models *m, const struct prepare_options *o, bool vae)
{
    int rc;

    *m = (struct models){0};
    if (o->patch != 1 && o->patch != 2 && o->patch != 4 && o->patch != 8)
        return usage_error("--patch %lld: must be 1, 2, 4 or 8", (long long)o->patch);
    rc = isa_from_environment(&m->isa);
    if (rc == 0)
        rc = open_tokenizer(m, o);
    return rc == 0 && vae ? open_encoder(m, o) : rc;
}

void models_close(struct models *m)
{
    tokenizer_close(m->tokenizer);
    vae_close(m->vae);
    free(m->model_owned);
    free(m->geometry);
    free(m->tables);
}
