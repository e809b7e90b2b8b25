/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_vae_decode.c - pictures equal diffusers', for every family, naming and
 * dtype, alone and in batches; and what is no decoder is refused. The SD-size network is
 * in test_vae_sd.c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/vae_case.h"
#include "vae_encode/status.h"
#include "vae_encode/vae.h"

#define WEIGHTS "diffusion_pytorch_model.safetensors"

static const char *const backends[] = {"ref", "cpu"};
enum { N_BACKENDS = sizeof(backends) / sizeof(backends[0]), MAX_BATCH = 4 };

/* A decoder opened for one size, and what it gave for some latents. */
struct bench {
    struct vae *vae;
    const struct vae_info *info;
    struct vae_decoder *decoder;
    size_t n_latent, n_values; /* of one */
    float *values;
    uint8_t *bytes;
};

static void set_up(struct bench *b, const struct vae_options *options, int width,
                   int height)
{
    struct vae_options o = *options;
    int rc;

    memset(b, 0, sizeof(*b));
    o.part = VAE_DECODER;
    rc = vae_open(&b->vae, &o);
    if (rc < 0)
        fail_msg("%s", vae_why(b->vae));
    b->info = vae_info(b->vae);
    rc = vae_decoder_open(&b->decoder, b->vae, width, height);
    if (rc < 0)
        fail_msg("%s", vae_decoder_why(b->decoder));
    b->n_latent = (size_t)(width / b->info->downscale) *
                  (size_t)(height / b->info->downscale) *
                  (size_t)b->info->latent_channels;
    b->n_values = (size_t)width * (size_t)height * 3;
    b->values = calloc(MAX_BATCH * b->n_values, sizeof(*b->values));
    b->bytes = calloc(MAX_BATCH, b->n_values);
    assert_true(b->values && b->bytes);
}

static void tear_down(struct bench *b)
{
    free(b->values);
    free(b->bytes);
    vae_decoder_close(b->decoder);
    vae_close(b->vae);
}

static void decode(struct bench *b, const float *latents, int n)
{
    uint8_t *rgb[MAX_BATCH];

    for (int i = 0; i < n; i++)
        rgb[i] = b->bytes + (size_t)i * b->n_values;
    assert_int_equal(
        vae_decode(b->decoder, latents, n, &(struct picture_batch){rgb, b->values}),
        VAE_OK);
}

/* values are (3, H, W), bytes (H, W, 3). */
static void bytes_are_the_values(const struct bench *b)
{
    for (size_t i = 0; i < b->n_values; i++) {
        double level = b->values[i % 3 * (b->n_values / 3) + i / 3] * 127.5 + 127.5;
        assert_true(fabs(b->bytes[i] - fmin(fmax(level, 0), 255)) < 0.5001);
    }
}

/* Decodes the golden latent and compares. */
static void matches_golden(const char *name, const struct vae_options *options, int width,
                           int height)
{
    struct bench b;

    set_up(&b, options, width, height);
    float *latent = vae_case_latent(b.n_latent);
    decode(&b, latent, 1);
    vae_case_matches(&(struct vae_case_result){
        .name = name,
        .width = width,
        .height = height,
        .backend = b.info->backend,
        .values = b.values,
        .parts = 1,
        .n = b.n_values,
        .limit = 1e-4,
    });
    bytes_are_the_values(&b);
    free(latent);
    tear_down(&b);
}

static void sixteen_channels_without_quant_conv(void **state)
{
    (void)state;
    vae_case_for_each("noquant-decoder", matches_golden);
}

static void odd_numbers(void **state)
{
    (void)state;
    vae_case_for_each("odd-decoder", matches_golden);
}

static void attention_in_up_blocks(void **state)
{
    (void)state;
    vae_case_for_each("attention-decoder", matches_golden);
}

/* Both halves are in its file. */
static void default_vae(void **state)
{
    struct bench b;

    (void)state;
    for (int k = 0; k < N_BACKENDS; k++)
        matches_golden("default-decoder", &(struct vae_options){.backend = backends[k]},
                       32, 48);
    set_up(&b, &(struct vae_options){.path = NULL}, 8, 8);
    assert_int_equal(b.info->part, VAE_DECODER);
    assert_int_equal(b.info->n_parameters, 2424907);
    assert_int_equal(b.info->latent_channels, 8);
    assert_int_equal(b.info->downscale, 8);
    assert_false(b.info->has_posterior);
    assert_string_equal(
        b.info->config,
        "{\"_class_name\":\"AutoencoderKL\",\"act_fn\":\"silu\",\"block_out_channels\":["
        "32,64,128,128],\"latent_channels\":8,\"layers_per_block\":1,\"mid_block_add_"
        "attention\":true,\"norm_eps\":1e-6,\"norm_num_groups\":16,\"out_channels\":3,"
        "\"up_"
        "block_types\":[\"UpDecoderBlock2D\",\"UpDecoderBlock2D\",\"UpDecoderBlock2D\","
        "\"UpDecoderBlock2D\"],\"use_post_quant_conv\":true,\"z_channels\":8}");
    tear_down(&b);
}

static void shared_taesd(const char *file, const char *golden)
{
    char path[512];

    if (!vae_case_shared(path, file))
        skip();
    for (int k = 0; k < N_BACKENDS; k++)
        matches_golden(
            golden, &(struct vae_options){.path = path, .backend = backends[k]}, 48, 32);
}

static void taesd(void **state)
{
    (void)state;
    shared_taesd("taesd_decoder", "taesd-decoder");
}

static void taef1(void **state)
{
    (void)state;
    shared_taesd("taef1_decoder", "taef1-decoder");
}

static void refused(const char *path, enum vae_part part, const char *why)
{
    struct vae *vae;

    assert_int_equal(
        vae_open(&vae, &(struct vae_options){.path = path, .scale = 1, .part = part}),
        VAE_EMODEL);
    if (!strstr(vae_why(vae), why))
        fail_msg("%s", vae_why(vae));
    vae_close(vae);
}

static void add_tensor(json_t *tensors, int layer, const char *part, json_t *shape)
{
    json_array_append_new(tensors,
                          json_pack("{s:o, s:o, s:o, s:f}", "name",
                                    json_sprintf("%d%s", layer, part), "old",
                                    json_sprintf("decoder.layers.%d%s", layer - 1, part),
                                    "shape", shape, "gain", 1.0));
}

/* A network of TAESD's kind: conv, block, doubling, block, conv. */
static json_t *small_taesd(void)
{
    static const struct {
        int layer;
        const char *part;
    } inner[] = {{3, ".conv.0"}, {3, ".conv.2"}, {3, ".conv.4"},
                 {6, ".conv.0"}, {6, ".conv.2"}, {6, ".conv.4"}};
    json_t *tensors = json_array();

    add_tensor(tensors, 1, ".weight", json_pack("[iiii]", 8, 5, 3, 3));
    add_tensor(tensors, 1, ".bias", json_pack("[i]", 8));
    for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++) {
        char name[32];
        snprintf(name, sizeof(name), "%s.weight", inner[i].part);
        add_tensor(tensors, inner[i].layer, name, json_pack("[iiii]", 8, 8, 3, 3));
        snprintf(name, sizeof(name), "%s.bias", inner[i].part);
        add_tensor(tensors, inner[i].layer, name, json_pack("[i]", 8));
    }
    add_tensor(tensors, 5, ".weight", json_pack("[iiii]", 8, 8, 3, 3));
    add_tensor(tensors, 7, ".weight", json_pack("[iiii]", 3, 8, 3, 3));
    add_tensor(tensors, 7, ".bias", json_pack("[i]", 3));
    return json_pack("{s:o, s:{s:s, s:i}}", "tensors", tensors, "config", "_class_name",
                     "AutoencoderTiny", "latent_channels", 5);
}

/* As TAESD's own files name and count the layers, then as diffusers' AutoencoderTiny
 * does. */
static void taesd_is_read_by_its_layers(void **state)
{
    json_t *small = small_taesd();
    char *dir = vae_case_mkdir(), path[512];
    struct bench b[2];
    float *latent = vae_case_latent(5 * 2 * 3);

    (void)state;
    snprintf(path, sizeof(path), "%s/" WEIGHTS, dir);
    for (int i = 0; i < 2; i++) {
        vae_case_write(
            small, dir,
            &(struct vae_case_file){.naming = i ? "old" : "name", .config = i == 1});
        set_up(&b[i], &(struct vae_options){.path = i ? dir : path}, 4, 6);
        assert_string_equal(b[i].info->family, "TAESD");
        assert_string_equal(
            b[i].info->config,
            "{\"_class_name\":\"AutoencoderTiny\",\"act_fn\":\"relu\",\"decoder_block_"
            "out_"
            "channels\":[8,8],\"latent_channels\":5,\"num_decoder_blocks\":[1,1],\"out_"
            "channels\":3}");
        assert_int_equal(b[i].info->downscale, 2);
        decode(&b[i], latent, 1);
    }
    assert_memory_equal(b[0].values, b[1].values, b[0].n_values * sizeof(float));
    tear_down(&b[0]);
    tear_down(&b[1]);
    free(latent);
    json_decref(small);
    vae_case_rmdir(dir);
}

static void taesd_must_be_whole(void **state)
{
    json_t *small = small_taesd();
    json_t *config = json_object_get(small, "config");
    char *dir = vae_case_mkdir(), path[512];

    (void)state;
    snprintf(path, sizeof(path), "%s/" WEIGHTS, dir);
    vae_case_write(small, dir, &(struct vae_case_file){.drop = "1.bias"});
    refused(path, VAE_DECODER,
            ": tensor 1.weight is missing: not the decoder of a TAESD");
    vae_case_write(small, dir, &(struct vae_case_file){.drop = "7.weight"});
    refused(path, VAE_DECODER,
            ": tensor 7.weight is missing: not the decoder of a TAESD");
    vae_case_write(small, dir, &(struct vae_case_file){.drop = "6.conv.4.bias"});
    refused(path, VAE_DECODER, ": tensor 6.conv.4.bias is missing");
    vae_case_write(small, dir, &(struct vae_case_file){.add = "4.weight"});
    refused(path, VAE_DECODER,
            ": tensor 4.weight is missing: not the decoder of a TAESD");
    vae_case_write(small, dir, &(struct vae_case_file){.add = "8.weight"});
    refused(path, VAE_DECODER, ": tensor 8.weight belongs to no layer of the network");
    json_object_set_new(config, "upsampling_scaling_factor", json_integer(4));
    vae_case_write(small, dir, &(struct vae_case_file){.naming = "old", .config = true});
    refused(dir, VAE_DECODER, "config.json: upsampling_scaling_factor must be 2");
    json_object_del(config, "upsampling_scaling_factor");
    json_object_set_new(config, "upsample_fn", json_string("bilinear"));
    vae_case_write(small, dir, &(struct vae_case_file){.naming = "old", .config = true});
    refused(dir, VAE_DECODER, "config.json: upsample_fn must be nearest");
    json_decref(small);
    vae_case_rmdir(dir);
}

/* The weights are exact in every dtype, so the same network in another dress must give
 * the same bits, and describe itself in the same words; without config.json too, for a
 * decoder needs no scale. */
static void namings_and_dtypes_agree(void **state)
{
    static const struct vae_case_file dresses[] = {
        {.naming = "name", .dtype = "F32", .config = true},
        {.naming = "name", .dtype = "BF16"},
        {.naming = "old", .dtype = "F16", .config = true},
        {.naming = "ldm", .dtype = "F32"},
        {.naming = "ldm", .dtype = "BF16", .config = true},
        {.naming = "ldm", .dtype = "F16", .root = "first_stage_model."},
    };
    json_t *loaded = vae_case_load("attention-decoder");
    float *first = NULL, *latent = NULL;
    char *config = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(dresses) / sizeof(dresses[0]); i++) {
        char *dir = vae_case_mkdir(), path[512];
        struct bench b;
        vae_case_write(loaded, dir, &dresses[i]);
        snprintf(path, sizeof(path), "%s/" WEIGHTS, dir);
        set_up(&b, &(struct vae_options){.path = path, .backend = "ref"}, 32, 48);
        if (!latent)
            latent = vae_case_latent(b.n_latent);
        decode(&b, latent, 1);
        if (first) {
            assert_memory_equal(b.values, first, b.n_values * sizeof(*first));
            assert_string_equal(b.info->config, config);
        } else {
            first = b.values;
            b.values = NULL;
            config = strdup(b.info->config);
        }
        tear_down(&b);
        vae_case_rmdir(dir);
    }
    free(first);
    free(latent);
    free(config);
    json_decref(loaded);
}

static void batch_does_not_matter(void **state)
{
    enum { N = 3 };
    struct bench alone, together;

    (void)state;
    for (int k = 0; k < N_BACKENDS; k++) {
        const struct vae_options options = {.backend = backends[k]};
        set_up(&alone, &options, 24, 16);
        set_up(&together, &options, 24, 16);
        float *latents = vae_case_latent(N * alone.n_latent);
        decode(&together, latents, N);
        for (size_t i = 0; i < N; i++) {
            decode(&alone, latents + i * alone.n_latent, 1);
            assert_memory_equal(alone.values, together.values + i * alone.n_values,
                                alone.n_values * sizeof(*alone.values));
            assert_memory_equal(alone.bytes, together.bytes + i * alone.n_values,
                                alone.n_values);
        }
        assert_memory_not_equal(together.bytes, together.bytes + alone.n_values,
                                alone.n_values);
        free(latents);
        tear_down(&alone);
        tear_down(&together);
    }
}

/* The values are wanted by few. */
static void bytes_alone(void **state)
{
    struct bench b;
    uint8_t bytes[8 * 8 * 3], *const rgb[] = {bytes};

    (void)state;
    for (int k = 0; k < N_BACKENDS; k++) {
        set_up(&b, &(struct vae_options){.backend = backends[k]}, 8, 8);
        float *latent = vae_case_latent(b.n_latent);
        decode(&b, latent, 1);
        memset(bytes, 0, sizeof(bytes));
        assert_int_equal(
            vae_decode(b.decoder, latent, 1, &(struct picture_batch){rgb, NULL}), VAE_OK);
        assert_memory_equal(bytes, b.bytes, sizeof(bytes));
        free(latent);
        tear_down(&b);
    }
}

static void halves_that_are_not_there(void **state)
{
    char *dir = vae_case_mkdir(), path[512];
    json_t *encoder = vae_case_load("attention");
    json_t *decoder = vae_case_load("attention-decoder");

    (void)state;
    vae_case_write(encoder, dir, &(struct vae_case_file){.config = true});
    refused(dir, VAE_DECODER, WEIGHTS ": holds an encoder, but no decoder");
    vae_case_write(decoder, dir, &(struct vae_case_file){.config = true});
    refused(dir, VAE_ENCODER, WEIGHTS ": holds a decoder, but no encoder");
    vae_case_write(decoder, dir, &(struct vae_case_file){.root = "other."});
    snprintf(path, sizeof(path), "%s/" WEIGHTS, dir);
    refused(path, VAE_DECODER,
            WEIGHTS ": no decoder found: tensors are named neither like AutoencoderKL's "
                    "(decoder.up_blocks.*, decoder.up.*) nor like TAESD's (1.weight, "
                    "3.conv.0.weight, ...)");
    json_decref(encoder);
    json_decref(decoder);
    vae_case_rmdir(dir);
}

static void halves_of_a_taesd_are_two_files(void **state)
{
    char path[512];

    (void)state;
    if (!vae_case_shared(path, "taesd_encoder"))
        skip();
    refused(path, VAE_DECODER,
            "taesd_encoder.safetensors: holds an encoder, but no decoder: a TAESD's "
            "halves are two files");
    if (!vae_case_shared(path, "taesd_decoder"))
        skip();
    refused(path, VAE_ENCODER,
            "taesd_decoder.safetensors: holds a decoder, but no encoder: a TAESD's "
            "halves are two files");
}

static void wrong_tensors_are_named(void **state)
{
    char *dir = vae_case_mkdir(), path[512];
    json_t *loaded = vae_case_load("attention-decoder");
    json_t *config = json_object_get(loaded, "config");

    (void)state;
    vae_case_write(
        loaded, dir,
        &(struct vae_case_file){.config = true,
                                .drop = "decoder.up_blocks.1.upsamplers.0.conv.bias"});
    refused(dir, VAE_DECODER,
            WEIGHTS ": tensor decoder.up_blocks.1.upsamplers.0.conv.bias is missing");
    vae_case_write(
        loaded, dir,
        &(struct vae_case_file){.config = true,
                                .add = "decoder.up_blocks.2.upsamplers.0.conv.bias"});
    refused(dir, VAE_DECODER,
            WEIGHTS ": tensor decoder.up_blocks.2.upsamplers.0.conv.bias belongs to no "
                    "layer of the network");
    vae_case_write(loaded, dir,
                   &(struct vae_case_file){.drop = "decoder.conv_in.weight"});
    snprintf(path, sizeof(path), "%s/" WEIGHTS, dir);
    refused(path, VAE_DECODER,
            WEIGHTS ": tensor decoder.conv_in.weight is missing or misshapen");
    json_object_set_new(config, "up_block_types",
                        json_pack("[ss]", "UpDecoderBlock2D", "UpDecoderBlock2D"));
    vae_case_write(loaded, dir, &(struct vae_case_file){.config = true});
    refused(dir, VAE_DECODER,
            "config.json: up_block_types must be as long as block_out_channels");
    json_object_del(config, "up_block_types");
    json_object_set_new(config, "out_channels", json_integer(4));
    vae_case_write(loaded, dir, &(struct vae_case_file){.config = true});
    refused(dir, VAE_DECODER, "config.json: out_channels must be 3");
    json_decref(loaded);
    vae_case_rmdir(dir);
}

static void requests_must_fit(void **state)
{
    struct bench b;
    struct vae_encoder *e;
    struct vae_decoder *d;
    struct vae *encoder;
    const struct picture_batch out = {NULL, NULL};

    (void)state;
    set_up(&b, &(struct vae_options){.path = NULL}, 16, 8);
    assert_int_equal(vae_encoder_open(&e, b.vae, 16, 8), VAE_EINVAL);
    assert_string_equal(vae_encoder_why(e),
                        "builtin was opened for its decoder, not its encoder");
    vae_encoder_close(e);
    assert_int_equal(vae_decoder_open(&d, b.vae, 12, 8), VAE_EINVAL);
    assert_string_equal(vae_decoder_why(d),
                        "images of 12 x 8 do not fit builtin: each side must be a "
                        "multiple of 8, at most 32768");
    vae_decoder_close(d);
    assert_int_equal(vae_decode(b.decoder, NULL, 0, &out), VAE_EINVAL);
    assert_string_equal(vae_decoder_why(b.decoder), "a batch of 0 latents");
    tear_down(&b);
    assert_int_equal(vae_open(&encoder, &(struct vae_options){.path = NULL}), VAE_OK);
    assert_int_equal(vae_decoder_open(&d, encoder, 16, 8), VAE_EINVAL);
    assert_string_equal(vae_decoder_why(d),
                        "builtin was opened for its encoder, not its decoder");
    vae_decoder_close(d);
    vae_decoder_close(NULL);
    vae_close(encoder);
}

static bool always(void *ctx, int step)
{
    (void)step;
    (void)ctx;
    return true;
}

static void cancelled(void **state)
{
    const struct vae_cancel cancel = {always, NULL};
    uint8_t bytes[8 * 8 * 3], *const rgb[] = {bytes};
    struct bench b;

    (void)state;
    set_up(&b, &(struct vae_options){.path = NULL}, 8, 8);
    float *latent = vae_case_latent(b.n_latent);
    vae_decoder_set_cancel(b.decoder, &cancel);
    assert_int_equal(vae_decode(b.decoder, latent, 1, &(struct picture_batch){rgb, NULL}),
                     VAE_CANCELLED);
    free(latent);
    tear_down(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sixteen_channels_without_quant_conv),
        cmocka_unit_test(odd_numbers),
        cmocka_unit_test(attention_in_up_blocks),
        cmocka_unit_test(default_vae),
        cmocka_unit_test(taesd),
        cmocka_unit_test(taef1),
        cmocka_unit_test(taesd_is_read_by_its_layers),
        cmocka_unit_test(taesd_must_be_whole),
        cmocka_unit_test(namings_and_dtypes_agree),
        cmocka_unit_test(batch_does_not_matter),
        cmocka_unit_test(bytes_alone),
        cmocka_unit_test(halves_that_are_not_there),
        cmocka_unit_test(halves_of_a_taesd_are_two_files),
        cmocka_unit_test(wrong_tensors_are_named),
        cmocka_unit_test(requests_must_fit),
        cmocka_unit_test(cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
