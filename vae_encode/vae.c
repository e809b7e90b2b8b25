/* SPDX-License-Identifier: Apache-2.0
 * Opening a VAE: its two files -> names -> network and scaling -> graph -> packed
 * weights. Everything but the last and vae_info is released before vae_open() returns. */
#include "vae_encode/vae.h"

#include <math.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vae_encode/model/config.h"
#include "vae_encode/model/families.h"
#include "vae_encode/status.h"
#include "vae_encode/vae_handle.h"
#include "vae_encode/model/vae_files.h"

static int choose_backend(struct vae *vae, const char *name)
{
    static const struct vae_backend *const backends[] = {&vae_backend_cpu,
                                                         &vae_backend_ref};

    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++)
        if (!name || strcmp(backends[i]->name, name) == 0) {
            vae->backend = backends[i];
            return VAE_OK;
        }
    return vae_fail(&vae->why, VAE_EINVAL, "no back end is called %s", name);
}

/* By the tensors alone. `config_why` is what was wrong with a config.json, if one lies
 * there. */
static int guess_network(struct vae *vae, const struct vae_files *files,
                         const struct vae_names *names, double scale,
                         const char *config_why, struct vae_network *net,
                         struct vae_scaling *scaling)
{
    bool given = scale > 0;

    memset(net, 0, sizeof(*net));
    *scaling = (struct vae_scaling){.n = 1, .scale = {given ? scale : 1}};
    if (names->family == VAE_FAMILY_TAESD)
        return taesd_infer(files->weights, names, files->weights_path, net, &vae->why);
    if (!given && names->part == VAE_ENCODER) /* a decoder takes latents as they are */
        return vae_fail(
            &vae->why, VAE_EINVAL,
            "%s: its scaling factor is unknown: give it with --scale (SD 1 and "
            "2: 0.18215; SDXL: 0.13025) or put its config.json beside it%s%s%s",
            files->weights_path, *config_why ? " (" : "", config_why,
            *config_why ? ")" : "");
    return kl_infer(files->weights, names, files->weights_path, net, &vae->why);
}

/* A config.json that only lies beside a file counts if it describes a VAE of the family
 * that the tensors' names show: it may be other software's. */
static int describe(struct vae *vae, const struct vae_files *files,
                    const struct vae_names *names, double scale, struct vae_network *net,
                    struct vae_scaling *scaling)
{
    struct vae_why config_why = files->config_why;
    int rc = VAE_EMODEL;

    net->part = names->part;
    if (files->config)
        rc = vae_config_parse(files->config, files->config_len, files->config_path, scale,
                              net, scaling, &config_why);
    if (rc == VAE_OK && net->family != names->family)
        rc = vae_fail(&config_why, VAE_EMODEL,
                      "%s is of the family %s, but the tensors of %s are of %s's",
                      files->config_path, vae_family_name(net->family),
                      files->weights_path, vae_family_name(names->family));
    if (rc == VAE_ENOMEM || (rc < 0 && files->config_is_sure))
        return vae_fail(&vae->why, rc, "%s", config_why.text);
    if (rc < 0)
        return guess_network(vae, files, names, scale, config_why.text, net, scaling);
    if (net->family == VAE_FAMILY_TAESD)
        return taesd_infer(files->weights, names, files->weights_path, net, &vae->why);
    return VAE_OK;
}

static int check_scale(struct vae *vae, double scale)
{
    if (isnan(scale) || (isfinite(scale) && scale >= 0))
        return VAE_OK;
    return vae_fail(&vae->why, VAE_EINVAL, "a scale of %g: it must be above 0", scale);
}

static int fill_sha256(struct vae *vae, const struct safetensors *weights)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int digest_len;
    size_t len;
    const unsigned char *bytes = safetensors_bytes(weights, &len);

    if (!EVP_Digest(bytes, len, digest, &digest_len, EVP_sha256(), NULL))
        return vae_fail(&vae->why, VAE_ENOMEM, "SHA-256 of %s failed", vae->info.path);
    for (int i = 0; i < 32; i++)
        snprintf(vae->info.sha256 + 2 * i, 3, "%02x", digest[i]);
    return VAE_OK;
}

static int build_and_pack(struct vae *vae, const struct vae_files *files,
                          const struct vae_names *names, const struct vae_network *net,
                          const char *isa)
{
    struct graph_builder b;
    int rc = graph_builder_init(&b, files->weights, files->weights_path);

    if (rc == VAE_OK) {
        family_build(&b, names, net);
        rc = b.status;
    }
    if (rc < 0) {
        vae->why = b.why;
    } else {
        vae->info.downscale = b.graph.downscale;
        vae->info.has_posterior = b.graph.has_posterior;
        vae->info.n_parameters = b.n_parameters;
        rc = vae_layers_init(&vae->layers, &b.graph);
        if (rc == VAE_OK)
            rc = vae->backend->pack(&vae->packed, &b.graph, isa);
        if (rc == VAE_EINVAL)
            vae_fail(&vae->why, rc, "this machine has no %s of portable, avx2, avx512",
                     isa ? isa : "any");
        else if (rc < 0)
            vae_fail(&vae->why, rc, "%s: %s", vae->info.path, vae_strerror(rc));
    }
    graph_builder_clear(&b);
    return rc;
}

static int load(struct vae *vae, const struct vae_files *files,
                const struct vae_options *options)
{
    struct vae_names names;
    struct vae_network net;
    struct vae_scaling scaling;
    int rc = vae_names_detect(files->weights, options->part, files->weights_path, &names,
                              &vae->why);

    if (rc == VAE_OK)
        rc = describe(vae, files, &names, options->scale, &net, &scaling);
    if (rc == VAE_OK)
        rc = build_and_pack(vae, files, &names, &net, options->isa);
    if (rc == VAE_OK)
        rc = fill_sha256(vae, files->weights);
    if (rc < 0)
        return rc;

    vae->config = vae_network_to_json(&net);
    if (!vae->config)
        return vae_fail(&vae->why, VAE_ENOMEM, "out of memory");
    vae->info.family = vae_family_name(net.family);
    vae->info.latent_channels = net.latent_channels;
    vae->info.n_scale = scaling.n;
    vae->info.replaced_scale = scaling.replaced;
    memcpy(vae->info.scale, scaling.scale, sizeof(scaling.scale));
    memcpy(vae->info.shift, scaling.shift, sizeof(scaling.shift));
    vae->info.config = vae->config;
    vae->info.numerics = vae->backend->numerics;
    vae->info.backend = vae->backend->name;
    vae->info.isa = vae->backend->isa(vae->packed);
    vae->info.packed_bytes = vae->backend->packed_bytes(vae->packed);
    return VAE_OK;
}

int vae_open(struct vae **out, const struct vae_options *options)
{
    struct vae_files files;
    struct vae *vae = calloc(1, sizeof(*vae));
    int rc;

    *out = vae;
    if (!vae)
        return VAE_ENOMEM;
    vae->path = strdup(options->path ? options->path : "builtin");
    if (!vae->path)
        return vae_fail(&vae->why, VAE_ENOMEM, "out of memory");
    vae->info.path = vae->path;
    vae->info.builtin = options->path == NULL;
    vae->info.part = options->part;
    rc = choose_backend(vae, options->backend);
    if (rc == VAE_OK)
        rc = check_scale(vae, options->scale);
    if (rc < 0)
        return rc;
    rc = vae_files_open(&files, options->path, &vae->why);
    if (rc == VAE_OK)
        rc = load(vae, &files, options);
    vae_files_close(&files);
    return rc;
}

const struct vae_info *vae_info(const struct vae *vae)
{
    return &vae->info;
}

const char *vae_why(const struct vae *vae)
{
    return vae ? vae->why.text : vae_strerror(VAE_ENOMEM);
}

void vae_close(struct vae *vae)
{
    if (!vae)
        return;
    if (vae->packed)
        vae->backend->free_packed(vae->packed);
    vae_layers_free(&vae->layers);
    free(vae->config);
    free(vae->path);
    free(vae);
}
