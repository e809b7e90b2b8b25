/* SPDX-License-Identifier: Apache-2.0
 * A folder must hold both files. Beside a single file a config.json may lie: it counts if
 * it turns out to describe this VAE, which vae.c judges. */
#include "vae_encode/model/vae_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "vae_encode/default/vae_builtin.h"
#include "vae_encode/status.h"

enum { MAX_CONFIG_BYTES = 1 << 20 };

static int no_memory(struct vae_why *why)
{
    return vae_fail(why, VAE_ENOMEM, "out of memory");
}

/* Gives "dir/name"; NULL: no memory. */
static char *path_in(const char *dir, const char *name)
{
    char *path = NULL;

    return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

/* A FIFO is none: opening it would wait for a writer. */
static bool is_file(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int read_config(struct vae_files *s, struct vae_why *why)
{
    FILE *f;
    int rc = VAE_OK;

    s->config = malloc(MAX_CONFIG_BYTES + 1);
    f = fopen(s->config_path, "re");
    if (!f) {
        rc = vae_fail(why, errno == EACCES ? VAE_EMODEL : VAE_EIO, "%s: %s",
                      s->config_path, strerror(errno));
    } else if (!s->config) {
        rc = no_memory(why);
    } else {
        s->config_len = fread(s->config, 1, MAX_CONFIG_BYTES + 1, f);
        if (ferror(f))
            rc = vae_fail(why, VAE_EIO, "%s: %s", s->config_path, strerror(errno));
        else if (s->config_len > MAX_CONFIG_BYTES)
            rc = vae_fail(why, VAE_EFORMAT, "%s: larger than 1 MiB: not a config.json",
                          s->config_path);
    }
    if (f)
        fclose(f);
    return rc;
}

static int find_in_folder(struct vae_files *s, const char *path, struct vae_why *why)
{
    char *vae = path_in(path, "vae");
    const char *dir = path;

    s->config_path = path_in(path, "config.json");
    if (vae && s->config_path && !is_file(s->config_path)) {
        free(s->config_path);
        s->config_path = path_in(vae, "config.json");
        dir = vae;
    }
    s->weights_path = vae ? path_in(dir, "diffusion_pytorch_model.safetensors") : NULL;
    free(vae);
    if (!s->config_path || !s->weights_path)
        return no_memory(why);
    if (!is_file(s->config_path))
        return vae_fail(why, VAE_EMODEL,
                        "%s: neither config.json nor vae/config.json is in this folder: "
                        "not a diffusers model",
                        path);
    s->config_is_sure = true;
    return read_config(s, why);
}

static int find_file(struct vae_files *s, const char *path, struct vae_why *why)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? strndup(path, (size_t)(slash - path)) : strdup(".");

    s->weights_path = strdup(path);
    s->config_path = dir ? path_in(dir, "config.json") : NULL;
    free(dir);
    if (!s->weights_path || !s->config_path)
        return no_memory(why);
    if (!is_file(path) || !is_file(s->config_path))
        return VAE_OK;
    int rc = read_config(s, &s->config_why);
    if (rc == VAE_ENOMEM)
        return no_memory(why);
    if (rc < 0) { /* a stranger's, perhaps */
        free(s->config);
        s->config = NULL;
    }
    return VAE_OK;
}

static int open_builtin(struct vae_files *s, struct vae_why *why)
{
    size_t len;
    const void *weights = vae_builtin_weights(&len);
    const char *config = vae_builtin_config(&s->config_len);

    s->weights_path = strdup("builtin");
    s->config_path = strdup("builtin config.json");
    s->config = strndup(config, s->config_len);
    s->config_is_sure = true;
    if (!s->weights_path || !s->config_path || !s->config)
        return no_memory(why);
    return safetensors_open_memory(&s->weights, weights, len, "builtin");
}

int vae_files_open(struct vae_files *s, const char *path, struct vae_why *why)
{
    int rc;

    memset(s, 0, sizeof(*s));
    if (!path) {
        rc = open_builtin(s, why);
    } else {
        rc = is_folder(path) ? find_in_folder(s, path, why) : find_file(s, path, why);
        if (rc == VAE_OK)
            rc = safetensors_open(&s->weights, s->weights_path);
    }
    if (rc < 0 && s->weights)
        vae_fail(why, rc, "%s", safetensors_why(s->weights));
    else if (rc == VAE_ENOMEM)
        no_memory(why);
    return rc;
}

void vae_files_close(struct vae_files *s)
{
    safetensors_close(s->weights);
    free(s->weights_path);
    free(s->config);
    free(s->config_path);
    memset(s, 0, sizeof(*s));
}
