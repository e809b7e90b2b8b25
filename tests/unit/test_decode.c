/* SPDX-License-Identifier: Apache-2.0
 * What the image decoders' fronts read: EXIF, profiles in pieces, limits, bad targets.
 * Pixels are compared with Pillow's in tests/python. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jpeglib.h>

#include "ingest/image/decode.h"
#include "ingest/image/exif.h"
#include "ingest/image/header_format.h"
#include "ingest/status.h"
#include "tests/unit/decode_image.h"

struct bytes {
    uint8_t *at;
    size_t len;
};

static void put(struct bytes *b, const void *data, size_t len)
{
    b->at = realloc(b->at, b->len + len);
    assert_non_null(b->at);
    memcpy(b->at + b->len, data, len);
    b->len += len;
}

/* A JPEG of any size; free its bytes. */
static struct bytes make_jpeg_of(unsigned width, unsigned height, bool progressive)
{
    struct jpeg_compress_struct cinfo;
    struct jpeg_error_mgr errors;
    unsigned char *out = NULL;
    unsigned long len = 0;
    static uint8_t row[1024 * 3];

    cinfo.err = jpeg_std_error(&errors);
    jpeg_create_compress(&cinfo);
    jpeg_mem_dest(&cinfo, &out, &len);
    cinfo.image_width = width;
    cinfo.image_height = height;
    cinfo.input_components = 3;
    cinfo.in_color_space = JCS_RGB;
    jpeg_set_defaults(&cinfo);
    if (progressive)
        jpeg_simple_progression(&cinfo);
    jpeg_start_compress(&cinfo, TRUE);
    for (unsigned y = 0; y < height; y++) {
        JSAMPROW rows = row;
        for (unsigned i = 0; i < width * 3; i++)
            row[i] = (uint8_t)(i * 5 + y * 11);
        jpeg_write_scanlines(&cinfo, &rows, 1);
    }
    jpeg_finish_compress(&cinfo);
    jpeg_destroy_compress(&cinfo);
    return (struct bytes){out, len};
}

/* Of 40 x 24 pixels. */
static struct bytes make_jpeg(bool progressive)
{
    return make_jpeg_of(40, 24, progressive);
}

static enum reject_reason decode(const struct bytes *b, struct decoded *out)
{
    const struct decode_options options = {.icc = ICC_SRGB};
    static uint8_t rgb[8 * 8 * 3];
    struct image_target target = {.width = 8, .height = 8, .rgb = rgb};
    struct image_decoder *d;

    assert_int_equal(image_decoder_open(&d, &options), INGEST_OK);
    assert_int_equal(decode_image(d, b->at, b->len, &target, out), INGEST_OK);
    image_decoder_close(d);
    return out->reject.reason;
}

/* One IFD with one entry. */
static void put_exif(struct bytes *b, bool big, unsigned type, unsigned count,
                     unsigned value)
{
    uint8_t t[26] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01};

    t[12] = (uint8_t)type;
    t[14] = (uint8_t)count;
    t[18] = (uint8_t)value;
    if (big) {
        const uint8_t head[] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0};
        memset(t, 0, sizeof(t));
        memcpy(t, head, sizeof(head));
        t[13] = (uint8_t)type;
        t[17] = (uint8_t)count;
        t[type == 3 ? 19 : 21] = (uint8_t)value;
    }
    put(b, t, sizeof(t));
}

static int orientation(bool big, unsigned type, unsigned count, unsigned value)
{
    struct bytes b = {0};

    put_exif(&b, big, type, count, value);
    int o = exif_orientation(b.at, b.len);
    free(b.at);
    return o;
}

static void exif_orientation_is_read(void **state)
{
    (void)state;
    for (unsigned o = 1; o <= 8; o++) {
        assert_int_equal(orientation(false, 3, 1, o), o);
        assert_int_equal(orientation(true, 3, 1, o), o);
        assert_int_equal(orientation(false, 4, 1, o), o);
        assert_int_equal(orientation(true, 4, 1, o), o);
    }
    assert_int_equal(orientation(false, 3, 1, 0), 1);
    assert_int_equal(orientation(false, 3, 1, 9), 1);
    assert_int_equal(orientation(true, 3, 2, 6), 6);
    assert_int_equal(orientation(true, 3, 3, 6), 1);
    assert_int_equal(orientation(true, 4, 2, 6), 1);
    assert_int_equal(orientation(true, 2, 1, 6), 1);
}

static void damaged_exif_is_orientation_1(void **state)
{
    (void)state;
    struct bytes b = {0};

    put_exif(&b, false, 3, 1, 6);
    for (size_t len = 0; len < b.len - 4; len++) {
        uint8_t *cut = malloc(len ? len : 1);
        assert_non_null(cut);
        memcpy(cut, b.at, len);
        assert_int_equal(exif_orientation(cut, len), len < 22 ? 1 : 6);
        free(cut);
    }
    b.at[4] = 255;
    assert_int_equal(exif_orientation(b.at, b.len), 1);
    memset(b.at + 4, 255, 4);
    assert_int_equal(exif_orientation(b.at, b.len), 1);
    free(b.at);
}

/* Puts APP2 pieces of a profile behind SOI: "number/count:text ...". */
static struct bytes jpeg_with_profile(const char *pieces)
{
    struct bytes plain = make_jpeg(false), b = {0};
    int number, count, used;
    char text[16];

    put(&b, plain.at, 2);
    for (; sscanf(pieces, "%d/%d:%15s %n", &number, &count, text, &used) == 3;
         pieces += used) {
        const uint8_t head[] = {0xFF, 0xE2, 0, (uint8_t)(16 + strlen(text))};
        const uint8_t numbers[] = {(uint8_t)number, (uint8_t)count};
        put(&b, head, sizeof(head));
        put(&b, "ICC_PROFILE", 12);
        put(&b, numbers, sizeof(numbers));
        put(&b, text, strlen(text));
    }
    put(&b, plain.at + 2, plain.len - 2);
    free(plain.at);
    return b;
}

static void expect_profile(const char *pieces, const char *expected)
{
    struct bytes b = jpeg_with_profile(pieces);
    struct image_header h;
    struct reject reject;
    struct decoded out;
    uint8_t *profile;
    size_t len;

    assert_int_equal(image_header_read(b.at, b.len, &h, &reject), REJECT_NONE);
    assert_true(h.profile_len > 0);
    assert_int_equal(jpeg_header_profile(b.at, b.len, &profile, &len), INGEST_OK);
    assert_int_equal(len, expected ? strlen(expected) : 0);
    if (expected)
        assert_memory_equal(profile, expected, len);
    else
        assert_null(profile);
    assert_int_equal(decode(&b, &out), REJECT_NONE);
    assert_true(out.broken_profile);
    free(profile);
    free(b.at);
}

static void jpeg_profile_pieces_are_joined(void **state)
{
    (void)state;
    expect_profile("1/1:whole", "whole");
    expect_profile("1/3:one 2/3:two 3/3:three", "onetwothree");
    expect_profile("3/3:three 1/3:one 2/3:two", "onetwothree");
    expect_profile("1/3:one 2/3:two", NULL);
    expect_profile("1/2:one 1/2:one", NULL);
    expect_profile("1/2:one 2/3:two", NULL);
    expect_profile("0/1:zero", NULL);
    expect_profile("2/1:two", NULL);
}

static void a_bomb_of_scans_is_corrupt(void **state)
{
    (void)state;
    struct bytes jpeg = make_jpeg(true), bomb = {0};
    struct decoded out;
    size_t scan = jpeg.len;

    assert_int_equal(decode(&jpeg, &out), REJECT_NONE);
    while (jpeg.at[scan - 2] != 0xFF || jpeg.at[scan - 1] != 0xDA)
        scan--;
    put(&bomb, jpeg.at, jpeg.len - 2);
    for (int i = 0; i < 150; i++)
        put(&bomb, jpeg.at + scan - 2, jpeg.len - scan);
    put(&bomb, "\xFF\xD9", 2);
    assert_int_equal(decode(&bomb, &out), REJECT_CORRUPT_IMAGE);
    assert_non_null(strstr(out.reject.detail, "scans"));
    free(jpeg.at);
    free(bomb.at);
}

/* Every shorter file is a typed reject or, where only the end marker is cut, a sample. */
static void a_cut_anywhere_is_told(void **state)
{
    (void)state;
    for (int progressive = 0; progressive < 2; progressive++) {
        struct bytes jpeg = make_jpeg(progressive);
        struct decoded out;
        for (size_t len = 0; len < jpeg.len; len++) {
            struct bytes cut = {malloc(len ? len : 1), len};
            assert_non_null(cut.at);
            memcpy(cut.at, jpeg.at, len);
            enum reject_reason reason = decode(&cut, &out);
            if (len < 3 && len > 0)
                assert_int_equal(reason, REJECT_UNSUPPORTED_FORMAT);
            else if (len < jpeg.len - 2)
                assert_int_equal(reason, REJECT_TRUNCATED_IMAGE);
            else
                assert_int_equal(reason, REJECT_NONE);
            free(cut.at);
        }
        free(jpeg.at);
    }
}

static size_t find_marker(const struct bytes *b, int marker, size_t from)
{
    while (b->at[from] != 0xFF || b->at[from + 1] != marker)
        from++;
    assert_true(from + 1 < b->len);
    return from;
}

/* Strange bytes before the first scan, and a strange marker before any, are no damage. */
static void warnings_of_other_things_are_no_damage(void **state)
{
    static const char strange[] = "\0\1\2";
    static const char jfif_9[] = "\xFF\xE0\0\x10JFIF\0\x09\x01\0\0\x01\0\x01\0";

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct bytes jpeg = make_jpeg(true), odd = {0};
        struct decoded out;
        size_t at = find_marker(&jpeg, 0xC4, 2);
        if (i == 2) /* between two scans */
            at = find_marker(&jpeg, 0xC4, find_marker(&jpeg, 0xDA, at));
        put(&odd, jpeg.at, at);
        put(&odd, i == 0 ? strange : jfif_9, i == 0 ? 3 : 18);
        put(&odd, jpeg.at + at, jpeg.len - at);
        assert_int_equal(decode(&odd, &out), REJECT_NONE);
        free(odd.at);
        free(jpeg.at);
    }
}

/* Damage before the cut: to keep truncated images is not to keep this one. */
static void the_first_fault_counts(void **state)
{
    (void)state;
    struct bytes jpeg = make_jpeg(false);
    struct decoded out;
    size_t scan = find_marker(&jpeg, 0xDA, 2);

    memcpy(jpeg.at + scan + 20, "\xFF\0\xFF\0\xFF\0\xFF", 8); /* no code is all ones */
    jpeg.len = scan + 40;
    assert_int_equal(decode(&jpeg, &out), REJECT_CORRUPT_IMAGE);
    free(jpeg.at);
}

static void a_large_png(struct bytes *b, uint32_t width, uint32_t height)
{
    uint8_t head[33] = "\x89PNG\r\n\x1a\n\0\0\0\x0DIHDR";

    for (int i = 0; i < 4; i++) {
        head[16 + i] = (uint8_t)(width >> (24 - 8 * i));
        head[20 + i] = (uint8_t)(height >> (24 - 8 * i));
    }
    head[24] = 8;
    head[25] = 2;
    put(b, head, sizeof(head));
}

static void limits_hold_before_any_decoding(void **state)
{
    (void)state;
    static const uint32_t sizes[][2] = {
        {65536, 1}, {1, 65536}, {65535, 65535}, {UINT32_MAX, UINT32_MAX}};
    struct image_header info;
    struct reject reject;

    for (size_t i = 0; i < 4; i++) {
        struct bytes b = {0};
        a_large_png(&b, sizes[i][0], sizes[i][1]);
        assert_int_equal(image_header_read(b.at, b.len, &info, &reject),
                         REJECT_TOO_MANY_PIXELS);
        free(b.at);
    }
    struct bytes b = {0};
    a_large_png(&b, 20000, 20000);
    assert_int_equal(image_header_read(b.at, b.len, &info, &reject), REJECT_NONE);
    assert_int_equal(info.format, IMAGE_PNG);
    assert_true(info.need >= (1 << 20) && info.need < (64 << 20));
    free(b.at);
}

static void probing_tells_the_kind(void **state)
{
    (void)state;
    struct bytes jpeg = make_jpeg(true);
    struct image_header info;
    struct reject reject;

    assert_int_equal(image_header_read(jpeg.at, jpeg.len, &info, &reject), REJECT_NONE);
    assert_int_equal(info.format, IMAGE_JPEG);
    assert_int_equal(info.width, 40);
    assert_int_equal(info.height, 24);
    assert_int_equal(info.channels, 3);
    assert_true(info.progressive);
    free(jpeg.at);
    assert_int_equal(image_header_read("GIF89a", 6, &info, &reject),
                     REJECT_UNSUPPORTED_FORMAT);
    assert_int_equal(image_header_read("", 0, &info, &reject), REJECT_TRUNCATED_IMAGE);
}

/* The file's header is not read again: pixels that are not as it was told are refused. */
static void a_header_is_read_once(void **state)
{
    const struct decode_options options = {.icc = ICC_SRGB};
    static uint8_t rgb[8 * 8 * 3];
    struct image_target target = {.width = 8, .height = 8, .rgb = rgb};
    struct bytes jpeg = make_jpeg(false);
    struct image_header header;
    struct image_decoder *d;
    struct decoded out;
    struct reject reject;

    (void)state;
    assert_int_equal(image_header_read(jpeg.at, jpeg.len, &header, &reject), REJECT_NONE);
    header.width++;
    assert_int_equal(image_decoder_open(&d, &options), INGEST_OK);
    assert_int_equal(image_decoder_run(d, jpeg.at, jpeg.len, &header, &target, 1, &out),
                     INGEST_OK);
    assert_int_equal(out.original_width, 41);
    assert_int_equal(out.reject.reason, REJECT_CORRUPT_IMAGE);
    image_decoder_close(d);
    free(jpeg.at);
}

enum { N_TOGETHER = 4, LARGEST = 48 };

/* Each of several targets is what it is alone, also where JPEGs are decoded at several
 * scales. */
static void check_together(struct image_decoder *together, struct image_decoder *alone,
                           const struct bytes *b)
{
    static const struct image_target wanted[N_TOGETHER] = {
        {.width = 3, .height = 7, .filter = RESIZE_AREA},
        {.width = 16, .height = 16, .filter = RESIZE_BICUBIC},
        {.width = LARGEST, .height = LARGEST, .filter = RESIZE_LANCZOS},
        {.width = 48, .height = 5, .filter = RESIZE_BILINEAR},
    };
    static uint8_t rgb[N_TOGETHER + 1][LARGEST * LARGEST * 3];
    struct image_target targets[N_TOGETHER], one;
    struct image_header header;
    struct decoded all, out = {0};

    if (image_header_read(b->at, b->len, &header, &out.reject) != REJECT_NONE)
        return;
    memset(rgb, 0, sizeof(rgb));
    memcpy(targets, wanted, sizeof(targets));
    for (size_t i = 0; i < N_TOGETHER; i++)
        targets[i].rgb = rgb[i];
    assert_int_equal(
        image_decoder_run(together, b->at, b->len, &header, targets, N_TOGETHER, &all),
        INGEST_OK);
    for (size_t i = 0; i < N_TOGETHER; i++) {
        one = wanted[i];
        one.rgb = rgb[N_TOGETHER];
        assert_int_equal(image_decoder_run(alone, b->at, b->len, &header, &one, 1, &out),
                         INGEST_OK);
        assert_int_equal(out.reject.reason, all.reject.reason);
        assert_int_equal(out.broken_profile, all.broken_profile);
        if (out.reject.reason != REJECT_NONE)
            continue;
        assert_memory_equal(rgb[i], one.rgb, (size_t)(one.width * one.height * 3));
        one.rgb = rgb[i];
        assert_memory_equal(&one, &targets[i], sizeof(one));
    }
}

static void check_alone(const struct bytes *b, const struct decode_options *options)
{
    struct image_decoder *together, *alone;

    assert_int_equal(image_decoder_open(&together, options), INGEST_OK);
    assert_int_equal(image_decoder_open(&alone, options), INGEST_OK);
    check_together(together, alone, b);
    image_decoder_close(together);
    image_decoder_close(alone);
}

static void targets_are_what_each_is_alone(void **state)
{
    static const char folder[] = "tests/fuzz/corpus/fuzz_decode";
    struct dirent *entry;
    size_t n = 0;
    DIR *dir = opendir(folder);

    (void)state;
    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        const struct decode_options options = {.keep_truncated = n % 3 == 0};
        static uint8_t bytes[1 << 17];
        char path[512];
        FILE *f;

        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] == '.' || !(f = fopen(path, "rb")))
            continue;
        struct bytes b = {bytes, fread(bytes, 1, sizeof(bytes), f)};
        fclose(f);
        check_alone(&b, &options);
        n++;
    }
    closedir(dir);
    assert_true(n > 20);
}

/* Of a large JPEG each looks at another part, or at another scale. */
static void jpegs_are_decoded_for_all_targets(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++)
        for (int scale = 0; scale <= 2; scale++) {
            const struct decode_options options = {.jpeg_scale = scale};
            struct bytes jpeg = kind / 2 == 0 ? make_jpeg_of(523, 300, kind % 2)
                                              : make_jpeg_of(300, 523, kind % 2);

            check_alone(&jpeg, &options);
            free(jpeg.at);
        }
}

static void impossible_targets_are_refused(void **state)
{
    static const struct image_target bad[] = {
        {.width = 0, .height = 8},
        {.width = 8, .height = -1},
        {.width = 100000, .height = 8},
        {.width = 8, .height = 8, .filter = (enum resize_filter)4},
    };
    const struct decode_options options = {.icc = ICC_SRGB},
                                negative = {.jpeg_scale = -1};
    struct image_target targets[IMAGE_MAX_TARGETS + 1] = {{.width = 8}};
    struct bytes jpeg = make_jpeg(false);
    struct image_header header;
    struct image_decoder *d;
    struct decoded out;

    (void)state;
    assert_int_equal(image_header_read(jpeg.at, jpeg.len, &header, &out.reject),
                     REJECT_NONE);
    assert_int_equal(image_decoder_open(&d, &negative), INGEST_EINVAL);
    assert_null(d);
    assert_int_equal(image_decoder_open(&d, &options), INGEST_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        targets[0] = bad[i];
        assert_int_equal(
            image_decoder_run(d, jpeg.at, jpeg.len, &header, targets, 1, &out),
            INGEST_EINVAL);
    }
    assert_int_equal(image_decoder_run(d, jpeg.at, jpeg.len, &header, targets, 0, &out),
                     INGEST_EINVAL);
    assert_int_equal(image_decoder_run(d, jpeg.at, jpeg.len, &header, targets,
                                       IMAGE_MAX_TARGETS + 1, &out),
                     INGEST_EINVAL);
    image_decoder_close(d);
    free(jpeg.at);
    image_decoder_close(NULL);
    assert_string_equal(resize_filter_name(RESIZE_AREA), "area");
    assert_string_equal(resize_filter_name((enum resize_filter)4), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exif_orientation_is_read),
        cmocka_unit_test(damaged_exif_is_orientation_1),
        cmocka_unit_test(jpeg_profile_pieces_are_joined),
        cmocka_unit_test(a_bomb_of_scans_is_corrupt),
        cmocka_unit_test(a_cut_anywhere_is_told),
        cmocka_unit_test(warnings_of_other_things_are_no_damage),
        cmocka_unit_test(the_first_fault_counts),
        cmocka_unit_test(limits_hold_before_any_decoding),
        cmocka_unit_test(probing_tells_the_kind),
        cmocka_unit_test(a_header_is_read_once),
        cmocka_unit_test(jpegs_are_decoded_for_all_targets),
        cmocka_unit_test(targets_are_what_each_is_alone),
        cmocka_unit_test(impossible_targets_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
