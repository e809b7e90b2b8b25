/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_vae_oom.c - packing, opening, encoding and decoding with no memory at
 * each allocation in turn, by both back ends; and a config.json in the same straits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/unit/failing_malloc.h"
#include "tests/unit/random_graph.h"
#include "vae_encode/backend.h"
#include "vae_encode/model/config.h"
#include "vae_encode/status.h"

enum { SIDE = 16, MOST_ALLOCATIONS = 2000 };

struct encoding {
    const struct vae_backend *backend;
    const struct vae_graph *graph;
};

static int encode_once(const void *what)
{
    const struct encoding *e = what;
    const struct vae_backend *b = e->backend;
    static uint8_t rgb[SIDE * SIDE * 3];
    static float mean[SIDE * SIDE * 8];
    const uint8_t *const images[] = {rgb, rgb};
    void *packed = NULL, *state = NULL;
    int rc = b->pack(&packed, e->graph, "portable");

    if (rc == VAE_OK)
        rc = b->open(&state, packed, SIDE, SIDE);
    if (rc == VAE_OK)
        rc = b->encode(
            state,
            &(struct image_batch){.n = 2, .width = SIDE, .height = SIDE, .rgb = images},
            &(struct latent_batch){.mean = mean}, NULL);
    b->close(state);
    b->free_packed(packed);
    return rc;
}

/* Fails each allocation of run(what) in turn, until none is left to fail. */
static void survives(int (*run)(const void *what), const void *what)
{
    int n_failed = 0, rc = VAE_ENOMEM;

    for (int64_t i = 0; i < MOST_ALLOCATIONS && rc != VAE_OK; i++) {
        n_allocations = 0;
        failing = i;
        rc = run(what);
        failing = -1;
        if (rc != VAE_OK)
            assert_int_equal(rc, VAE_ENOMEM);
        n_failed += rc != VAE_OK;
    }
    assert_int_equal(rc, VAE_OK);
    assert_true(n_failed >= 5);
}

static void backend_survives(const struct vae_backend *b)
{
    static const int channels[] = {16, 32};
    struct random_graph r;

    random_graph_init(&r, 1);
    random_graph_kl(&r, channels, 2, 1, 8, 4);
    survives(encode_once, &(struct encoding){.backend = b, .graph = &r.g});
    random_graph_free(&r);
}

static void cpu_survives(void **state)
{
    (void)state;
    backend_survives(&vae_backend_cpu);
}

static void ref_survives(void **state)
{
    (void)state;
    backend_survives(&vae_backend_ref);
}

static int parse_once(const void *text)
{
    struct vae_network net = {.part = VAE_ENCODER};
    struct vae_scaling scaling;
    struct vae_why why = {.text = ""};

    return vae_config_parse(text, strlen(text), "config.json", 0, &net, &scaling, &why);
}

/* No memory is never "this is not JSON": a config.json would be taken for a stranger's.
 */
static void config_survives(void **state)
{
    static const char text[] = "{\"_class_name\":\"AutoencoderKL\",\"latent_channels\":8,"
                               "\"block_out_channels\":[32,64],\"norm_num_groups\":8,"
                               "\"down_block_types\":[\"DownEncoderBlock2D\","
                               "\"DownEncoderBlock2D\"],\"scaling_factor\":0.5}";

    (void)state;
    json_set_alloc_funcs(__wrap_malloc, free);
    survives(parse_once, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpu_survives),
        cmocka_unit_test(ref_survives),
        cmocka_unit_test(config_survives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
