/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_vae_config.c - diffusers' config.json: what an absent key means, and
 * which values are refused in which words. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vae_encode/model/config.h"
#include "vae_encode/status.h"

#define KL "{\"_class_name\":\"AutoencoderKL\",\"block_out_channels\":[32,64]"

static struct vae_network net;
static struct vae_scaling scaling;

static void taken(const char *text, double scale)
{
    struct vae_why why = {.text = ""};
    int rc = vae_config_parse(text, strlen(text), "c", scale, &net, &scaling, &why);

    assert_string_equal(why.text, "");
    assert_int_equal(rc, VAE_OK);
}

static void refused(const char *text, const char *expected)
{
    struct vae_why why = {.text = ""};

    assert_int_equal(vae_config_parse(text, strlen(text), "c", NAN, &net, &scaling, &why),
                     VAE_EMODEL);
    assert_string_equal(why.text, expected);
}

static void absent_keys_mean_what_diffusers_means(void **state)
{
    (void)state;
    taken(KL "}", NAN);
    assert_int_equal(net.family, VAE_FAMILY_KL);
    assert_int_equal(net.n_blocks, 2);
    assert_int_equal(net.block_channels[1], 64);
    assert_false(net.block_attention[0] || net.block_attention[1]);
    assert_int_equal(net.layers_per_block, 1);
    assert_int_equal(net.norm_groups, 32);
    assert_int_equal(net.latent_channels, 4);
    assert_int_equal(net.moment_channels, 8);
    assert_true(net.quant_conv && net.mid_attention);
    assert_int_equal(scaling.n, 1);
    assert_true(scaling.scale[0] == 0.18215 && scaling.shift[0] == 0);
    taken("{\"_class_name\":\"AutoencoderTiny\"}", NAN);
    assert_int_equal(net.family, VAE_FAMILY_TAESD);
    assert_true(scaling.n == 1 && scaling.scale[0] == 1 && scaling.shift[0] == 0);
}

static void scale_shift_mean_and_std(void **state)
{
    (void)state;
    taken(KL ",\"scaling_factor\":0.5,\"shift_factor\":0.25,\"latents_mean\":null}", NAN);
    assert_true(scaling.n == 1 && scaling.scale[0] == 0.5 && scaling.shift[0] == 0.25);
    taken(KL ",\"scaling_factor\":0.5,\"shift_factor\":0.25}", 3);
    assert_true(scaling.n == 1 && scaling.scale[0] == 3 && scaling.shift[0] == 0.25);
    taken(KL ",\"latent_channels\":2,\"scaling_factor\":1,\"shift_factor\":0,"
             "\"latents_mean\":[1,-2],\"latents_std\":[2,4.0]}",
          0);
    assert_true(scaling.n == 2 && scaling.scale[0] == 0.5 && scaling.scale[1] == 0.25);
    assert_true(scaling.shift[0] == 1 && scaling.shift[1] == -2);
}

static void impossible_values_are_named(void **state)
{
    (void)state;
    refused("{\"_class_name\":\"AutoencoderDC\"}",
            "c: _class_name is AutoencoderDC; AutoencoderKL and AutoencoderTiny can be "
            "read");
    refused("[]",
            "c: _class_name is missing; AutoencoderKL and AutoencoderTiny can be read");
    refused(KL ",\"in_channels\":4}", "c: in_channels must be 3");
    refused(KL ",\"act_fn\":\"relu\"}", "c: act_fn must be silu");
    refused("{\"_class_name\":\"AutoencoderTiny\",\"latent_channels\":0,"
            "\"latents_mean\":[],\"latents_std\":[]}",
            "c: latent_channels must be above 0");
    refused("{\"_class_name\":\"AutoencoderTiny\",\"act_fn\":\"gelu\"}",
            "c: act_fn must be relu");
    refused("{\"_class_name\":\"AutoencoderKL\"}",
            "c: block_out_channels must be a list of 1 to 8 numbers");
    refused("{\"_class_name\":\"AutoencoderKL\",\"block_out_channels\":[\"x\"]}",
            "c: block_out_channels must be a whole number");
    refused("{\"_class_name\":\"AutoencoderKL\",\"block_out_channels\":[0]}",
            "c: a block's number of channels is 0, must be 1 to 16384");
    refused(KL ",\"down_block_types\":[\"DownEncoderBlock2D\"]}",
            "c: down_block_types must be as long as block_out_channels");
    refused(KL ",\"down_block_types\":[\"DownEncoderBlock2D\",\"DownBlock2D\"]}",
            "c: down_block_types must be a list of DownEncoderBlock2D or "
            "AttnDownEncoderBlock2D");
    refused(KL ",\"layers_per_block\":0}", "c: layers_per_block is 0, must be 1 to 32");
    refused(KL ",\"layers_per_block\":1.5}",
            "c: layers_per_block must be a whole number");
    refused(KL ",\"norm_num_groups\":0}", "c: norm_num_groups is 0, must be 1 to 16384");
    refused(KL ",\"norm_num_groups\":64}",
            "c: block_out_channels[0] is 32, not a multiple of the 64 norm_num_groups");
    refused(KL ",\"latent_channels\":0}", "c: latent_channels is 0, must be 1 to 128");
    refused(KL ",\"latent_channels\":2147483647}",
            "c: latent_channels must be at most 128");
    refused(KL ",\"latent_channels\":-1}", "c: latent_channels must be a whole number");
    refused(KL ",\"use_quant_conv\":1}", "c: use_quant_conv must be true or false");
    refused(KL ",\"scaling_factor\":0}", "c: scaling_factor must be above 0");
    refused(KL ",\"scaling_factor\":\"1\"}", "c: scaling_factor must be a number");
    refused(
        KL ",\"latents_mean\":[0,0,0,0]}",
        "c: latents_mean and latents_std must be two lists of latent_channels numbers");
    refused(KL ",\"latents_mean\":[0,0,0,0],\"latents_std\":[1,1,1,0]}",
            "c: latents_std must be above 0");
    refused(KL ",\"latents_mean\":[0,0,0,0],\"latents_std\":[1,1,1,1],"
               "\"shift_factor\":0.1}",
            "c: shift_factor must be null beside latents_mean");
}

static void text_that_is_no_json(void **state)
{
    struct vae_why why;

    (void)state;
    assert_int_equal(vae_config_parse("{\n\n]", 4, "c", NAN, &net, &scaling, &why),
                     VAE_EFORMAT);
    assert_memory_equal(why.text, "c: line 3: ", 11);
    assert_int_equal(vae_config_parse("", 0, "c", NAN, &net, &scaling, &why),
                     VAE_EFORMAT);
}

static void json_is_the_same_for_the_same_network(void **state)
{
    char *json;

    (void)state;
    taken(KL ",\"down_block_types\":[\"AttnDownEncoderBlock2D\",\"DownEncoderBlock2D\"],"
             "\"sample_size\":512,\"use_quant_conv\":false}",
          NAN);
    json = vae_network_to_json(&net);
    assert_string_equal(json,
                        "{\"_class_name\":\"AutoencoderKL\",\"act_fn\":\"silu\","
                        "\"block_out_channels\":[32,64],\"down_block_types\":"
                        "[\"AttnDownEncoderBlock2D\",\"DownEncoderBlock2D\"],"
                        "\"in_channels\":3,\"latent_channels\":4,\"layers_per_block\":1,"
                        "\"mid_block_add_attention\":true,\"moment_channels\":8,"
                        "\"norm_eps\":1e-6,\"norm_num_groups\":32,"
                        "\"use_quant_conv\":false}");
    taken(json, NAN); /* it builds the network again */
    assert_false(net.quant_conv);
    assert_true(net.block_attention[0] && !net.block_attention[1]);
    free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_keys_mean_what_diffusers_means),
        cmocka_unit_test(scale_shift_mean_and_std),
        cmocka_unit_test(impossible_values_are_named),
        cmocka_unit_test(text_that_is_no_json),
        cmocka_unit_test(json_is_the_same_for_the_same_network),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
