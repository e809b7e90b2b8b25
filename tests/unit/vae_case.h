/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/vae_case.h - the cases of tests/golden: their networks as files, their
 * images, and what diffusers makes of them.
 *
 * Weights and images are computed as tests/golden/make_golden.py computes them. */
#ifndef TESTS_VAE_CASE_H
#define TESTS_VAE_CASE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vae_encode/vae.h"

struct vae_case_file {
    const char *naming; /* "name" (diffusers'), "old", "ldm" */
    const char *root;   /* before every name: "" or "first_stage_model." */
    const char *dtype;  /* "F32", "F16", "BF16" */
    bool config;        /* write config.json beside it */
    /* Damages: */
    const char *drop;    /* a tensor that is left out */
    const char *add;     /* a tensor of one value that is put in */
    const char *reshape; /* a tensor that gets another dimension of 1 */
    const char *spoil;   /* a tensor whose values are multiplied by `factor` */
    double factor;
};

/* Gives a file of tests/golden: CASE.json; release with json_decref(). */
json_t *vae_case_load(const char *name);

/* Writes DIR/diffusion_pytorch_model.safetensors. NULL in `file` is "name", "", "F32". */
void vae_case_write(const json_t *loaded, const char *dir,
                    const struct vae_case_file *file);

/* Calls check() with each size and back end of tests/golden/NAME.json's network. */
typedef void vae_case_check(const char *name, const struct vae_options *options,
                            int width, int height);
void vae_case_for_each(const char *name, vae_case_check *check);

/* The path of a file of weights below LATENTMILL_SHARED. False, in words too: it is not
 * there. */
bool vae_case_shared(char path[512], const char *name);

/* Give memory to be released with free(). */
uint8_t *vae_case_image(int width, int height);
float *vae_case_latent(size_t n_values);

/* Makes an empty folder below TMPDIR and gives its path; remove with vae_case_rmdir(). */
char *vae_case_mkdir(void);
void vae_case_rmdir(char *dir);

/* What a back end gave, to be compared with tests/golden/NAME-WIDTHxHEIGHT.f32. */
struct vae_case_result {
    const char *name;
    int width, height;
    const char *backend;
    const float *values; /* (parts, n) */
    int parts;           /* each is compared by itself */
    size_t n;
    double limit; /* of the relative RMS error of each: sqrt(sum (a - b)^2 / sum b^2) */
};

/* Prints each part's error; fails where it is above the limit. */
void vae_case_matches(const struct vae_case_result *r);

#endif
