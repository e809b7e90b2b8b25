/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_reader_tar.c - groups, captions, metadata and rejects out of whole
 * archives. Links, odd captions and what is skipped are in test_reader_tar_members.c,
 * damage in test_reader_tar_damage.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "ingest/text/caption.h"
#include "tests/unit/tar_run.h"

#define DUPLICATE "an earlier sample has this key (or a pair's files are not neighbours)"

static void pairs_come_in_order(void **state)
{
    struct run *run = start();

    (void)state;
    tar_put_pair(&run->tar, "a/0001");
    tar_put_pair(&run->tar, "a/0002");
    tar_put_end(&run->tar);
    tar_put(&run->tar, NULL, 10240);
    finish(run, "a/0001: image 19, txt=a cat\n"
                "a/0002: image 19, txt=a cat\n");
    free(run);
}

static void fields_are_folded_to_lower_case(void **state)
{
    struct run *run = start();

    (void)state;
    tar_put_image(&run->tar, "K.JPG");
    tar_put_text(&run->tar, "K.Txt", "A Cat");
    tar_put_image(&run->tar, "k.jpg");
    tar_put_text(&run->tar, "k.jPg", "");
    tar_put_end(&run->tar);
    finish(run, "K: image 19, txt=A Cat\n"
                "k: no_caption: no txt, caption or cap, and none in a json\n"
                "k: duplicate_key: " DUPLICATE "\n");
    free(run);
}

static void skipped_members_do_not_end_a_group(void **state)
{
    struct run *run = start();

    (void)state;
    tar_put_image(&run->tar, "k.jpg");
    tar_put_text(&run->tar, "README", "no key");
    tar_put_text(&run->tar, "__meta__/a.json", "{}");
    tar_put_member(&run->tar, "a.d", '5', "", 0);
    tar_put_header(&run->tar, "l.any", 5, '2', 0);
    tar_put_header(&run->tar, "h.any", 5, '1', 77); /* a link has no body */
    tar_put_text(&run->tar, "k.txt", "a cat\n");
    tar_put_end(&run->tar);
    finish(run, "k: image 19, txt=a cat\n");
    assert_int_equal(run->totals.skipped_members, 5);
    free(run);
}

static void the_best_field_is_the_image(void **state)
{
    struct run *run = start();

    (void)state;
    tar_put_member(&run->tar, "a.webp", '0', "1", 1);
    tar_put_member(&run->tar, "a.png", '0', "12", 2);
    tar_put_member(&run->tar, "a.jpeg", '0', "123", 3);
    tar_put_member(&run->tar, "a.jpg", '0', "1234", 4);
    tar_put_image(&run->tar, "a.other");
    tar_put_text(&run->tar, "a.txt", "x");
    tar_put_member(&run->tar, "b.jpeg", '0', "123", 3);
    tar_put_image(&run->tar, "b.depth.jpg");
    tar_put_member(&run->tar, "b.png", '0', "12", 2);
    tar_put_text(&run->tar, "b.txt", "x");
    tar_put_end(&run->tar);
    finish(run, "a: image 4, txt=x\n"
                "b: image 3, txt=x\n");
    free(run);
}

static void magic_bytes_make_an_image(void **state)
{
    struct run *run = start();

    (void)state;
    tar_put_text(&run->tar, "a.cls", "7");
    tar_put_image(&run->tar, "a.img");
    tar_put_text(&run->tar, "a.txt", "x");
    tar_put_member(&run->tar, "b.0", '0', "RIFF\0\0\0\0WEBP", 12);
    tar_put_text(&run->tar, "b.txt", "x");
    tar_put_image(&run->tar, "c.0");
    tar_put_image(&run->tar, "c.1");
    tar_put_text(&run->tar, "c.txt", "x");
    tar_put_image(&run->tar, "d.0");
    tar_put_image(&run->tar, "d.1");
    tar_put_member(&run->tar, "d.png", '0', "12", 2);
    tar_put_text(&run->tar, "d.txt", "x");
    tar_put_member(&run->tar, "e.0", '0', "\xFF\xD8\xFF", 3);
    tar_put_member(&run->tar, "e.1", '0', "RIFF\0\0\0\0WAVE", 12);
    tar_put_member(&run->tar, "e.2", '0', "\x89PNG\r\n\x1A", 7);
    tar_put_member(&run->tar, "e.3", '0', "", 0);
    tar_put_text(&run->tar, "e.txt", "x");
    tar_put_end(&run->tar);
    finish(run, "a: image 19, txt=x\n"
                "b: image 12, txt=x\n"
                "c: no_image: 2 members look like images: name one with --image-field\n"
                "d: image 2, txt=x\n"
                "e: image 3, txt=x\n");
    free(run);
}

static void image_field_alone_counts(void **state)
{
    struct run *run = start();

    (void)state;
    run->options.image_field = "Left.PNG";
    tar_put_image(&run->tar, "a.jpg");
    tar_put_member(&run->tar, "a.left.png", '0', "12", 2);
    tar_put_text(&run->tar, "a.txt", "x");
    tar_put_image(&run->tar, "b.jpg");
    tar_put_image(&run->tar, "b.other");
    tar_put_text(&run->tar, "b.txt", "x");
    tar_put_end(&run->tar);
    finish(run, "a: image 2, txt=x\n"
                "b: no_image: no member 'left.png'\n");
    free(run);
}

static void captions_have_an_order(void **state)
{
    struct run *run = start();

    (void)state;
    tar_put_text(&run->tar, "a.json", "{\"captions\":[\"four\",\"two\",\"five\"]}");
    tar_put_text(&run->tar, "a.cap", "three\n\n");
    tar_put_text(&run->tar, "a.caption", "two\r\n");
    tar_put_text(&run->tar, "a.txt", "one\n");
    tar_put_image(&run->tar, "a.jpg");
    tar_put_end(&run->tar);
    finish(run, "a: image 19, txt=one, caption=two, cap=three, json.captions[0]=four, "
                "json.captions[2]=five, metadata 34\n");
    free(run);
}

static void a_sample_without_caption_is_rejected(void **state)
{
    struct run *run = start();

    (void)state;
    tar_put_image(&run->tar, "none.jpg");
    tar_put_image(&run->tar, "blank.jpg");
    tar_put_text(&run->tar, "blank.txt", " \n");
    tar_put_text(&run->tar, "blank.json", "{\"text\":\"\"}");
    tar_put_image(&run->tar, "latin1.jpg");
    tar_put_text(&run->tar, "latin1.txt", "\xE9t\xE9");
    tar_put_image(&run->tar, "json.jpg");
    tar_put_text(&run->tar, "json.json", "{\"caption\":");
    tar_put_image(&run->tar, "both.jpg");
    tar_put_text(&run->tar, "both.txt", "\n");
    tar_put_text(&run->tar, "both.json", "{");
    tar_put_text(&run->tar, "nothing.txt", "a text alone");
    tar_put_end(&run->tar);
    finish(run,
           "none: no_caption: no txt, caption or cap, and none in a json\n"
           "blank: empty_caption: nothing but white space\n"
           "latin1: caption_not_utf8: no caption is valid UTF-8\n"
           "json: bad_metadata: the caption must come from the json, which does not "
           "parse\n"
           "both: bad_metadata: the caption must come from the json, which does not "
           "parse\n"
           "nothing: no_image: no jpg, jpeg, png or webp, and nothing that looks like an "
           "image\n");
    assert_int_equal(run->totals.unparsed_metadata, 0);
    assert_int_equal(run->totals.dropped_captions, 0);
    free(run);
}

static void what_is_not_needed_is_dropped_and_counted(void **state)
{
    struct run *run = start();

    (void)state;
    run->options.max_metadata = 15;
    tar_put_image(&run->tar, "a.jpg");
    tar_put_text(&run->tar, "a.txt", "\xE9t\xE9");
    tar_put_text(&run->tar, "a.json", "{\"text\":\"long\"}"); /* 15 bytes */
    tar_put_image(&run->tar, "b.jpg");
    tar_put_text(&run->tar, "b.json", "{\"text\":\"longer\"}");
    tar_put_image(&run->tar, "c.jpg");
    tar_put_text(&run->tar, "c.txt", "x");
    tar_put_text(&run->tar, "c.json", "no JSON");
    tar_put_end(&run->tar);
    finish(run, "a: image 19, json.text=long, metadata 15\n"
                "b: image 19, json.text=longer\n"
                "c: image 19, txt=x, metadata 7\n");
    assert_int_equal(run->totals.dropped_captions, 1);
    assert_int_equal(run->totals.dropped_metadata, 1);
    assert_int_equal(run->totals.unparsed_metadata, 1);
    free(run);
}

static void metadata_can_be_left_out(void **state)
{
    struct run *run = start();

    (void)state;
    run->options.keep_metadata = false;
    run->options.max_metadata = 3;
    tar_put_image(&run->tar, "a.jpg");
    tar_put_text(&run->tar, "a.json", "{\"text\":\"x\"}");
    tar_put_end(&run->tar);
    finish(run, "a: image 19, json.text=x\n");
    assert_int_equal(run->totals.dropped_metadata, 0);
    free(run);
}

static void metadata_is_kept_byte_for_byte(void **state)
{
    static const char json[] = " {\"a\" : NaN,\n\"text\":\"\\u0041\"}\n";
    struct made_tar t = {0};
    struct reader_options options = reader_options_default();
    struct memory_input in = {.chunk = 1 << 20};
    struct ingest_source source = memory_source(&in);
    void *r;
    struct ingest_sample p;

    (void)state;
    tar_put_image(&t, "a.jpg");
    tar_put_text(&t, "a.json", json);
    tar_put_end(&t);
    in.bytes = t.bytes;
    in.len = t.len;
    assert_int_equal(reader_tar.open(&r, &source, &options), INGEST_OK);
    assert_int_equal(reader_tar.next(r, &p), INGEST_OK);
    assert_int_equal(p.metadata_len, strlen(json));
    assert_memory_equal(p.metadata, json, strlen(json));
    assert_string_equal(p.parts[0].alternatives[0].text, "A");
    ingest_sample_clear(&p);
    reader_tar.close(r);
    free(t.bytes);
}

/* KEY.jpg and a KEY.json that lists so many different captions. */
static void put_captions(struct made_tar *t, const char *key, int n)
{
    size_t cap = (size_t)n * 8 + 32;
    char *json = malloc(cap);
    char name[32];
    size_t at;

    assert_non_null(json);
    at = (size_t)snprintf(json, cap, "{\"captions\":[0");
    for (int i = 0; i < n; i++)
        at += (size_t)snprintf(json + at, cap - at, ",\"%d\"", i);
    snprintf(json + at, cap - at, "]}");
    snprintf(name, sizeof(name), "%s.jpg", key);
    tar_put_image(t, name);
    snprintf(name, sizeof(name), "%s.json", key);
    tar_put_text(t, name, json);
    free(json);
}

static void captions_are_counted(void **state)
{
    struct made_tar t = {0};
    struct reader_options options = reader_options_default();
    struct memory_input in = {.chunk = 1 << 20};
    struct ingest_source source = memory_source(&in);
    void *r;
    struct ingest_sample p;

    (void)state;
    put_captions(&t, "a", CAPTIONS_MAX);
    put_captions(&t, "b", CAPTIONS_MAX + 1);
    tar_put_end(&t);
    in.bytes = t.bytes;
    in.len = t.len;
    assert_int_equal(reader_tar.open(&r, &source, &options), INGEST_OK);
    assert_int_equal(reader_tar.next(r, &p), INGEST_OK);
    assert_int_equal(p.parts[0].n_alternatives, CAPTIONS_MAX);
    assert_string_equal(p.parts[0].alternatives[4095].name, "json.captions[4096]");
    ingest_sample_clear(&p);
    assert_int_equal(reader_tar.next(r, &p), INGEST_OK);
    assert_int_equal(p.reject.reason, REJECT_TOO_MANY_CAPTIONS);
    assert_string_equal(p.reject.detail, "4097 different captions, more than 4096");
    ingest_sample_clear(&p);
    reader_tar.close(r);
    free(t.bytes);
}

static void long_members_are_not_read(void **state)
{
    struct run *run = start();
    char *blanks = calloc(1, CAPTION_MAX_BYTES + 2);

    (void)state;
    assert_non_null(blanks);
    memset(blanks, ' ', CAPTION_MAX_BYTES + 1);
    run->options.max_member_bytes = 19;
    tar_put_image(&run->tar, "a.jpg");
    tar_put_text(&run->tar, "a.txt", "nineteen characters");
    tar_put_member(&run->tar, "b.jpg", '0', "\xFF\xD8\xFF is too long here", 20);
    tar_put_text(&run->tar, "b.txt", "x");
    tar_put_image(&run->tar, "c.jpg");
    tar_put_text(&run->tar, "c.txt", "twenty characters !!");
    tar_put_image(&run->tar, "d.jpg");
    tar_put_text(&run->tar, "d.json", blanks);
    tar_put_image(&run->tar, "e.jpg");
    tar_put_text(&run->tar, "e.txt", "x");
    tar_put_text(&run->tar, "e.json", blanks);
    tar_put_member(&run->tar, "f.any", '0', "\xFF\xD8\xFF is too long here", 20);
    tar_put_text(&run->tar, "f.txt", "x");
    tar_put_end(&run->tar);
    finish(run, "a: image 19, txt=nineteen characters\n"
                "b: too_many_bytes: the image has 20 bytes, more than 19\n"
                "c: too_many_bytes: the txt has 20 bytes, more than 19\n"
                "d: too_many_bytes: the json has 1048577 bytes, more than 1048576\n"
                "e: image 19, txt=x\n"
                "f: too_many_bytes: the image has 20 bytes, more than 19\n");
    assert_int_equal(run->totals.dropped_metadata, 1);
    free(blanks);
    free(run);
}

static void caption_files_have_a_limit_of_their_own(void **state)
{
    struct run *run = start();
    char *text = calloc(1, CAPTION_MAX_BYTES + 2);

    (void)state;
    assert_non_null(text);
    memset(text, ' ', CAPTION_MAX_BYTES);
    tar_put_image(&run->tar, "a.jpg");
    tar_put_text(&run->tar, "a.txt", text);
    text[CAPTION_MAX_BYTES] = ' ';
    tar_put_image(&run->tar, "b.jpg");
    tar_put_text(&run->tar, "b.txt", text);
    tar_put_end(&run->tar);
    finish(run, "a: empty_caption: nothing but white space\n"
                "b: too_many_bytes: the txt has 1048577 bytes, more than 1048576\n");
    free(text);
    free(run);
}

static void keys_are_unique(void **state)
{
    struct run *run = start();

    (void)state;
    tar_put_pair(&run->tar, "a");
    tar_put_pair(&run->tar, "b");
    tar_put_pair(&run->tar, "a");
    tar_put_pair(&run->tar, "b");
    tar_put_text(&run->tar, "b.txt", "again");
    tar_put_end(&run->tar);
    finish(run, "a: image 19, txt=a cat\n"
                "b: image 19, txt=a cat\n"
                "a: duplicate_key: " DUPLICATE "\n"
                "b: duplicate_key: " DUPLICATE "\n"
                "b: duplicate_key: " DUPLICATE "\n");
    free(run);
}

static void bad_keys_are_rejected(void **state)
{
    struct run *run = start();
    char name[1100];
    char expected[1500];

    (void)state;
    tar_put_image(&run->tar, "caf\xE9.jpg");
    tar_put_image(&run->tar, "a\nb.jpg");
    tar_put_pair(&run->tar, "caf\xC3\xA9");
    memset(name, 'k', sizeof(name));
    memcpy(name + 1025, ".txt", 5);
    tar_put_pax(&run->tar, "path", name);
    tar_put_text(&run->tar, "short", "x");
    tar_put_end(&run->tar);
    name[1024] = '\0';
    snprintf(expected, sizeof(expected),
             "caf\\xE9: bad_key: the key is not UTF-8\n"
             "a\\x0Ab: bad_key: the key has a control character\n"
             "caf\xC3\xA9: image 19, txt=a cat\n"
             "%s...: bad_key: the key is longer than 1024 bytes\n",
             name);
    finish(run, expected);
    free(run);
}

static void long_names_are_read(void **state)
{
    struct run *run = start();
    static const char gnu[] = "folder/from-gnu.jpg";

    (void)state;
    tar_put_pax(&run->tar, "path", "folder/from-pax.jpg");
    tar_put_image(&run->tar, "short");
    tar_put_member(&run->tar, "pax_global_header", 'g', "20 path=ignored.jpg\n", 20);
    tar_put_text(&run->tar, "folder/from-pax.txt", "x");
    tar_put_member(&run->tar, "././@LongLink", 'L', gnu, sizeof(gnu));
    tar_put_image(&run->tar, "short");
    tar_put_member(&run->tar, "././@LongLink", 'K', gnu, sizeof(gnu));
    tar_put_text(&run->tar, "folder/from-gnu.txt", "x");
    tar_put_member(&run->tar, "././@LongLink", 'L', gnu, sizeof(gnu));
    tar_put_pax(&run->tar, "path", "pax/wins.jpg");
    tar_put_image(&run->tar, "short");
    tar_put_text(&run->tar, "pax/wins.txt", "x");
    tar_put_end(&run->tar);
    finish(run, "folder/from-pax: image 19, txt=x\n"
                "folder/from-gnu: image 19, txt=x\n"
                "pax/wins: image 19, txt=x\n");
    assert_int_equal(run->totals.skipped_members, 0);
    free(run);
}

/* Two names that Unicode calls equivalent are two keys. */
static void names_are_exact_bytes(void **state)
{
    struct run *run = start();

    (void)state;
    tar_put_pax(&run->tar, "path", "e\xCC\x81.jpg");
    tar_put_image(&run->tar, "short");
    tar_put_pax(&run->tar, "path", "e\xCC\x81.txt");
    tar_put_text(&run->tar, "short", "x");
    tar_put_pax(&run->tar, "path", "\xC3\xA9.jpg");
    tar_put_image(&run->tar, "short");
    tar_put_pax(&run->tar, "path", "\xC3\xA9.txt");
    tar_put_text(&run->tar, "short", "x");
    tar_put_pax(&run->tar, "path", "\xE9.txt");
    tar_put_text(&run->tar, "short", "x");
    tar_put_end(&run->tar);
    finish(run, "e\xCC\x81: image 19, txt=x\n"
                "\xC3\xA9: image 19, txt=x\n"
                "\\xE9: bad_key: the key is not UTF-8\n");
    free(run);
}

static void a_pax_size_counts(void **state)
{
    struct run *run = start();

    (void)state;
    tar_put_image(&run->tar, "a.jpg");
    tar_put_pax(&run->tar, "size", "1");
    tar_put_header(&run->tar, "a.txt", 5, '0', 0);
    tar_put_body(&run->tar, "x", 1);
    tar_put_end(&run->tar);
    finish(run, "a: image 19, txt=x\n");
    free(run);
}

static void sparse_members_are_refused(void **state)
{
    struct run *run = start();
    unsigned char more[512] = {0};

    (void)state;
    tar_put_member(&run->tar, "a.jpg", 'S', "\xFF\xD8\xFF", 3);
    tar_put_text(&run->tar, "a.txt", "x");
    tar_put_pax(&run->tar, "GNU.sparse.name", "b.txt");
    tar_put_text(&run->tar, "GNUSparseFile.0/b.txt", "1\n0\n1\nx");
    tar_put_image(&run->tar, "b.jpg");
    tar_put_header(&run->tar, "c.jpg", 5, 'S', 3);
    run->tar.bytes[run->tar.len - 512 + 482] = 1;
    tar_set_checksum(run->tar.bytes + run->tar.len - 512);
    more[504] = 1;
    tar_put(&run->tar, more, sizeof(more));
    tar_put(&run->tar, NULL, sizeof(more));
    tar_put_body(&run->tar, "\xFF\xD8\xFF", 3);
    tar_put_pair(&run->tar, "d");
    tar_put_end(&run->tar);
    finish(run, "a: unsupported_format: 'jpg' is a sparse member: pack the archive "
                "without --sparse\n"
                "b: unsupported_format: 'txt' is a sparse member: pack the archive "
                "without --sparse\n"
                "c: unsupported_format: 'jpg' is a sparse member: pack the archive "
                "without --sparse\n"
                "d: image 19, txt=a cat\n");
    free(run);
}

static void a_limit_stops_early(void **state)
{
    struct run *run = start();

    (void)state;
    run->options.limit = 2;
    tar_put_pair(&run->tar, "a");
    tar_put_image(&run->tar, "b.jpg");
    tar_put_pair(&run->tar, "c");
    tar_put(&run->tar, "what follows is not looked at", 29);
    finish(run, "a: image 19, txt=a cat\n"
                "b: no_caption: no txt, caption or cap, and none in a json\n");
    free(run);
}

static void options_are_checked(void **state)
{
    static const char *const bad[] = {"", ".jpg", "a/b", "\xff"};
    struct reader_options options = reader_options_default();
    struct memory_input in = {.chunk = 1};
    struct ingest_source source = memory_source(&in);
    void *r;
    struct ingest_sample p;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        options.image_field = bad[i];
        assert_int_equal(reader_tar.open(&r, &source, &options), INGEST_EINVAL);
        assert_non_null(strstr(reader_tar.why(r), "image field '"));
        assert_int_equal(reader_tar.next(r, &p), INGEST_EINVAL);
        reader_tar.close(r);
    }
    assert_string_equal(reader_tar.why(NULL), "out of memory");
    reader_tar.close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_come_in_order),
        cmocka_unit_test(fields_are_folded_to_lower_case),
        cmocka_unit_test(skipped_members_do_not_end_a_group),
        cmocka_unit_test(the_best_field_is_the_image),
        cmocka_unit_test(magic_bytes_make_an_image),
        cmocka_unit_test(image_field_alone_counts),
        cmocka_unit_test(captions_have_an_order),
        cmocka_unit_test(a_sample_without_caption_is_rejected),
        cmocka_unit_test(what_is_not_needed_is_dropped_and_counted),
        cmocka_unit_test(metadata_can_be_left_out),
        cmocka_unit_test(metadata_is_kept_byte_for_byte),
        cmocka_unit_test(captions_are_counted),
        cmocka_unit_test(long_members_are_not_read),
        cmocka_unit_test(caption_files_have_a_limit_of_their_own),
        cmocka_unit_test(keys_are_unique),
        cmocka_unit_test(bad_keys_are_rejected),
        cmocka_unit_test(long_names_are_read),
        cmocka_unit_test(names_are_exact_bytes),
        cmocka_unit_test(a_pax_size_counts),
        cmocka_unit_test(sparse_members_are_refused),
        cmocka_unit_test(a_limit_stops_early),
        cmocka_unit_test(options_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
