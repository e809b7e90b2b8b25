/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_shard_columns.c - a column of large tensors is added to the blocks of a
 * shard and another one dropped: the frames of the third are copied byte for byte, and
 * one tensor more costs the unpacking of one frame. */
#include "tests/unit/sample_shards.h"

#include <fcntl.h>

#include "shard/file/block_read.h"
#include "shard/file/file_map.h"

enum {
    ROWS = 64,
    N = 2 * ROWS + 5,
    N_WIDE = 8,  /* different tensors of: */
    SIDE = 1024, /* 2 MiB */
    WIDE = 2 * SIDE * SIDE,
    VALUES = 2048 /* 4 KiB: 64 records with two of them are a block */
};

static uint16_t *wide[N_WIDE];
static char folder[256], before[300], after[300];

/* Encoders {features, small} before, {small, wide} after. */
static struct shard_header header_of(bool is_after)
{
    static struct shard_encoder encoders[2][2];
    struct shard_header h = *sample_header();

    encoders[0][0] = encoders[1][1] = h.encoders[SAMPLE_FEATURES];
    encoders[0][0].n_features = encoders[1][1].n_features = 0; /* of any dims */
    encoders[0][1] = encoders[1][0] = h.encoders[SAMPLE_SMALL];
    encoders[1][1].name = "wide";
    h.encoders = encoders[is_after];
    h.n_encoders = 2;
    return h;
}

/* A pair with both renditions and all three tensors. */
struct pair {
    struct shard_record rec;
    char key[32];
    uint32_t ids[3];
    struct shard_alternative caption;
    struct shard_part parts[2];
    struct shard_rendition renditions[2];
    struct shard_tensor tensors[2];
    uint16_t features[VALUES], latent[VALUES];
};

static void fill_values(uint16_t *values, size_t n, uint64_t state)
{
    for (size_t i = 0; i < n; i++) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
        values[i] = (uint16_t)(state >> 40) & 0xBBFF;
    }
}

static const struct shard_rendition padded = {.part = 1,
                                              .fit = SHARD_PAD,
                                              .target_width = 64,
                                              .target_height = 64,
                                              .crop = {0, 0, 300, 256},
                                              .content = {0, 4, 64, 56}};
static const struct shard_rendition cropped = {.part = 1,
                                               .target_width = 256,
                                               .target_height = 128,
                                               .crop = {22, 0, 256, 128},
                                               .content = {0, 0, 256, 128}};

static void fill_pair(struct pair *p, uint32_t number)
{
    snprintf(p->key, sizeof(p->key), "%06u", (unsigned)number);
    fill_values(p->features, VALUES, number);
    fill_values(p->latent, VALUES, number + 1000);
    p->ids[0] = number;
    p->caption = (struct shard_alternative){
        .name = "txt", .text = p->key, .text_len = 6, .ids = p->ids, .n_ids = 3};
    p->parts[0] = (struct shard_part){.flags = SHARD_FLAG_LOSS,
                                      .role = "",
                                      .n_alternatives = 1,
                                      .alternatives = &p->caption};
    p->parts[1] = (struct shard_part){.kind = SHARD_PART_IMAGE,
                                      .flags = SHARD_FLAG_LOSS,
                                      .role = "",
                                      .width = 300,
                                      .height = 256};
    p->rec = (struct shard_record){.key = p->key,
                                   .name = "unit",
                                   .index = number,
                                   .n_parts = 2,
                                   .parts = p->parts,
                                   .renditions = p->renditions,
                                   .n_tensors = 2,
                                   .tensors = p->tensors};
}

static struct shard_tensor latent_of(struct pair *p, uint32_t encoder, uint32_t owner)
{
    return (struct shard_tensor){.kind = SHARD_LATENT,
                                 .part = 1,
                                 .owner = owner,
                                 .encoder = encoder,
                                 .dtype = SHARD_FP16,
                                 .n_dims = 3,
                                 .dims = {4, 16, 32},
                                 .data = p->latent,
                                 .n_bytes = sizeof(p->latent)};
}

static void fill_before(struct pair *p, uint32_t number)
{
    fill_pair(p, number);
    p->rec.n_renditions = 2;
    p->renditions[0] = cropped;
    p->renditions[1] = padded;
    p->tensors[0] = (struct shard_tensor){.kind = SHARD_FEATURES,
                                          .part = 1,
                                          .owner = 0,
                                          .dtype = SHARD_FP16,
                                          .n_dims = 2,
                                          .dims = {4, VALUES / 4},
                                          .data = p->features,
                                          .n_bytes = sizeof(p->features)};
    p->tensors[1] = latent_of(p, 1, 1);
}

/* As one run with both encoders would have made it. */
static void fill_after(struct pair *p, uint32_t number)
{
    fill_pair(p, number);
    p->rec.n_renditions = 1;
    p->renditions[0] = padded;
    p->tensors[0] = latent_of(p, 0, 0);
    p->tensors[1] = (struct shard_tensor){.kind = SHARD_FEATURES,
                                          .part = 1,
                                          .encoder = 1,
                                          .dtype = SHARD_FP16,
                                          .n_dims = 2,
                                          .dims = {SIDE, SIDE},
                                          .data = wide[number % N_WIDE],
                                          .n_bytes = WIDE};
}

static struct shard_writer *open_writer(char *prefix, bool is_after)
{
    const struct shard_header h = header_of(is_after);
    struct shard_writer_options options = {
        .header = &h, .path = sample_path, .ctx = prefix};
    struct shard_writer *w;

    assert_int_equal(shard_writer_open(&w, &options), SHARD_OK);
    return w;
}

/* Finishes and closes; gives the only file's path. */
static void finish(struct shard_writer *w, char path[300])
{
    size_t n;

    if (shard_writer_finish(w) != SHARD_OK)
        fail_msg("%s", shard_writer_why(w));
    snprintf(path, 300, "%s", shard_writer_files(w, &n)[0].path);
    assert_int_equal(n, 1);
    shard_writer_close(w);
}

/* ---- adding and dropping ---- */

/* A shard that is open, with one block in hand. */
struct opened {
    struct shard_positioned_file file;
    struct shard_file_map map;
    struct shard_block_reader block;
};

static void open_shard(struct opened *o, const char *path)
{
    *o = (struct opened){0};
    assert_int_equal(shard_positioned_file_open(&o->file, NULL, path), SHARD_OK);
    assert_int_equal(shard_file_map_open(&o->map, &o->file), SHARD_OK);
    o->block.map = &o->map;
    o->block.file = &o->file;
}

static void close_shard(struct opened *o)
{
    shard_block_reader_clear(&o->block);
    shard_file_map_close(&o->map);
    shard_positioned_file_close(&o->file);
}

/* Gives the compressed bytes of a frame of the file. */
static void *frame_bytes(struct opened *o, const struct shard_frame *frame)
{
    void *bytes = malloc(frame->bytes);

    assert_int_equal(
        shard_positioned_file_read(&o->file, frame->offset, bytes, (size_t)frame->bytes),
        SHARD_OK);
    return bytes;
}

/* The frames of the latents, as the new file has them. */
static size_t keep_latents(struct opened *o, uint32_t block,
                           struct shard_kept_frame *kept)
{
    const struct shard_text_frame *text = &o->block.frame;
    size_t n = 0;

    for (size_t i = 0; i < text->n_frames; i++) {
        const struct shard_tensor_frame *f = &text->frames[i];
        const struct shard_frame *frame =
            &o->map.frames[o->map.blocks[block].first_frame + 1 + i];
        if (f->column.encoder == 1)
            kept[n++] = (struct shard_kept_frame){.kind = f->column.kind,
                                                  .encoder = 0,
                                                  .dtype = f->column.dtype,
                                                  .slot = f->column.slot,
                                                  .first_row = f->first_row,
                                                  .raw_bytes = f->bytes,
                                                  .bytes = frame_bytes(o, frame),
                                                  .len = frame->bytes};
    }
    return n;
}

/* The block's records with their features dropped and the large tensors added. */
static int append_changed(struct shard_writer *w, struct opened *o, uint32_t block,
                          const struct shard_kept_frame *kept, size_t n_kept)
{
    const uint32_t n = o->map.blocks[block].n_records;
    struct shard_record *records = calloc(n, sizeof(records[0]));
    struct shard_rendition *renditions = calloc(n, sizeof(renditions[0]));
    struct shard_tensor(*tensors)[2] = calloc(n, sizeof(tensors[0]));

    for (uint32_t row = 0; row < n; row++) {
        struct pair *p = calloc(1, sizeof(*p));
        assert_int_equal(
            shard_block_reader_get(&o->block, block, row, true, &records[row]), SHARD_OK);
        fill_after(p, (uint32_t)records[row].index);
        renditions[row] = records[row].renditions[1];
        tensors[row][0] = records[row].tensors[1];
        tensors[row][0].encoder = tensors[row][0].owner = 0;
        tensors[row][1] = p->tensors[1];
        records[row].n_renditions = 1;
        records[row].renditions = &renditions[row];
        records[row].tensors = tensors[row];
        free(p);
    }
    int rc = shard_writer_append_block(w, records, n, kept, n_kept);
    free(records);
    free(renditions);
    free(tensors);
    return rc;
}

static void change_columns(void)
{
    char prefix[300];
    struct opened o;

    snprintf(prefix, sizeof(prefix), "%s/after", folder);
    struct shard_writer *w = open_writer(prefix, true);
    open_shard(&o, before);
    for (uint32_t block = 0; block < o.map.index.n_blocks; block++) {
        struct shard_kept_frame kept[ROWS];
        assert_int_equal(shard_block_reader_load(&o.block, block), SHARD_OK);
        const size_t n = keep_latents(&o, block, kept);
        if (append_changed(w, &o, block, kept, n) != SHARD_OK)
            fail_msg("%s", shard_writer_why(w));
        for (size_t i = 0; i < n; i++)
            free((void *)kept[i].bytes);
    }
    close_shard(&o);
    finish(w, after);
}

static int setup(void **state)
{
    char prefix[300];
    struct pair *p = calloc(1, sizeof(*p));

    (void)state;
    for (size_t i = 0; i < N_WIDE; i++) {
        wide[i] = malloc(WIDE);
        for (size_t j = 0; j < SIDE * SIDE; j++) /* finite */
            wide[i][j] = (uint16_t)(j / 16 * 37 + i * 101) & 0x3FFF;
    }
    snprintf(folder, sizeof(folder), "%s", sample_folder());
    snprintf(prefix, sizeof(prefix), "%s/before", folder);
    struct shard_writer *w = open_writer(prefix, false);
    for (uint32_t i = 0; i < N; i++) {
        fill_before(p, i);
        assert_int_equal(shard_writer_append(w, &p->rec), SHARD_OK);
    }
    free(p);
    finish(w, before);
    change_columns();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(before);
    unlink(after);
    rmdir(folder);
    for (size_t i = 0; i < N_WIDE; i++)
        free(wide[i]);
    return 0;
}

/* ---- what came of it ---- */

static void test_values(void **state)
{
    struct pair *p = calloc(1, sizeof(*p));
    struct shard_reader *r;
    struct shard_record rec;

    (void)state;
    assert_int_equal(shard_reader_open(&r, after), SHARD_OK);
    for (uint32_t i = 0; i < N; i++) {
        if (shard_reader_next(r, &rec) != SHARD_OK)
            fail_msg("%s", shard_reader_why(r));
        fill_after(p, i);
        assert_record(&rec, &p->rec, false);
    }
    shard_reader_close(r);
    free(p);
}

static void test_blocks_keep_their_records(void **state)
{
    struct opened o;

    (void)state;
    open_shard(&o, after);
    assert_int_equal(o.map.index.n_blocks, 3);
    assert_int_equal(o.map.blocks[0].n_records, ROWS);
    assert_int_equal(o.map.blocks[1].n_records, ROWS);
    assert_int_equal(o.map.blocks[2].n_records, 5);
    /* The text frame, one of latents, and one of each large tensor. */
    assert_int_equal(o.map.blocks[0].n_frames, 2 + ROWS);
    for (uint32_t i = 0; i < ROWS; i++)
        assert_int_equal(o.map.first_row[2 + i], i);
    close_shard(&o);
}

static void test_other_frames_are_the_same_bytes(void **state)
{
    struct opened from, to;

    (void)state;
    open_shard(&from, before);
    open_shard(&to, after);
    for (uint32_t block = 0; block < 3; block++) {
        /* Before: text, features, latents. After: text, latents, large ones. */
        const struct shard_frame *a =
            &from.map.frames[from.map.blocks[block].first_frame + 2];
        const struct shard_frame *b =
            &to.map.frames[to.map.blocks[block].first_frame + 1];
        assert_int_equal(from.map.blocks[block].n_frames, 3);
        assert_int_equal(a->bytes, b->bytes);
        void *left = frame_bytes(&from, a), *right = frame_bytes(&to, b);
        assert_memory_equal(left, right, a->bytes);
        free(left);
        free(right);
    }
    close_shard(&from);
    close_shard(&to);
}

static void test_checksums(void **state)
{
    enum { N_JOINT = 9 };
    char prefix[300], joint[300];
    struct pair *p = calloc(1, sizeof(*p));
    struct shard_reader *old, *new, *of_joint;

    (void)state;
    snprintf(prefix, sizeof(prefix), "%s/joint", folder);
    struct shard_writer *w = open_writer(prefix, true);
    for (uint32_t i = 0; i < N_JOINT; i++) {
        fill_after(p, i);
        assert_int_equal(shard_writer_append(w, &p->rec), SHARD_OK);
    }
    finish(w, joint);
    assert_int_equal(shard_reader_open(&old, before), SHARD_OK);
    assert_int_equal(shard_reader_open(&new, after), SHARD_OK);
    assert_int_equal(shard_reader_open(&of_joint, joint), SHARD_OK);
    shard_reader_text_only(new, true);
    for (uint32_t i = 0; i < N; i++) {
        struct shard_record a, b, c;
        assert_int_equal(shard_reader_next(old, &a), SHARD_OK);
        assert_int_equal(shard_reader_next(new, &b), SHARD_OK);
        assert_true(a.text_checksum == b.text_checksum);
        assert_true(a.tensor_checksum != b.tensor_checksum);
        assert_true(a.tensors[1].checksum == b.tensors[0].checksum);
        if (i >= N_JOINT)
            continue;
        assert_int_equal(shard_reader_next(of_joint, &c), SHARD_OK);
        assert_true(c.text_checksum == b.text_checksum);
        assert_true(c.tensor_checksum == b.tensor_checksum);
    }
    shard_reader_close(old);
    shard_reader_close(new);
    shard_reader_close(of_joint);
    unlink(joint);
    free(p);
}

static size_t n_loaded(const struct opened *o)
{
    size_t n = 0;

    for (size_t i = 0; i < o->block.frame.n_frames; i++)
        n += o->block.tensors_loaded[i];
    return n;
}

static void test_one_tensor_unpacks_one_frame(void **state)
{
    struct opened o;
    struct shard_record rec;
    const void *data;

    (void)state;
    open_shard(&o, after);
    assert_int_equal(shard_block_reader_get(&o.block, 1, 37, true, &rec), SHARD_OK);
    assert_int_equal(n_loaded(&o), 0);
    assert_int_equal(shard_block_reader_tensor(&o.block, &rec.tensors[1], &data),
                     SHARD_OK);
    assert_memory_equal(data, wide[(ROWS + 37) % N_WIDE], WIDE);
    assert_int_equal(n_loaded(&o), 1);
    /* The whole record: its latent's frame as well, and nothing of its neighbours. */
    assert_int_equal(shard_block_reader_get(&o.block, 1, 37, false, &rec), SHARD_OK);
    assert_int_equal(n_loaded(&o), 2);
    assert_int_equal(shard_block_reader_get(&o.block, 0, 0, false, &rec), SHARD_OK);
    assert_int_equal(n_loaded(&o), 2);
    assert_memory_equal(rec.tensors[1].data, wide[0], WIDE);
    close_shard(&o);
}

/* Frames that do not hold what the records say: the writer's end, not a bad file. */
static void test_frames_that_do_not_fit(void **state)
{
    char prefix[300];
    struct opened o;
    size_t n_files;

    (void)state;
    snprintf(prefix, sizeof(prefix), "%s/bad", folder);
    open_shard(&o, before);
    for (int fault = 0; fault < 4; fault++) {
        struct shard_kept_frame kept[ROWS];
        struct shard_writer *w = open_writer(prefix, true);
        assert_int_equal(shard_block_reader_load(&o.block, 2), SHARD_OK);
        size_t n = keep_latents(&o, 2, kept);
        void *bytes = (void *)kept[0].bytes;
        assert_int_equal(n, 1);
        kept[0].raw_bytes += fault == 0;
        kept[0].first_row += fault == 1;
        kept[0].slot += fault == 2;
        n -= fault == 3;
        int rc = append_changed(w, &o, 2, kept, n);
        assert_true(rc < 0);
        assert_true(shard_writer_why(w)[0] != 0);
        assert_int_equal(shard_writer_finish(w), rc);
        if (shard_writer_files(w, &n_files), n_files > 0)
            unlink(shard_writer_files(w, &n_files)[0].path);
        shard_writer_close(w);
        free(bytes);
    }
    close_shard(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_blocks_keep_their_records),
        cmocka_unit_test(test_other_frames_are_the_same_bytes),
        cmocka_unit_test(test_checksums),
        cmocka_unit_test(test_one_tensor_unpacks_one_frame),
        cmocka_unit_test(test_frames_that_do_not_fit),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
