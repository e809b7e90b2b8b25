/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_sample.c - samples of n texts and m images: what is kept of them and
 * given back, and the records that they become. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ingest/status.h"
#include "shard/draw.h"
#include "shard/status.h"
#include "shard/tokenizer/tokenizer.h"
#include "tools/cli/text_options.h"
#include "tools/prepare/job.h"
#include "tools/prepare/sample.h"
#include "tools/prepare/sample_record.h"
#include "tools/prepare/sample_texts.h"

enum { TENSOR_BYTES = 12 };

static const struct sample_room room = {1, 2, 2 * TENSOR_BYTES, 0, 0};

static void set_text(struct sample *s, size_t part, size_t n)
{
    struct ingest_part *text = &s->in.parts[part];

    text->alternatives = calloc(n, sizeof(*text->alternatives));
    assert_non_null(text->alternatives);
    text->n_alternatives = n;
    for (size_t i = 0; i < n; i++) {
        char words[] = "0.0";

        words[0] = (char)('0' + part);
        words[2] = (char)('0' + i);
        text->alternatives[i] = (struct ingest_alternative){
            .name = strdup("txt"), .text = strdup(words), .text_len = 3};
    }
}

/* As `encode` does it: ids of all texts, a rendition and two tensors of all images. */
static void make(struct sample *s)
{
    assert_int_equal(sample_make_room(s, &room), 0);
    for (uint32_t i = 0; i < s->in.n_parts; i++) {
        const size_t n = s->in.parts[i].n_alternatives;
        struct sample_part *made = &s->parts[i];

        if (s->in.parts[i].kind == INGEST_TEXT) {
            made->ids = calloc(n, sizeof(*made->ids));
            made->n_ids = calloc(n, sizeof(*made->n_ids));
            for (size_t k = 0; k < n; k++) {
                made->ids[k] = calloc(1, sizeof(uint32_t));
                made->ids[k][0] = 10 * i + (uint32_t)k;
                made->n_ids[k] = 1;
            }
            continue;
        }
        made->width = 100 + i;
        s->renditions[s->n_renditions++] = (struct shard_rendition){.part = i};
        for (uint32_t slot = 0; slot < 2; slot++) {
            const struct shard_tensor t = {.part = i,
                                           .owner = (uint32_t)s->n_renditions - 1,
                                           .slot = slot,
                                           .n_bytes = TENSOR_BYTES};

            memset(sample_add_tensor(s, &t), (int)(2 * i + slot), TENSOR_BYTES);
        }
    }
}

/* 't' is a text of two alternatives, 'i' an image. */
static void fill(struct sample *s, const char *kinds)
{
    const size_t n = strlen(kinds);

    s->in.key = strdup("k");
    s->in.index = 7;
    assert_int_equal(ingest_sample_set_parts(&s->in, n), INGEST_OK);
    for (size_t i = 0; i < n; i++) {
        s->in.parts[i].kind = kinds[i] == 'i' ? INGEST_IMAGE : INGEST_TEXT;
        if (kinds[i] == 't')
            set_text(s, i, 2);
        else
            s->in.parts[i].image = malloc(1);
    }
    make(s);
}

static void check_record(const struct sample *s, const char *kinds)
{
    struct text_options text = {.seed = 5, .caption_first = 0};
    struct sample_record sr;
    const struct shard_record *rec = &sr.record;
    const bool pair = strcmp(kinds, "ti") == 0 || strcmp(kinds, "it") == 0;
    size_t tensor = 0;

    assert_int_equal(sample_record_build(&sr, "n", &text, s), 0);
    assert_int_equal(rec->n_parts, strlen(kinds));
    for (uint32_t i = 0; i < rec->n_parts; i++) {
        const struct shard_part *part = &rec->parts[i];

        if (kinds[i] == 't') {
            assert_int_equal(part->kind, SHARD_PART_TEXT);
            assert_int_equal(part->n_alternatives, 2);
            assert_int_equal(part->alternatives[1].text[0], '0' + (int)i);
            assert_int_equal(part->alternatives[1].ids[0], 10 * i + 1);
            continue;
        }
        assert_int_equal(part->kind, SHARD_PART_IMAGE);
        assert_int_equal(part->width, 100 + i);
        for (uint32_t slot = 0; slot < 2; slot++, tensor++) {
            const struct shard_tensor *t = &rec->tensors[tensor];

            assert_int_equal(rec->renditions[t->owner].part, i);
            assert_int_equal(((const char *)t->data)[TENSOR_BYTES - 1], 2 * i + slot);
        }
    }
    assert_int_equal(rec->n_tensors, tensor);
    assert_int_equal(rec->order, pair ? SHARD_IMAGE_FIRST : SHARD_CAPTION_FIRST);
    assert_int_equal(rec->caption_drawn,
                     strchr(kinds, 't') ? shard_draw_caption(0, "n", "k", 0, 5, 2) : 0);
    sample_record_free(&sr);
}

/* One after the other in the same memory, as in the conveyor. */
static void any_number_of_texts_and_images(void **state)
{
    static const char *const kinds[] = {"ti", "t", "iitt", "it", "tititi", "i", "tt"};
    struct sample *s = sample_new(&room, NULL);

    (void)state;
    assert_non_null(s);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        fill(s, kinds[i]);
        check_record(s, kinds[i]);
        sample_clear(s);
        assert_null(s->in.parts);
        assert_null(s->tensors);
        assert_int_equal(s->tensor_memory.used, 0);
    }
    sample_free(s);
}

/* Batches end in any order; a row has an order of its own. */
static void tensors_stand_in_a_rows_order(void **state)
{
    static const uint32_t added[][2] = {
        {1, 1}, {0, 1}, {1, 0}, {0, 0}}; /* encoder, part */
    struct sample *s = sample_new(&room, NULL);

    (void)state;
    assert_non_null(s);
    s->in.key = strdup("k");
    assert_int_equal(ingest_sample_set_parts(&s->in, 2), INGEST_OK);
    s->in.parts[0].kind = s->in.parts[1].kind = INGEST_IMAGE;
    assert_int_equal(sample_make_room(s, &room), 0);
    for (size_t i = 0; i < 4; i++) {
        const struct shard_tensor t = {.encoder = added[i][0],
                                       .part = added[i][1],
                                       .owner = added[i][1],
                                       .n_bytes = TENSOR_BYTES};

        memset(sample_add_tensor(s, &t), (int)(2 * t.encoder + t.part), TENSOR_BYTES);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(s->tensors[i].encoder, i / 2);
        assert_int_equal(s->tensors[i].part, i % 2);
        assert_int_equal(((const char *)s->tensors[i].data)[TENSOR_BYTES - 1], i);
    }
    sample_free(s);
}

/* One image's tensors need no memory but that of the start. */
static void memory_stays(void **state)
{
    struct sample *s = sample_new(&room, NULL);
    const void *memory = s->tensor_memory.bytes;

    (void)state;
    assert_non_null(memory);
    for (int i = 0; i < 3; i++) {
        fill(s, "ti");
        assert_ptr_equal(s->tensors[0].data, memory);
        assert_ptr_equal(s->tensor_memory.bytes, memory);
        sample_clear(s);
        assert_int_equal(s->tensor_memory.cap, room.tensor_bytes);
    }
    sample_free(s);
    sample_free(NULL);
}

/* More images have more, which goes with them. */
static void memory_of_many_images_goes(void **state)
{
    struct sample *s = sample_new(&room, NULL);

    (void)state;
    assert_non_null(s);
    fill(s, "iii");
    assert_int_equal(s->tensor_memory.cap, 3 * room.tensor_bytes);
    sample_clear(s);
    assert_true(s->tensor_memory.cap <= room.tensor_bytes);
    fill(s, "ti");
    assert_int_equal(s->tensor_memory.cap, room.tensor_bytes);
    sample_clear(s);
    assert_int_equal(s->tensor_memory.cap, room.tensor_bytes);
    sample_free(s);
}

/* Lent memory has one image's pixels; those of more are elsewhere, as long as it needs
 * them. */
static void pixels_stand_in_memory_that_is_lent(void **state)
{
    enum { PIXELS = 48 };
    const struct sample_room with_pixels = {.n_renditions = 1, .pixel_bytes = PIXELS};
    unsigned char lent[PIXELS];
    struct sample *s = sample_new(&with_pixels, lent);

    (void)state;
    assert_non_null(s);
    for (size_t n = 1; n <= 4; n++) {
        s->in.key = strdup("k");
        assert_int_equal(ingest_sample_set_parts(&s->in, n % 3 + 1), INGEST_OK);
        for (size_t i = 0; i < s->in.n_parts; i++)
            s->in.parts[i].kind = INGEST_IMAGE;
        assert_int_equal(sample_make_room(s, &with_pixels), 0);
        for (size_t i = 0; i < s->in.n_parts; i++) {
            uint8_t *pixels = sample_add_pixels(s, PIXELS);

            memset(pixels, 1, PIXELS);
            assert_int_equal(pixels == lent, s->in.n_parts == 1);
        }
        sample_clear(s);
        assert_ptr_equal(s->pixel_memory.bytes, lent);
    }
    sample_free(s);
}

/* Longer than SentencePiece takes: nothing else ends. */
static void a_text_that_is_too_long_is_rejected(void **state)
{
    const size_t len = ((size_t)1 << 28) + 1;
    struct sample *s = sample_new(&room, NULL);
    struct tokenizer *tokenizer;
    struct job job;
    size_t model_len;
    const void *model = tokenizer_builtin(&model_len);

    (void)state;
    assert_int_equal(tokenizer_open(&tokenizer, model, model_len, "m", NULL), SHARD_OK);
    assert_int_equal(job_init(&job, 1 << 20), 0);
    job.tokenizer = tokenizer;
    struct tokenizer_worker *worker = tokenizer_worker_new(tokenizer);
    assert_int_equal(ingest_sample_set_parts(&s->in, 1), INGEST_OK);
    s->in.parts[0].kind = INGEST_TEXT;
    set_text(s, 0, 1);
    free(s->in.parts[0].alternatives[0].text);
    s->in.parts[0].alternatives[0].text = calloc(len, 1); /* pages that are never made */
    s->in.parts[0].alternatives[0].text_len = len;
    assert_int_equal(sample_make_room(s, &room), 0);
    assert_int_equal(sample_tokenize(s, &job, worker), 0);
    assert_int_equal(s->in.reject.reason, REJECT_NOT_TOKENIZED);
    assert_string_equal(s->in.reject.detail, "txt: it is longer than 256 MiB");
    sample_free(s);
    tokenizer_worker_free(worker);
    job_free(&job);
    tokenizer_close(tokenizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_texts_and_images),
        cmocka_unit_test(tensors_stand_in_a_rows_order),
        cmocka_unit_test(memory_stays),
        cmocka_unit_test(pixels_stand_in_memory_that_is_lent),
        cmocka_unit_test(memory_of_many_images_goes),
        cmocka_unit_test(a_text_that_is_too_long_is_rejected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
