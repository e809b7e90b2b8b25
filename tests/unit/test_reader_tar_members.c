/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_reader_tar_members.c - members that are no plain file of a sample:
 * links, what macOS leaves beside files, and caption files as editors and crashes leave
 * them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/tar_run.h"

#define HARD " is a hard link: pack the archive with tar --hard-dereference"
#define SYMBOLIC " is a symbolic link: pack the archive with tar --dereference (-h)"
#define SPARSE " is a sparse member: pack the archive without --sparse"
#define DEVICE " is a device or a pipe: pack the archive with the file in its place"
#define CONTINUED " continues another volume: pack the archive without --multi-volume"
#define MAY_BE ", as it may be the image, or name another with --image-field"

static void put_link(struct run *run, const char *name, char type)
{
    tar_put_header(&run->tar, name, strlen(name), type, 0);
}

static void a_linked_image_is_not_replaced(void **state)
{
    struct run *run = start();

    (void)state;
    put_link(run, "a.jpg", '1');
    tar_put_image(&run->tar, "a.mask.png");
    tar_put_text(&run->tar, "a.txt", "x");
    tar_put_image(&run->tar, "b.png"); /* jpg comes before it */
    put_link(run, "b.JPG", '2');
    tar_put_text(&run->tar, "b.txt", "x");
    tar_put_image(&run->tar, "c.jpg"); /* and png behind */
    put_link(run, "c.png", '2');
    tar_put_text(&run->tar, "c.txt", "x");
    put_link(run, "d.webp", '1');
    tar_put_end(&run->tar);
    finish(run, "a: linked_member: 'jpg'" HARD "\n"
                "b: linked_member: 'jpg'" SYMBOLIC "\n"
                "c: image 19, txt=x\n"
                "d: linked_member: 'webp'" HARD "\n");
    assert_int_equal(run->totals.skipped_members, 0);
    free(run);
}

/* Of no known field, and before or behind what looks like an image. */
static void a_link_that_may_be_the_image_is_not_replaced(void **state)
{
    struct run *run = start();

    (void)state;
    tar_put_pair(&run->tar, "0");
    put_link(run, "a.img", '1');
    tar_put_image(&run->tar, "a.mask");
    tar_put_text(&run->tar, "a.txt", "x");
    tar_put_image(&run->tar, "b.mask");
    put_link(run, "b.orig", '2');
    tar_put_text(&run->tar, "b.txt", "x");
    put_link(run, "c.img", '1');
    tar_put_text(&run->tar, "c.txt", "x");
    put_link(run, "d.cls", '1');
    tar_put_pair(&run->tar, "d");
    put_link(run, "e.img", '1'); /* alone: no sample */
    tar_put_image(&run->tar, "f.0");
    tar_put_image(&run->tar, "f.1");
    put_link(run, "f.2", '1');
    tar_put_end(&run->tar);
    finish(run, "0: image 19, txt=a cat\n"
                "a: linked_member: 'img'" HARD MAY_BE "\n"
                "b: linked_member: 'orig'" SYMBOLIC MAY_BE "\n"
                "c: linked_member: 'img'" HARD MAY_BE "\n"
                "d: image 19, txt=a cat\n"
                "f: no_image: 2 members look like images: name one with --image-field\n");
    assert_int_equal(run->totals.skipped_members, 6);
    assert_int_equal(run->totals.skipped[SKIP_LINK], 6);
    free(run);
}

static void with_an_image_field_its_link_alone_counts(void **state)
{
    struct run *run = start();

    (void)state;
    run->options.image_field = "left.png";
    put_link(run, "a.jpg", '1');
    tar_put_image(&run->tar, "a.left.png");
    tar_put_text(&run->tar, "a.txt", "x");
    tar_put_image(&run->tar, "b.jpg");
    put_link(run, "b.Left.png", '2');
    tar_put_text(&run->tar, "b.txt", "x");
    put_link(run, "c.jpg", '1');
    tar_put_text(&run->tar, "c.txt", "x");
    tar_put_end(&run->tar);
    finish(run, "a: image 19, txt=x\n"
                "b: linked_member: 'left.png'" SYMBOLIC "\n"
                "c: no_image: no member 'left.png'\n");
    assert_int_equal(run->totals.skipped[SKIP_LINK], 2);
    free(run);
}

static void a_linked_caption_needs_another(void **state)
{
    struct run *run = start();

    (void)state;
    tar_put_image(&run->tar, "a.jpg");
    put_link(run, "a.txt", '1');
    tar_put_image(&run->tar, "b.jpg");
    put_link(run, "b.txt", '2');
    tar_put_text(&run->tar, "b.cap", "x");
    tar_put_image(&run->tar, "c.jpg");
    put_link(run, "c.caption", '2');
    tar_put_text(&run->tar, "c.json", "{\"text\":\"x\"}");
    tar_put_image(&run->tar, "d.jpg");
    put_link(run, "d.txt", '2');
    tar_put_text(&run->tar, "d.json", "{}");
    tar_put_image(&run->tar, "e.jpg");
    put_link(run, "e.json", '1');
    tar_put_image(&run->tar, "f.jpg");
    put_link(run, "f.json", '1');
    tar_put_text(&run->tar, "f.txt", "x");
    tar_put_end(&run->tar);
    finish(run, "a: linked_member: 'txt'" HARD "\n"
                "b: image 19, cap=x\n"
                "c: image 19, json.text=x, metadata 12\n"
                "d: linked_member: 'txt'" SYMBOLIC "\n"
                "e: linked_member: 'json'" HARD "\n"
                "f: image 19, txt=x\n");
    assert_int_equal(run->totals.skipped_members, 0);
    assert_int_equal(run->totals.dropped_captions, 2);
    assert_int_equal(run->totals.dropped_metadata, 1);
    free(run);
}

static void other_members_without_a_file_are_not_replaced(void **state)
{
    struct run *run = start();

    (void)state;
    tar_put_member(&run->tar, "a.orig.jpg", 'S', "\xFF\xD8\xFF", 3);
    tar_put_image(&run->tar, "a.mask.png");
    tar_put_text(&run->tar, "a.txt", "x");
    tar_put_image(&run->tar, "b.mask.png");
    tar_put_pax(&run->tar, "GNU.sparse.name", "b.orig.jpg");
    tar_put_text(&run->tar, "GNUSparseFile.0/b.orig.jpg", "1\n0\n1\nx");
    tar_put_text(&run->tar, "b.txt", "x");
    put_link(run, "c.jpg", '6');
    tar_put_image(&run->tar, "c.mask.png");
    tar_put_text(&run->tar, "c.txt", "x");
    tar_put_image(&run->tar, "d.mask.png");
    put_link(run, "d.orig.jpg", '3');
    tar_put_text(&run->tar, "d.txt", "x");
    tar_put_image(&run->tar, "e.jpg");
    put_link(run, "e.txt", '4');
    tar_put_image(&run->tar, "f.jpg");
    put_link(run, "f.txt", '6');
    tar_put_text(&run->tar, "f.cap", "x");
    tar_put_image(&run->tar, "g.jpg");
    tar_put_member(&run->tar, "g.npy", 'S', "x", 1);
    put_link(run, "g.sock", '6');
    tar_put_text(&run->tar, "g.txt", "x");
    tar_put_end(&run->tar);
    finish(run, "a: unsupported_format: 'orig.jpg'" SPARSE MAY_BE "\n"
                "b: unsupported_format: 'orig.jpg'" SPARSE MAY_BE "\n"
                "c: unsupported_format: 'jpg'" DEVICE "\n"
                "d: unsupported_format: 'orig.jpg'" DEVICE MAY_BE "\n"
                "e: unsupported_format: 'txt'" DEVICE "\n"
                "f: image 19, cap=x\n"
                "g: image 19, txt=x\n");
    assert_int_equal(run->totals.skipped[SKIP_SPECIAL], 2);
    assert_int_equal(run->totals.dropped_captions, 1);
    free(run);
}

/* POSIX: a type that is not known is read as a regular file. */
static void unknown_types_are_files(void **state)
{
    struct run *run = start();

    (void)state;
    tar_put_member(&run->tar, "a.jpg", 'Z', "\xFF\xD8\xFF\xE0 real", 9);
    tar_put_image(&run->tar, "a.mask.png");
    tar_put_member(&run->tar, "a.txt", '8', "x", 1);
    tar_put_member(&run->tar, "label.jpg", 'V', "", 0);
    tar_put_member(&run->tar, "folder.jpg", 'D', "Ya.jpg\0", 8);
    tar_put_end(&run->tar);
    finish(run, "a: image 9, txt=x\n");
    assert_int_equal(run->totals.skipped[SKIP_SPECIAL], 2);
    free(run);
}

/* The volume before it has the file's first half: GNU's own form and pax. */
static void what_continues_a_volume_is_not_replaced(void **state)
{
    static const char volume[] = "34 GNU.volume.filename=b.orig.jpg\n"
                                 "24 GNU.volume.size=2856\n";
    struct run *run = start();

    (void)state;
    tar_put_member(&run->tar, "a.jpg", 'M', "\xFF\xD8\xFF\xE0 half", 9);
    tar_put_image(&run->tar, "a.mask.png");
    tar_put_text(&run->tar, "a.txt", "x");
    tar_put_member(&run->tar, "/tmp/GlobalHead.1", 'g', volume, sizeof(volume) - 1);
    tar_put_pax(&run->tar, "atime", "0");
    tar_put_image(&run->tar, "./GNUFileParts/b.orig.jpg.2");
    tar_put_image(&run->tar, "b.mask.png");
    tar_put_text(&run->tar, "b.txt", "x");
    tar_put_pair(&run->tar, "c");
    tar_put_end(&run->tar);
    finish(run, "a: unsupported_format: 'jpg'" CONTINUED "\n"
                "b: unsupported_format: 'orig.jpg'" CONTINUED MAY_BE "\n"
                "c: image 19, txt=a cat\n");
    assert_int_equal(run->totals.skipped[SKIP_SPECIAL], 1);
    free(run);
}

/* Behind its group as a file would be, or far before it. */
static void a_link_apart_from_its_group_is_noticed(void **state)
{
    struct run *run = start();

    (void)state;
    put_link(run, "c.orig.jpg", '1');
    put_link(run, "d.orig.jpg", '1');
    put_link(run, "e.orig.jpg", '1');
    tar_put_image(&run->tar, "a.mask.png");
    tar_put_text(&run->tar, "a.txt", "x");
    tar_put_pair(&run->tar, "b");
    put_link(run, "a.orig.jpg", '1');
    tar_put_image(&run->tar, "c.mask.png");
    tar_put_text(&run->tar, "c.txt", "x");
    tar_put_pair(&run->tar, "d");
    put_link(run, "b.fifo", '6');
    tar_put_end(&run->tar);
    finish(run, "a: image 19, txt=x\n"
                "b: image 19, txt=a cat\n"
                "a: duplicate_key: an earlier sample has this key (or a pair's files are "
                "not neighbours)\n"
                "c: linked_member: a link or device of this key, apart from it, may be "
                "the image: pack the archive with tar --sort=name --hard-dereference "
                "--dereference\n"
                "d: image 19, txt=a cat\n"
                "b: duplicate_key: an earlier sample has this key (or a pair's files are "
                "not neighbours)\n");
    assert_int_equal(run->totals.skipped[SKIP_LINK], 3);
    free(run);
}

/* What bsdtar writes for a file with extended attributes. */
static void put_attributes(struct made_tar *t, const char *name)
{
    static const char records[] = "48 LIBARCHIVE.xattr.com.apple.quarantine=MDA4MQ\n"
                                  "33 SCHILY.xattr.com.apple.a=\0=\nb\n";

    tar_put_member(t, name, 'x', records, sizeof(records) - 1);
}

static void what_macos_leaves_is_skipped(void **state)
{
    static const char twin[] = "\0\5\26\7\0\2\0\0Mac OS X        ";
    struct run *run = start();

    (void)state;
    tar_put_member(&run->tar, "._.", '0', twin, sizeof(twin));
    tar_put_member(&run->tar, "p/._0001.jpg", '0', twin, sizeof(twin));
    put_attributes(&run->tar, "p/PaxHeader/0001.jpg");
    tar_put_image(&run->tar, "p/0001.jpg");
    tar_put_text(&run->tar, "p/.DS_Store", "Bud1");
    tar_put_member(&run->tar, "p/._0001.txt", '0', twin, sizeof(twin));
    put_attributes(&run->tar, "p/PaxHeader/0001.txt");
    tar_put_text(&run->tar, "p/0001.txt", "x");
    tar_put_text(&run->tar, ".DS_Store", "Bud1");
    tar_put_text(&run->tar, "__MACOSX/p/0002.jpg", "");
    tar_put_text(&run->tar, "./__MACOSX/p/0002.txt", "");
    tar_put_image(&run->tar, "p/._c/0003.jpg"); /* a folder may be called so */
    tar_put_text(&run->tar, "p/._c/0003.txt", "x");
    tar_put_image(&run->tar, "p/_.DS_Store.jpg");
    tar_put_text(&run->tar, "p/_.DS_Store.txt", "x");
    tar_put_end(&run->tar);
    finish(run, "p/0001: image 19, txt=x\n"
                "p/._c/0003: image 19, txt=x\n"
                "p/_: no_caption: no txt, caption or cap, and none in a json\n");
    assert_int_equal(run->totals.skipped_members, 7);
    assert_int_equal(run->totals.skipped[SKIP_MACOS], 7);
    free(run);
}

static void skipped_members_are_counted_by_kind(void **state)
{
    static const uint64_t expected[N_SKIP_KINDS] = {
        [SKIP_FOLDER] = 1,  [SKIP_SPECIAL] = 3, [SKIP_MACOS] = 1,
        [SKIP_PRIVATE] = 1, [SKIP_NO_KEY] = 1,  [SKIP_LINK] = 2};
    struct run *run = start();

    (void)state;
    tar_put_image(&run->tar, "k.jpg");
    tar_put_header(&run->tar, "k.d", 3, '5', 0);
    tar_put_header(&run->tar, "k.c", 3, '3', 0);
    tar_put_header(&run->tar, "k.b", 3, '4', 0);
    tar_put_header(&run->tar, "k.p", 3, '6', 0);
    tar_put_text(&run->tar, "._k.jpg", "");
    tar_put_text(&run->tar, "__m__/k.jpg", "");
    tar_put_text(&run->tar, "README", "");
    put_link(run, "LICENSE", '2');
    put_link(run, "k.cls", '2');
    tar_put_text(&run->tar, "k.txt", "x");
    tar_put_end(&run->tar);
    finish(run, "k: image 19, txt=x\n");
    assert_int_equal(run->totals.skipped_members, 9);
    assert_memory_equal(run->totals.skipped, expected, sizeof(expected));
    assert_string_equal(skip_name(SKIP_MACOS), "macos");
    assert_string_equal(skip_name(SKIP_NOT), "none");
    free(run);
}

static void put_caption(struct run *run, const char *key, const char *bytes, size_t len)
{
    char name[32];

    snprintf(name, sizeof(name), "%s.jpg", key);
    tar_put_image(&run->tar, name);
    snprintf(name, sizeof(name), "%s.txt", key);
    tar_put_member(&run->tar, name, '0', bytes, len);
}

#define PUT_CAPTION(run, key, text) put_caption(run, key, text, sizeof(text) - 1)

static void marks_and_newlines_are_no_caption(void **state)
{
    struct run *run = start();

    (void)state;
    PUT_CAPTION(run, "a",
                "\xEF\xBB\xBF"
                "a cat");
    PUT_CAPTION(run, "b",
                "\xEF\xBB\xBF\xEF\xBB\xBF"
                " a cat \r\n\r\n\n\r");
    PUT_CAPTION(run, "c", "a cat\n \n");
    PUT_CAPTION(run, "d", "a\xEF\xBB\xBF");
    PUT_CAPTION(run, "e", "\xEF\xBB\xBF\r\n");
    PUT_CAPTION(run, "f", "\xEF\xBB\xBF");
    tar_put_text(&run->tar, "f.caption",
                 "\xEF\xBB\xBF"
                 "twice");
    tar_put_text(&run->tar, "f.cap", "twice\n");
    tar_put_text(&run->tar, "f.json",
                 "\xEF\xBB\xBF{\"captions\":[\"\xEF\xBB\xBF"
                 "twice\",\"\\ufeff"
                 "b\\n\",\"\\ufeff\"]}");
    tar_put_end(&run->tar);
    finish(run, "a: image 19, txt=a cat\n"
                "b: image 19, txt= a cat \n"
                "c: image 19, txt=a cat\n \n"
                "d: image 19, txt=a\xEF\xBB\xBF\n"
                "e: empty_caption: nothing but white space\n"
                "f: image 19, caption=twice, json.captions[1]=b\n"
                ", metadata 49\n");
    assert_int_equal(run->totals.dropped_captions, 0);
    free(run);
}

static void nul_is_no_text(void **state)
{
    struct run *run = start();

    (void)state;
    PUT_CAPTION(run, "a", "\0\0\0\0\0\0\0\0");
    PUT_CAPTION(run, "b", "a cat\0\n");
    tar_put_text(&run->tar, "b.cap", "x");
    PUT_CAPTION(run, "c", "a\0 \0c\0a\0t\0\n\0");
    PUT_CAPTION(run, "d", "\0a\0 \0c\0a\0t");
    PUT_CAPTION(run, "e",
                "\xFF\xFE"
                "a\0 \0c\0a\0t\0");
    PUT_CAPTION(run, "f", "\xFE\xFF\x4E\x00");
    PUT_CAPTION(run, "g", "\xE9t\xE9");
    PUT_CAPTION(run, "h", "\0");
    tar_put_text(&run->tar, "h.cap", "\xE9t\xE9");
    tar_put_image(&run->tar, "i.jpg"); /* a JSON string may have one */
    tar_put_text(&run->tar, "i.json", "{\"text\":\"a\\u0000b\"}");
    tar_put_image(&run->tar, "j.jpg"); /* PowerShell's > writes UTF-16 */
    tar_put_member(&run->tar, "j.json", '0', "\xFF\xFE{\0}\0", 6);
    tar_put_end(&run->tar);
    finish(run, "a: caption_has_nul: no caption is free of NUL bytes\n"
                "b: image 19, cap=x\n"
                "c: caption_has_nul: no caption is free of NUL bytes (UTF-16?)\n"
                "d: caption_has_nul: no caption is free of NUL bytes (UTF-16?)\n"
                "e: caption_not_utf8: no caption is valid UTF-8 (UTF-16?)\n"
                "f: caption_not_utf8: no caption is valid UTF-8 (UTF-16?)\n"
                "g: caption_not_utf8: no caption is valid UTF-8\n"
                "h: caption_not_utf8: no caption is valid UTF-8\n"
                "i: image 19, json.text=a, metadata 19\n"
                "j: bad_metadata: the caption must come from the json, which does not "
                "parse (UTF-16?)\n");
    assert_int_equal(run->totals.dropped_captions, 1);
    free(run);
}

static void blank_is_unicode_white_space(void **state)
{
    struct run *run = start();

    (void)state;
    PUT_CAPTION(run, "a", "\xC2\xA0\xE3\x80\x80\xE2\x80\xA8\n");
    PUT_CAPTION(run, "b", "\xE2\x80\x8B"); /* zero width, but no White_Space */
    tar_put_end(&run->tar);
    finish(run, "a: empty_caption: nothing but white space\n"
                "b: image 19, txt=\xE2\x80\x8B\n");
    free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_linked_image_is_not_replaced),
        cmocka_unit_test(a_link_that_may_be_the_image_is_not_replaced),
        cmocka_unit_test(with_an_image_field_its_link_alone_counts),
        cmocka_unit_test(a_linked_caption_needs_another),
        cmocka_unit_test(other_members_without_a_file_are_not_replaced),
        cmocka_unit_test(unknown_types_are_files),
        cmocka_unit_test(what_continues_a_volume_is_not_replaced),
        cmocka_unit_test(a_link_apart_from_its_group_is_noticed),
        cmocka_unit_test(what_macos_leaves_is_skipped),
        cmocka_unit_test(skipped_members_are_counted_by_kind),
        cmocka_unit_test(marks_and_newlines_are_no_caption),
        cmocka_unit_test(nul_is_no_text),
        cmocka_unit_test(blank_is_unicode_white_space),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
