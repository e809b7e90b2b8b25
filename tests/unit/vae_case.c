/* SPDX-License-Identifier: Apache-2.0
 * Every value is a multiple of a power of two with 8 significant bits, made by integer
 * operations from a hash of the tensor's name in diffusers' naming. */
#include "tests/unit/vae_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WEIGHTS "diffusion_pytorch_model.safetensors"

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    abort();
}

static uint64_t fnv1a(const char *name)
{
    uint64_t h = UINT64_C(0xCBF29CE484222325);

    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * UINT64_C(0x100000001B3);
    return h;
}

/* The i-th number of a stream, i from 1. */
static uint64_t splitmix(uint64_t seed, uint64_t i)
{
    uint64_t x = seed + i * UINT64_C(0x9E3779B97F4A7C15);

    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 31;
}

json_t *vae_case_load(const char *name)
{
    char path[256];
    json_t *loaded;

    snprintf(path, sizeof(path), "tests/golden/%s.json", name);
    loaded = json_load_file(path, 0, NULL);
    check(loaded, path);
    return loaded;
}

uint8_t *vae_case_image(int width, int height)
{
    size_t n = (size_t)width * (size_t)height * 3;
    uint64_t seed = fnv1a("image");
    uint8_t *rgb = malloc(n);

    check(rgb, "image");
    for (size_t i = 0; i < n; i++) {
        int c = (int)(i % 3), x = (int)(i / 3) % width, y = (int)(i / 3) / width;
        int wave = (5 * x + 3 * y + 85 * c) % 511;
        wave = wave < 256 ? wave : 510 - wave;
        rgb[i] = (uint8_t)((3 * wave + 4 * (int)(splitmix(seed, i + 1) >> 58)) / 4);
    }
    return rgb;
}

float *vae_case_latent(size_t n_values)
{
    uint64_t seed = fnv1a("latent");
    float *latent = malloc(n_values * sizeof(*latent));

    check(latent, "latent");
    for (size_t i = 0; i < n_values; i++)
        latent[i] = (float)((int)(splitmix(seed, i + 1) >> 56) - 128) / 32;
    return latent;
}

/* Gives n values. */
static float *load_golden(const struct vae_case_result *r, size_t n)
{
    char path[256];
    float *values = malloc(n * sizeof(*values));
    FILE *f;

    snprintf(path, sizeof(path), "tests/golden/%s-%dx%d.f32", r->name, r->width,
             r->height);
    f = fopen(path, "rb");
    check(values && f, path);
    check(fread(values, sizeof(*values), n, f) == n && fgetc(f) == EOF, path);
    fclose(f);
    return values;
}

static double relative_error(const float *a, const float *b, size_t n)
{
    double difference = 0, size = 0;

    for (size_t i = 0; i < n; i++) {
        difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        size += (double)b[i] * b[i];
    }
    return sqrt(difference / size);
}

void vae_case_matches(const struct vae_case_result *r)
{
    float *golden = load_golden(r, r->parts * r->n);

    for (int i = 0; i < r->parts; i++) {
        double error = relative_error(r->values + i * r->n, golden + i * r->n, r->n);
        print_message("%s %dx%d, %s: relative error %.1e\n", r->name, r->width, r->height,
                      r->backend, error);
        if (!(error <= r->limit))
            fail_msg("%s, %s: relative error %g", r->name, r->backend, error);
    }
    free(golden);
}

static float weight(uint64_t hash, bool is_norm, bool is_vector, float bound)
{
    int k = (int)(hash >> 56) - 128;

    if (is_norm) /* floor(k / 4) */
        return 1 + (float)((k + 128) / 4 - 32) / 128;
    return is_vector ? (float)k / 1024 : (float)k / 128 * bound;
}

/* The values are exact in each dtype, so bits are cut off, never rounded. */
static void put_value(FILE *f, float value, const char *dtype)
{
    uint32_t bits;
    uint16_t half;

    memcpy(&bits, &value, sizeof(bits));
    if (strcmp(dtype, "F32") == 0) {
        fwrite(&bits, sizeof(bits), 1, f);
        return;
    }
    half = (uint16_t)(bits >> 16);
    if (strcmp(dtype, "F16") == 0 && value != 0) {
        int exponent = (int)(bits >> 23 & 0xff) - 112;
        uint32_t fraction = bits >> 13 & 0x3ff;
        half = (uint16_t)(bits >> 16 & 0x8000);
        half |= exponent > 0 ? (uint16_t)((uint32_t)exponent << 10 | fraction)
                             : (uint16_t)((fraction | 0x400) >> (1 - exponent));
    }
    fwrite(&half, sizeof(half), 1, f);
}

static size_t n_values(const json_t *shape)
{
    size_t n = 1;

    for (size_t i = 0; i < json_array_size(shape); i++)
        n *= (size_t)json_integer_value(json_array_get(shape, i));
    return n;
}

static bool is(const char *wanted, const char *name)
{
    return wanted && strcmp(wanted, name) == 0;
}

static void put_tensor(FILE *f, const json_t *tensor, const struct vae_case_file *file,
                       const char *stored)
{
    const char *name = json_string_value(json_object_get(tensor, "name"));
    const json_t *shape = json_object_get(tensor, "shape");
    double gain = json_number_value(json_object_get(tensor, "gain"));
    bool is_vector = json_array_size(shape) == 1;
    bool is_norm = is_vector && strstr(name, ".weight");
    size_t n = n_values(shape), fan_in = is_vector ? 1 : n;
    uint64_t seed = fnv1a(name);
    float bound = 1;

    if (is(file->spoil, stored))
        gain *= file->factor;
    if (!is_vector)
        fan_in /= (size_t)json_integer_value(json_array_get(shape, 0));
    while (3 < (float)fan_in * bound * bound)
        bound /= 2;
    for (size_t i = 0; i < n; i++) {
        float value = weight(splitmix(seed, i + 1), is_norm, is_vector, bound);
        put_value(f, (float)(value * gain), file->dtype);
    }
}

/* LDM stores attention's linear layers as 1x1 convolutions. */
static json_t *stored_shape(const json_t *tensor, const struct vae_case_file *file,
                            const char *stored)
{
    json_t *shape = json_copy(json_object_get(tensor, "shape"));

    if (strcmp(file->naming, "ldm") == 0 && json_array_size(shape) == 2) {
        json_array_append_new(shape, json_integer(1));
        json_array_append_new(shape, json_integer(1));
    }
    if (is(file->reshape, stored))
        json_array_append_new(shape, json_integer(1));
    return shape;
}

static json_t *stored_name(const json_t *tensor, const struct vae_case_file *file)
{
    return json_sprintf("%s%s", file->root,
                        json_string_value(json_object_get(tensor, file->naming)));
}

static void add_entry(json_t *header, const char *name, const char *dtype, json_t *shape,
                      size_t *offset)
{
    size_t begin = *offset;

    *offset += n_values(shape) * (strcmp(dtype, "F32") == 0 ? 4 : 2);
    json_object_set_new(header, name,
                        json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype, "shape", shape,
                                  "data_offsets", (json_int_t)begin,
                                  (json_int_t)*offset));
}

static void write_weights(const json_t *tensors, const char *path,
                          const struct vae_case_file *file)
{
    json_t *header = json_object(), *tensor, *name;
    size_t offset = 0, i;
    FILE *f = fopen(path, "wb");
    uint64_t header_len;
    char *text;

    check(f, path);
    json_array_foreach(tensors, i, tensor)
    {
        name = stored_name(tensor, file);
        if (!is(file->drop, json_string_value(name)))
            add_entry(header, json_string_value(name), file->dtype,
                      stored_shape(tensor, file, json_string_value(name)), &offset);
        json_decref(name);
    }
    if (file->add)
        add_entry(header, file->add, file->dtype, json_pack("[i]", 1), &offset);
    text = json_dumps(header, JSON_COMPACT);
    header_len = strlen(text);
    fwrite(&header_len, sizeof(header_len), 1, f);
    fputs(text, f);
    json_array_foreach(tensors, i, tensor)
    {
        name = stored_name(tensor, file);
        if (!is(file->drop, json_string_value(name)))
            put_tensor(f, tensor, file, json_string_value(name));
        json_decref(name);
    }
    if (file->add)
        put_value(f, 0, file->dtype);
    check(fclose(f) == 0, path);
    json_decref(header);
    free(text);
}

void vae_case_write(const json_t *loaded, const char *dir,
                    const struct vae_case_file *file)
{
    struct vae_case_file made = *file;
    char path[512];

    made.naming = made.naming ? made.naming : "name";
    made.root = made.root ? made.root : "";
    made.dtype = made.dtype ? made.dtype : "F32";
    snprintf(path, sizeof(path), "%s/" WEIGHTS, dir);
    write_weights(json_object_get(loaded, "tensors"), path, &made);
    snprintf(path, sizeof(path), "%s/config.json", dir);
    if (made.config)
        check(json_dump_file(json_object_get(loaded, "config"), path, 0) == 0, path);
    else
        unlink(path);
}

void vae_case_for_each(const char *name, vae_case_check *check_one)
{
    static const char *const backends[] = {"ref", "cpu"};
    char *dir = vae_case_mkdir();
    json_t *loaded = vae_case_load(name), *size;
    size_t i;

    vae_case_write(loaded, dir, &(struct vae_case_file){.config = true});
    json_array_foreach(json_object_get(loaded, "sizes"), i, size)
    {
        for (int k = 0; k < 2; k++)
            check_one(name, &(struct vae_options){.path = dir, .backend = backends[k]},
                      (int)json_integer_value(json_array_get(size, 0)),
                      (int)json_integer_value(json_array_get(size, 1)));
    }
    json_decref(loaded);
    vae_case_rmdir(dir);
}

bool vae_case_shared(char path[512], const char *name)
{
    const char *shared = getenv("LATENTMILL_SHARED");

    snprintf(path, 512, "%s/data/weights/%s.safetensors", shared ? shared : "../shared",
             name);
    if (access(path, R_OK) == 0)
        return true;
    printf("%s is not there\n", path);
    return false;
}

char *vae_case_mkdir(void)
{
    const char *tmp = getenv("TMPDIR");
    char *dir = NULL;

    check(asprintf(&dir, "%s/vae-XXXXXX", tmp ? tmp : "/tmp") > 0 && mkdtemp(dir),
          "TMPDIR");
    return dir;
}

void vae_case_rmdir(char *dir)
{
    static const char *const files[] = {WEIGHTS, "config.json"};
    char path[512];

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
        unlink(path);
    }
    rmdir(dir);
    free(dir);
}
