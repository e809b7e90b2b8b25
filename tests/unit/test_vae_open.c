/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_vae_open.c - what vae_open() makes of folders, files and options, and
 * the words in which it refuses them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/vae_case.h"
#include "vae_encode/status.h"
#include "vae_encode/vae.h"

#define WEIGHTS "diffusion_pytorch_model.safetensors"
#define TINY_CONFIG                                                                      \
    "{\"_class_name\":\"AutoencoderKL\",\"act_fn\":\"silu\",\"block_out_channels\":[16," \
    "32],\"down_block_types\":[\"DownEncoderBlock2D\",\"DownEncoderBlock2D\"],\"in_"     \
    "channels\":3,\"latent_channels\":8,\"layers_per_block\":1,\"mid_block_add_"         \
    "attention\":true,\"moment_channels\":16,\"norm_eps\":1e-6,\"norm_num_groups\":8,"   \
    "\"use_quant_conv\":true}"

struct fixture {
    char *dir;
    json_t *tiny; /* the smallest AutoencoderKL of tests/golden */
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->dir = vae_case_mkdir();
    f->tiny = vae_case_load("clamp");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    json_decref(f->tiny);
    vae_case_rmdir(f->dir);
    free(f);
    return 0;
}

static char *path_of(const struct fixture *f, const char *name)
{
    static char path[512];

    snprintf(path, sizeof(path), "%s/%s", f->dir, name);
    return path;
}

/* The folder's name, a random one, reads DIR in the expected words. */
static void refused(const struct fixture *f, const struct vae_options *options,
                    int status, const char *why)
{
    struct vae *vae;
    char *said = NULL;
    size_t len;
    FILE *text = open_memstream(&said, &len);
    int rc = vae_open(&vae, options);
    const char *rest = vae_why(vae), *dir;

    assert_non_null(text);
    while ((dir = strstr(rest, f->dir))) {
        fprintf(text, "%.*sDIR", (int)(dir - rest), rest);
        rest = dir + strlen(f->dir);
    }
    fputs(rest, text);
    assert_int_equal(fclose(text), 0);
    assert_string_equal(said, why);
    assert_int_equal(rc, status);
    free(said);
    vae_close(vae);
}

static void refused_file(struct fixture *f, const struct vae_case_file *file, int status,
                         const char *why)
{
    vae_case_write(f->tiny, f->dir, file);
    refused(f, &(struct vae_options){.path = f->dir}, status, why);
}

static void wrong_tensors_are_named(void **state)
{
    refused_file(
        *state,
        &(struct vae_case_file){.config = true,
                                .drop = "encoder.mid_block.attentions.0.to_k.weight"},
        VAE_EMODEL,
        "DIR/" WEIGHTS ": tensor encoder.mid_block.attentions.0.to_k.weight is missing");
    refused_file(*state,
                 &(struct vae_case_file){.config = true, .drop = "quant_conv.bias"},
                 VAE_EMODEL, "DIR/" WEIGHTS ": tensor quant_conv.bias is missing");
    refused_file(*state,
                 &(struct vae_case_file){
                     .config = true, .reshape = "encoder.conv_in.weight", .dtype = "F16"},
                 VAE_EMODEL,
                 "DIR/" WEIGHTS
                 ": tensor encoder.conv_in.weight is F16 (16, 3, 3, 3, 1), "
                 "but the network needs (16, 3, 3, 3)");
    refused_file(*state,
                 &(struct vae_case_file){.config = true,
                                         .add = "encoder.mid_block.resnets.2.norm1.bias"},
                 VAE_EMODEL,
                 "DIR/" WEIGHTS ": tensor encoder.mid_block.resnets.2.norm1.bias belongs "
                 "to no layer of the network");
    refused_file(*state,
                 &(struct vae_case_file){
                     .config = true, .spoil = "encoder.conv_out.bias", .factor = NAN},
                 VAE_EMODEL,
                 "DIR/" WEIGHTS ": tensor encoder.conv_out.bias: value 0 is not finite");
    refused_file(
        *state,
        &(struct vae_case_file){.config = true, .add = "quantize.embedding.weight"},
        VAE_EMODEL,
        "DIR/" WEIGHTS ": a VQ model (it has quantize.* tensors): it has no "
        "continuous latent");
}

static void tensors_outside_the_encoder_do_not_matter(void **state)
{
    struct fixture *f = *state;
    struct vae *vae;

    vae_case_write(f->tiny, f->dir,
                   &(struct vae_case_file){.config = true, .add = "decoder.unknown"});
    assert_int_equal(vae_open(&vae, &(struct vae_options){.path = f->dir}), VAE_OK);
    vae_close(vae);
}

static void several_extra_tensors_are_counted(void **state)
{
    struct fixture *f = *state;
    json_t *config = json_object_get(f->tiny, "config");

    json_object_set_new(config, "mid_block_add_attention", json_false());
    refused_file(f, &(struct vae_case_file){.config = true}, VAE_EMODEL,
                 "DIR/" WEIGHTS ": tensor encoder.mid_block.attentions.0.group_norm.bias "
                 "and 9 more belong to no layer of the network");
    json_object_del(config, "mid_block_add_attention");
}

static void config_must_fit_the_tensors(void **state)
{
    struct fixture *f = *state;
    json_t *config = json_object_get(f->tiny, "config");

    json_object_set_new(config, "block_out_channels", json_pack("[ii]", 16, 40));
    refused_file(f, &(struct vae_case_file){.config = true}, VAE_EMODEL,
                 "DIR/" WEIGHTS
                 ": tensor encoder.down_blocks.1.resnets.0.conv1.weight is "
                 "F32 (32, 16, 3, 3), but the network needs (40, 16, 3, 3)");
    json_object_set_new(config, "block_out_channels", json_pack("[ii]", 16, 30));
    refused_file(f, &(struct vae_case_file){.config = true}, VAE_EMODEL,
                 "DIR/config.json: block_out_channels[1] is 30, not a multiple of the 8 "
                 "norm_num_groups");
    json_object_set_new(config, "block_out_channels", json_pack("[ii]", 16, 32));
    json_object_set_new(config, "_class_name", json_string("AutoencoderTiny"));
    refused_file(f, &(struct vae_case_file){.config = true}, VAE_EMODEL,
                 "DIR/config.json is of the family TAESD, but the tensors of DIR/" WEIGHTS
                 " are of AutoencoderKL's");
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void incomplete_folders_are_named(void **state)
{
    struct fixture *f = *state;
    const struct vae_options options = {.path = f->dir};

    refused(f, &options, VAE_EMODEL,
            "DIR: neither config.json nor vae/config.json is in this folder: not a "
            "diffusers model");
    refused(f, &(struct vae_options){.path = path_of(f, "x")}, VAE_EMODEL,
            "DIR/x: No such file or directory");
    assert_int_equal(mkfifo(path_of(f, "config.json"), 0600), 0);
    refused(f, &options, VAE_EMODEL,
            "DIR: neither config.json nor vae/config.json is in this folder: not a "
            "diffusers model");
    assert_int_equal(unlink(path_of(f, "config.json")), 0);
    write_text(path_of(f, "config.json"), "{}");
    refused(f, &options, VAE_EMODEL, "DIR/" WEIGHTS ": No such file or directory");
    vae_case_write(f->tiny, f->dir, &(struct vae_case_file){.config = true});
    write_text(path_of(f, "config.json"), "{}");
    refused(f, &options, VAE_EMODEL,
            "DIR/config.json: _class_name is missing; AutoencoderKL and AutoencoderTiny "
            "can be read");
    write_text(path_of(f, "config.json"), "{\n\"_class_name\": ]");
    struct vae *vae;
    assert_int_equal(vae_open(&vae, &options), VAE_EFORMAT);
    assert_non_null(strstr(vae_why(vae), "/config.json: line 2: "));
    vae_close(vae);
    assert_int_equal(truncate(path_of(f, WEIGHTS), 20000), 0);
    assert_int_equal(vae_open(&vae, &options), VAE_EFORMAT);
    assert_non_null(strstr(vae_why(vae), ", but the file has 20000: truncated?"));
    vae_close(vae);
    write_text(path_of(f, WEIGHTS), "version https://git-lfs.github.com/spec/v1\n");
    refused(f, &options, VAE_EFORMAT,
            "DIR/" WEIGHTS ": not a safetensors file: no header at byte 0");
}

static void pipeline_folders_are_searched(void **state)
{
    struct fixture *f = *state;
    struct vae *vae;
    char *vae_dir = strdup(path_of(f, "vae"));

    assert_int_equal(mkdir(vae_dir, 0777), 0);
    vae_case_write(f->tiny, vae_dir, &(struct vae_case_file){.config = true});
    assert_int_equal(vae_open(&vae, &(struct vae_options){.path = f->dir}), VAE_OK);
    assert_string_equal(vae_info(vae)->path, f->dir);
    assert_string_equal(vae_info(vae)->family, "AutoencoderKL");
    assert_false(vae_info(vae)->builtin);
    assert_string_equal(vae_info(vae)->config, TINY_CONFIG);
    vae_close(vae);
    vae_case_rmdir(vae_dir);
}

/* 32 norm groups are all that can be assumed; this network has 8. */
static void files_without_config(void **state)
{
    struct fixture *f = *state;
    char *path = path_of(f, WEIGHTS);

    vae_case_write(f->tiny, f->dir, &(struct vae_case_file){.config = false});
#define UNKNOWN_SCALE                                                                    \
    "DIR/" WEIGHTS ": its scaling factor is unknown: give it with --scale (SD 1 and 2: " \
    "0.18215; SDXL: 0.13025) or put its config.json beside it"
    refused(f, &(struct vae_options){.path = path}, VAE_EINVAL, UNKNOWN_SCALE);
    write_text(path_of(f, "config.json"), "{\"_class_name\": \"Other\"}");
    path = path_of(f, WEIGHTS);
    refused(f, &(struct vae_options){.path = path}, VAE_EINVAL,
            UNKNOWN_SCALE " (DIR/config.json: _class_name is Other; AutoencoderKL and "
                          "AutoencoderTiny can be read)");
#undef UNKNOWN_SCALE
    refused(f, &(struct vae_options){.path = path, .scale = 1}, VAE_EMODEL,
            "DIR/" WEIGHTS
            ": block_out_channels[0] is 16, not a multiple of the 32 norm_num_groups");
    vae_case_write(f->tiny, f->dir,
                   &(struct vae_case_file){.drop = "encoder.conv_out."
                                                   "weight"});
    refused(f, &(struct vae_options){.path = path, .scale = 1}, VAE_EMODEL,
            "DIR/" WEIGHTS ": tensor encoder.conv_out.weight is missing or misshapen");
}

static void wrong_options_are_named(void **state)
{
    struct fixture *f = *state;

    refused(f, &(struct vae_options){.scale = -1}, VAE_EINVAL,
            "a scale of -1: it must be above 0");
    refused(f, &(struct vae_options){.scale = INFINITY}, VAE_EINVAL,
            "a scale of inf: it must be above 0");
    refused(f, &(struct vae_options){.backend = "gpu"}, VAE_EINVAL,
            "no back end is called gpu");
    refused(f, &(struct vae_options){.isa = "avx3"}, VAE_EINVAL,
            "this machine has no avx3 of portable, avx2, avx512");
}

static void builtin_is_the_file(void **state)
{
    struct vae *vae;
    const struct vae_info *info;

    (void)state;
    assert_int_equal(vae_open(&vae, &(struct vae_options){.scale = NAN}), VAE_OK);
    info = vae_info(vae);
    assert_true(info->builtin);
    assert_string_equal(info->path, "builtin");
    assert_string_equal(
        info->sha256, "ad6689eb276f9d17d0db76073a4399cb74976fded1ae303f044cba3f34ff7e22");
    assert_int_equal(info->latent_channels, 8);
    assert_int_equal(info->downscale, 8);
    assert_true(info->has_posterior);
    assert_int_equal(info->n_scale, 1);
    assert_true(info->scale[0] == 0.76072 && info->shift[0] == 0);
    assert_int_equal(info->n_parameters, 1473472);
    assert_true(info->packed_bytes >= 4 * info->n_parameters);
    assert_string_equal(info->backend, "cpu");
    assert_string_equal(info->numerics, "winograd-1");
    vae_close(vae);
    vae_close(NULL);
}

static void scaling_is_an_affine_map(void **state)
{
    struct fixture *f = *state;
    json_t *odd = vae_case_load("odd");
    struct vae *vae;

    vae_case_write(odd, f->dir, &(struct vae_case_file){.config = true});
    for (double given = 0; given < 2; given++) { /* 0: the config's 0.5 */
        const double factor = given > 0 ? given : 0.5;
        assert_int_equal(
            vae_open(&vae, &(struct vae_options){.path = f->dir, .scale = given}),
            VAE_OK);
        assert_int_equal(vae_info(vae)->n_scale, 3);
        assert_true(vae_info(vae)->scale[0] == factor / 2);
        assert_true(vae_info(vae)->scale[1] == factor / 4);
        assert_true(vae_info(vae)->scale[2] == factor / 0.5);
        assert_true(vae_info(vae)->shift[0] == 0.5);
        assert_true(vae_info(vae)->shift[1] == -0.25);
        assert_true(vae_info(vae)->shift[2] == 0.125);
        vae_close(vae);
    }
    json_decref(odd);
}

static void encoders_take_sizes_that_fit(void **state)
{
    static const int sizes[][2] = {{60, 64}, {64, 60}, {0, 64}, {-8, 64}, {65536, 64}};
    const uint8_t *images[1] = {NULL};
    struct latent_batch out = {NULL, NULL};
    struct vae *vae;
    struct vae_encoder *e;

    (void)state;
    assert_int_equal(vae_open(&vae, &(struct vae_options){.path = NULL}), VAE_OK);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char why[256];
        snprintf(
            why, sizeof(why),
            "images of %d x %d do not fit builtin: each side must be a multiple of 8, "
            "at most 32768",
            sizes[i][0], sizes[i][1]);
        assert_int_equal(vae_encoder_open(&e, vae, sizes[i][0], sizes[i][1]), VAE_EINVAL);
        assert_string_equal(vae_encoder_why(e), why);
        vae_encoder_close(e);
    }
    assert_int_equal(vae_encoder_open(&e, vae, 64, 32), VAE_OK);
    assert_int_equal(vae_encode(e, &(struct image_batch){1, 32, 64, images}, &out),
                     VAE_EINVAL);
    assert_string_equal(vae_encoder_why(e),
                        "a batch of 1 images of 32 x 64 for an encoder of 64 x 32");
    assert_int_equal(vae_encode(e, &(struct image_batch){0, 64, 32, images}, &out),
                     VAE_EINVAL);
    vae_encoder_close(e);
    vae_encoder_close(NULL);
    vae_close(vae);
}

/* A network of TAESD's kind: conv, block, halving, block, conv. */
static json_t *small_taesd(void)
{
    static const char *const blocks[] = {"1", "3"};
    json_t *tensors = json_array();

#define TENSOR(name, shape)                                                              \
    json_array_append_new(tensors, json_pack("{s:s, s:o, s:f}", "name", name, "shape",   \
                                             shape, "gain", 1.0))
    TENSOR("0.weight", json_pack("[iiii]", 8, 3, 3, 3));
    TENSOR("0.bias", json_pack("[i]", 8));
    for (int b = 0; b < 2; b++)
        for (int i = 0; i < 5; i += 2) {
            char name[32];
            snprintf(name, sizeof(name), "%s.conv.%d.weight", blocks[b], i);
            TENSOR(name, json_pack("[iiii]", 8, 8, 3, 3));
            snprintf(name, sizeof(name), "%s.conv.%d.bias", blocks[b], i);
            TENSOR(name, json_pack("[i]", 8));
        }
    TENSOR("2.weight", json_pack("[iiii]", 8, 8, 3, 3));
    TENSOR("4.weight", json_pack("[iiii]", 5, 8, 3, 3));
    TENSOR("4.bias", json_pack("[i]", 5));
#undef TENSOR
    return json_pack("{s:o, s:{s:s, s:i, s:f}}", "tensors", tensors, "config",
                     "_class_name", "AutoencoderTiny", "latent_channels", 5,
                     "scaling_factor", 2.0);
}

static void taesd_is_read_by_its_layers(void **state)
{
    static const char config[] =
        "{\"_class_name\":\"AutoencoderTiny\",\"act_fn\":\"relu\",\"encoder_block_out_"
        "channels\":[8,8],\"in_channels\":3,\"latent_channels\":5,\"num_encoder_blocks\":"
        "[1,1]}";
    struct fixture *f = *state;
    json_t *small = small_taesd();
    char *path = path_of(f, WEIGHTS);
    uint8_t *image = vae_case_image(4, 4);
    const uint8_t *const images[] = {image};
    float values[2][2 * 2 * 5];
    struct vae *vae;
    struct vae_encoder *e;

    /* As TAESD's own files name the tensors, then as diffusers' AutoencoderTiny does. */
    for (int i = 0; i < 2; i++) {
        vae_case_write(small, f->dir,
                       &(struct vae_case_file){.root = i ? "encoder.layers." : "",
                                               .config = i == 1});
        assert_int_equal(vae_open(&vae, &(struct vae_options){.path = path}), VAE_OK);
        assert_string_equal(vae_info(vae)->family, "TAESD");
        assert_string_equal(vae_info(vae)->config, config);
        assert_false(vae_info(vae)->has_posterior);
        assert_int_equal(vae_info(vae)->downscale, 2);
        assert_int_equal(vae_info(vae)->latent_channels, 5);
        assert_true(vae_info(vae)->scale[0] == (i ? 2 : 1));
        assert_int_equal(vae_encoder_open(&e, vae, 4, 4), VAE_OK);
        assert_int_equal(vae_encode(e, &(struct image_batch){1, 4, 4, images},
                                    &(struct latent_batch){values[i], NULL}),
                         VAE_OK);
        assert_int_equal(vae_encode(e, &(struct image_batch){1, 4, 4, images},
                                    &(struct latent_batch){values[i], values[i]}),
                         VAE_EINVAL);
        assert_non_null(
            strstr(vae_encoder_why(e), " is a TAESD: it has no log-variance"));
        vae_encoder_close(e);
        vae_close(vae);
    }
    assert_memory_equal(values[0], values[1], sizeof(values[0]));
    for (int i = 0; i < 2;
         i++) { /* a given scale comes before 1 and before config.json */
        assert_int_equal(
            vae_open(&vae, &(struct vae_options){.path = path, .scale = 0.25}), VAE_OK);
        assert_true(vae_info(vae)->scale[0] == 0.25);
        vae_close(vae);
        vae_case_write(small, f->dir, &(struct vae_case_file){.config = i == 0});
    }
    free(image);
    json_decref(small);
}

static void taesd_must_be_whole(void **state)
{
    struct fixture *f = *state;
    json_t *small = small_taesd();
    const struct vae_options options = {.path = path_of(f, WEIGHTS)};

    vae_case_write(small, f->dir, &(struct vae_case_file){.drop = "0.weight"});
    refused(f, &options, VAE_EMODEL,
            "DIR/" WEIGHTS ": tensor 0.weight is missing: not the encoder of a TAESD");
    vae_case_write(small, f->dir, &(struct vae_case_file){.drop = "4.weight"});
    refused(f, &options, VAE_EMODEL,
            "DIR/" WEIGHTS ": tensor 4.weight is missing: not the encoder of a TAESD");
    vae_case_write(small, f->dir, &(struct vae_case_file){.drop = "3.conv.2.bias"});
    refused(f, &options, VAE_EMODEL, "DIR/" WEIGHTS ": tensor 3.conv.2.bias is missing");
    vae_case_write(small, f->dir, &(struct vae_case_file){.add = "5.weight"});
    refused(f, &options, VAE_EMODEL,
            "DIR/" WEIGHTS ": tensor 5.weight belongs to no layer of the network");
    vae_case_write(small, f->dir, &(struct vae_case_file){.root = "other.layers."});
    refused(f, &options, VAE_EMODEL,
            "DIR/" WEIGHTS
            ": no encoder found: tensors are named neither like AutoencoderKL's "
            "(encoder.down_blocks.*, encoder.down.*) nor like TAESD's (0.weight, "
            "1.conv.0.weight, ...)");
    json_decref(small);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(wrong_tensors_are_named),
        TEST(tensors_outside_the_encoder_do_not_matter),
        TEST(several_extra_tensors_are_counted),
        TEST(config_must_fit_the_tensors),
        TEST(incomplete_folders_are_named),
        TEST(pipeline_folders_are_searched),
        TEST(files_without_config),
        TEST(wrong_options_are_named),
        TEST(builtin_is_the_file),
        TEST(scaling_is_an_affine_map),
        TEST(encoders_take_sizes_that_fit),
        TEST(taesd_is_read_by_its_layers),
        TEST(taesd_must_be_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
