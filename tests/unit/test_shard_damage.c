/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_shard_damage.c - a damaged shard gives an error or the same records. */
#include "tests/unit/sample_shards.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <xxhash.h>

#include "shard/file/file_map.h"
#include "shard/file/format.h"
#include "shard/index/dataset_index.h"
#include "shard/index/outline.h"

enum { N = 10 };

static struct sample *samples[N]; /* what went in */
static unsigned char *shard;
static size_t shard_len;

static unsigned char *read_whole(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    struct stat st;

    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &st), 0);
    unsigned char *data = malloc((size_t)st.st_size);
    assert_int_equal(fread(data, 1, (size_t)st.st_size, file), st.st_size);
    fclose(file);
    *len = (size_t)st.st_size;
    return data;
}

/* Two blocks, larger than one may become by itself: columns have several frames. */
static void append_blocks(struct shard_writer *w)
{
    for (uint64_t first = 0; first < N; first += N / 2) {
        struct shard_record records[N / 2];
        for (uint64_t i = 0; i < N / 2; i++)
            records[i] = samples[first + i]->rec;
        assert_int_equal(shard_writer_append_block(w, records, N / 2, NULL, 0), SHARD_OK);
    }
}

static int setup(void **state)
{
    char prefix[300];
    size_t n;

    (void)state;
    for (uint64_t i = 0; i < N; i++)
        samples[i] = sample_make(i + 10);
    snprintf(prefix, sizeof(prefix), "%s/s", sample_folder());
    struct shard_writer_options options = {.header = sample_header(),
                                           .path = sample_path,
                                           .ctx = prefix,
                                           .max_block_bytes = 1000};
    struct shard_writer *w;
    assert_int_equal(shard_writer_open(&w, &options), SHARD_OK);
    append_blocks(w);
    assert_int_equal(shard_writer_finish(w), SHARD_OK);
    shard = read_whole(shard_writer_files(w, &n)[0].path, &shard_len);
    sample_unlink(w);
    shard_writer_close(w);
    *strrchr(prefix, '/') = 0;
    rmdir(prefix);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < N; i++)
        sample_free(samples[i]);
    free(shard);
    return 0;
}

/* A file without a name that holds these bytes; path is /proc/self/fd/N. */
static int open_bytes(const unsigned char *data, size_t len, char path[32])
{
    int fd = memfd_create("shard", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

/* Where frame i of block 0 begins, -1: the index. */
static uint64_t frame_offset(const char *path, int i)
{
    struct shard_positioned_file file;
    struct shard_file_map map;

    assert_int_equal(shard_positioned_file_open(&file, NULL, path), SHARD_OK);
    assert_int_equal(shard_file_map_open(&map, &file), SHARD_OK);
    assert_true(map.blocks[0].n_frames > 3 && map.blocks[0].n_records > 1);
    const uint64_t offset = i < 0 ? map.index.data_bytes : map.frames[i].offset;
    shard_file_map_close(&map);
    shard_positioned_file_close(&file);
    return offset;
}

/* Reads all; every record is right or lost with its name. Returns how many are lost, or N
 * where the file does not open. */
static unsigned lost_records(const char *path, bool text_only)
{
    struct shard_reader *r;
    struct shard_record rec;
    unsigned lost = 0;
    int rc = shard_reader_open(&r, path);

    if (rc != SHARD_OK) {
        assert_true(rc == SHARD_EFORMAT || rc == SHARD_EVERSION);
        assert_non_null(strstr(shard_reader_why(r), path));
        shard_reader_close(r);
        return N;
    }
    shard_reader_text_only(r, text_only);
    for (uint64_t i = 0; i < N; i++) {
        rc = shard_reader_next(r, &rec);
        if (rc == SHARD_OK) {
            assert_record(&rec, &samples[i]->rec, text_only);
            continue;
        }
        assert_int_equal(rc, SHARD_EDAMAGED);
        if (rec.key[0] != 0) { /* "": the name's column is damaged as well */
            assert_string_equal(rec.key, samples[i]->rec.key);
            assert_string_equal(rec.name, samples[i]->rec.name);
            assert_int_equal(rec.index, samples[i]->rec.index);
        }
        assert_non_null(strstr(shard_reader_why(r), path));
        lost++;
    }
    assert_int_equal(shard_reader_next(r, &rec), SHARD_EOF);
    shard_reader_close(r);
    return lost;
}

/* What the index says of all records is right, or it is refused. */
static void check_outline(const char *path)
{
    struct shard_positioned_file file;
    struct shard_file_map map = {0};
    struct shard_outline outline = {0};
    struct shard_outline_room room = {0};
    struct shard_record rec;

    assert_int_equal(shard_positioned_file_open(&file, NULL, path), SHARD_OK);
    int rc = shard_file_map_open(&map, &file);
    if (rc == SHARD_OK)
        rc = shard_outline_load(&outline, &map.index, map.header);
    for (size_t i = 0; rc == SHARD_OK && i < N; i++) {
        const struct sample *s = samples[i];
        assert_int_equal(shard_outline_record(&outline, i, &room, &rec), SHARD_OK);
        assert_int_equal(rec.n_parts, s->rec.n_parts);
        assert_int_equal(rec.n_tensors, s->rec.n_tensors);
        for (size_t j = 0; j < rec.n_parts; j++) {
            assert_int_equal(rec.parts[j].kind, s->parts[j].kind);
            assert_string_equal(rec.parts[j].role, s->parts[j].role);
            assert_int_equal(rec.parts[j].n_alternatives, s->parts[j].n_alternatives);
        }
        for (size_t j = 0; j < rec.n_tensors; j++) {
            assert_int_equal(rec.tensors[j].encoder, s->tensors[j].encoder);
            assert_memory_equal(rec.tensors[j].dims, s->tensors[j].dims,
                                4 * s->tensors[j].n_dims);
        }
    }
    assert_true(rc == SHARD_OK || rc == SHARD_EFORMAT || rc == SHARD_EVERSION);
    shard_outline_room_clear(&room);
    shard_outline_clear(&outline);
    shard_file_map_close(&map);
    shard_positioned_file_close(&file);
}

/* Of a file that opens: SHARD_OK where every byte of the index is as it was. */
static int check_fingerprint(const char *path)
{
    struct shard_reader *r;
    unsigned char fingerprint[16];
    int rc = shard_reader_open(&r, path);

    if (rc == SHARD_OK)
        rc = shard_reader_fingerprint(r, fingerprint);
    shard_reader_close(r);
    return rc;
}

static void test_any_flipped_bit(void **state)
{
    char path[32];
    unsigned whole = 0, some = 0, none = 0;
    int fd = open_bytes(shard, shard_len, path);
    const uint64_t index = frame_offset(path, -1), frames = frame_offset(path, 0);

    (void)state;
    for (size_t i = 0; i < shard_len; i++) {
        unsigned char flipped = shard[i] ^ (unsigned char)(1u << i % 8);
        assert_int_equal(pwrite(fd, &flipped, 1, (off_t)i), 1);
        unsigned lost = lost_records(path, false);
        whole += lost == N;
        some += lost > 0 && lost < N;
        none += lost == 0;
        if (i < frames || i >= index)
            check_outline(path);
        assert_true(i < index || check_fingerprint(path) < 0);
        assert_int_equal(pwrite(fd, &shard[i], 1, (off_t)i), 1);
    }
    assert_int_equal(lost_records(path, false), 0);
    /* Header and frames are most of the file; what nobody needs to read is the rest. */
    assert_true(whole > 500 && some > shard_len / 2 && none < 2500);
    close(fd);
}

static void test_cut_anywhere(void **state)
{
    char path[32];
    int fd = open_bytes(shard, shard_len, path);

    (void)state;
    for (size_t len = shard_len; len-- > 0;) {
        assert_int_equal(ftruncate(fd, (off_t)len), 0);
        assert_int_equal(lost_records(path, false), N);
    }
    close(fd);
}

static void test_bytes_behind_the_end(void **state)
{
    char path[32];
    int fd = open_bytes(shard, shard_len, path);

    (void)state;
    assert_int_equal(pwrite(fd, "\0", 1, (off_t)shard_len), 1);
    assert_int_equal(lost_records(path, false), N);
    close(fd);
}

/* The first tensor frame of block 0 is one of several of its column: it holds the latent
 * of record 0 and no other. */
static void test_a_frame_costs_its_own_records(void **state)
{
    char path[32];
    struct shard_reader *r;
    struct shard_record rec;
    int fd = open_bytes(shard, shard_len, path);

    (void)state;
    assert_int_equal(pwrite(fd, "\xAA\x55\xAA", 3, (off_t)frame_offset(path, 1) + 20), 3);
    assert_int_equal(lost_records(path, false), 1);
    assert_int_equal(lost_records(path, true), 0);

    assert_int_equal(shard_reader_open(&r, path), SHARD_OK);
    assert_int_equal(shard_reader_next(r, &rec), SHARD_EDAMAGED);
    assert_string_equal(rec.key, "dir/000010");
    assert_int_equal(rec.n_parts, 0);
    assert_int_equal(shard_reader_at(r, 3, &rec), SHARD_OK); /* of the same column */
    assert_int_equal(rec.tensors[0].encoder, SAMPLE_SMALL);
    shard_reader_close(r);
    close(fd);
}

static void check_why(const unsigned char *data, size_t len, int status, const char *why)
{
    char path[32], want[300];
    struct shard_reader *r;
    struct shard_record rec;
    int fd = open_bytes(data, len, path);
    int rc = shard_reader_open(&r, path);

    for (int i = 0; i < N && rc == SHARD_OK; i++)
        rc = shard_reader_next(r, &rec);
    snprintf(want, sizeof(want), "%s: %s", path, why);
    assert_int_equal(rc, status);
    assert_string_equal(shard_reader_why(r), want);
    shard_reader_close(r);
    close(fd);
}

static void check_flip(size_t at, int status, const char *why)
{
    shard[at] ^= 0x10;
    check_why(shard, shard_len, status, why);
    shard[at] ^= 0x10;
}

static void test_words(void **state)
{
    char path[32], why[200];
    int fd = open_bytes(shard, shard_len, path);
    uint64_t text = frame_offset(path, 0), tensor = frame_offset(path, 1);

    (void)state;
    close(fd);
    check_why(shard, 0, SHARD_EFORMAT, "byte 0: too short for a shard");
    check_why((const unsigned char *)"{\"no\": \"shard\"}", 15, SHARD_EFORMAT,
              "byte 0: not a shard: it does not start as one");
    check_flip(16, SHARD_EVERSION, "a shard of format version 17, this reader knows 1");
    check_flip(60, SHARD_EFORMAT, "byte 8: the header does not match its checksum");
    snprintf(why, sizeof(why),
             "byte %zu: the file is cut off or damaged: no seek table at its end",
             shard_len - 10);
    check_why(shard, shard_len - 1, SHARD_EFORMAT, why);
    size_t n_entries = shard[shard_len - 9] + 256u * shard[shard_len - 8];
    snprintf(why, sizeof(why),
             "byte %zu: the seek table does not say what the index says",
             shard_len - 17 - 8 * n_entries);
    check_flip(shard_len - 9 - 8 - 4, SHARD_EFORMAT, why); /* a frame's raw bytes */
    snprintf(why, sizeof(why),
             "text frame of block 0 at byte %" PRIu64 " does not match its checksum",
             text);
    check_flip(text + 30, SHARD_EDAMAGED, why);
    snprintf(why, sizeof(why),
             "tensor frame 0 of block 0 at byte %" PRIu64 " does not match its checksum",
             tensor);
    check_flip(tensor + 30, SHARD_EDAMAGED, why);
}

/* A reserved byte of the header, which has the right checksum. */
static void test_reserved(void **state)
{
    const size_t len = wire_load_u32(shard + 4); /* of the header's frame */
    unsigned char *checksum = shard + 8 + len - 8;

    (void)state;
    shard[8 + 12] = 1;
    wire_put_u64(checksum, XXH3_64bits(shard + 8, len - 8));
    check_why(shard, shard_len, SHARD_EFORMAT,
              "byte 8: a reserved bit is not 0: a later version may have written it");
    shard[8 + 12] = 0;
    wire_put_u64(checksum, XXH3_64bits(shard + 8, len - 8));
}

/* Column 5 once was another one, four bytes wide. */
static void test_an_old_index(void **state)
{
    struct shard_positioned_file file;
    struct shard_file_map map;
    char path[32], why[200];
    int fd = open_bytes(shard, shard_len, path);

    (void)state;
    assert_int_equal(shard_positioned_file_open(&file, NULL, path), SHARD_OK);
    assert_int_equal(shard_file_map_open(&map, &file), SHARD_OK);
    unsigned char *index = shard + map.index.store.at;
    const size_t head = 40 + 40 * (size_t)wire_load_u32(index + 12);
    snprintf(why, sizeof(why),
             "index at byte %" PRIu64
             ": a column of another width: an earlier development version made it",
             map.index.store.at);
    shard_file_map_close(&map);
    shard_positioned_file_close(&file);
    close(fd);
    for (uint32_t width = 4; width != 0; width = width == 4 ? 1 : 0) {
        wire_put_u32(index + 40 + 4 * 40 + 4, width);
        wire_put_u64(index + head, XXH3_64bits(index, head));
        if (width == 4)
            check_why(shard, shard_len, SHARD_EFORMAT, why);
    }
}

static void test_what_is_no_file(void **state)
{
    struct shard_reader *r;

    (void)state;
    assert_int_equal(shard_reader_open(&r, "/nonexistent/x.lms"), SHARD_EIO);
    assert_string_equal(shard_reader_why(r),
                        "/nonexistent/x.lms: No such file or directory");
    assert_int_equal(shard_reader_count(r), 0);
    shard_reader_close(r);
    assert_int_equal(shard_reader_open(&r, "/tmp"), SHARD_EFORMAT);
    assert_string_equal(shard_reader_why(r), "/tmp: not a regular file");
    shard_reader_close(r);
    shard_reader_close(NULL);
    assert_non_null(shard_reader_why(NULL));
}

static void test_shortened_while_open(void **state)
{
    char path[32];
    struct shard_reader *r;
    struct shard_record rec;
    int fd = open_bytes(shard, shard_len, path);

    (void)state;
    assert_int_equal(shard_reader_open(&r, path), SHARD_OK);
    assert_int_equal(ftruncate(fd, 1100), 0);
    assert_int_equal(shard_reader_at(r, N - 1, &rec), SHARD_EDAMAGED);
    assert_string_equal(rec.key, "");
    shard_reader_close(r);
    close(fd);
}

/* An index of one column of n zeros, and the others empty, as a file; its length. */
static uint64_t write_index_of_zeros(const char *path, size_t n)
{
    struct shard_buffer payload = {0}, scratch = {0}, zeros = {0}, nothing = {0};
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(shard_buffer_resize(&zeros, n), SHARD_OK);
    memset(zeros.data, 0, n);
    assert_int_equal(shard_column_store_begin(&payload, INDEX_N_COLUMNS), SHARD_OK);
    memcpy(payload.data, SHARD_MAGIC_INDEX_TEXT, 8);
    payload.data[8] = SHARD_VERSION;
    payload.data[12] = INDEX_N_COLUMNS;
    for (uint32_t id = 1; id <= INDEX_N_COLUMNS; id++)
        assert_int_equal(shard_column_store_append(&payload, id, shard_index_width(id),
                                                   id == INDEX_TYPES ? &zeros : &nothing,
                                                   zstd, &scratch),
                         SHARD_OK);
    assert_int_equal(shard_column_store_end(&payload, INDEX_N_COLUMNS, zeros.data),
                     SHARD_OK);
    assert_int_equal(fwrite(payload.data, 1, payload.len, file), payload.len);
    fclose(file);
    uint64_t len = payload.len;
    shard_buffer_free(&payload);
    shard_buffer_free(&scratch);
    shard_buffer_free(&zeros);
    ZSTD_freeCCtx(zstd);
    return len;
}

/* What zstd packs a thousandfold is refused before anything is allocated for it. */
static void test_a_column_of_zeros(void **state)
{
    static const size_t sizes[2] = {1 << 20, 4 << 20};
    char path[32];
    int fd = open_bytes(shard, shard_len, path);

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct shard_positioned_file file;
        struct shard_index_file index;
        uint64_t len = write_index_of_zeros(path, sizes[i]);
        assert_true(len < 10000);
        assert_int_equal(shard_positioned_file_open(&file, NULL, path), SHARD_OK);
        assert_int_equal(shard_index_open(&index, &file, 0, len),
                         i == 0 ? SHARD_OK : SHARD_EFORMAT);
        if (i == 1)
            assert_non_null(strstr(file.why, "impossible length"));
        shard_positioned_file_close(&file);
    }
    close(fd);
}

/* The index of `shard` with a bit of one column turned, all its checksums right. */
static void forge_index(const struct shard_index_file *x, enum shard_index_column forged,
                        size_t at, struct shard_buffer *payload)
{
    unsigned char head[SHARD_INDEX_HEAD], fingerprint[16];
    struct shard_buffer values = {0}, scratch = {0};
    ZSTD_CCtx *zstd = ZSTD_createCCtx();

    assert_int_equal(shard_column_store_head(&x->store, head), SHARD_OK);
    assert_int_equal(shard_column_store_fingerprint(&x->store, fingerprint), SHARD_OK);
    assert_int_equal(shard_column_store_begin(payload, INDEX_N_COLUMNS), SHARD_OK);
    memcpy(payload->data, head, sizeof(head));
    for (uint32_t id = 1; id <= INDEX_N_COLUMNS; id++) {
        assert_int_equal(shard_index_load(x, id, x->store.entry[id].raw_bytes, &values),
                         SHARD_OK);
        if (id == forged)
            values.data[at] ^= 1;
        assert_int_equal(shard_column_store_append(payload, id, shard_index_width(id),
                                                   &values, zstd, &scratch),
                         SHARD_OK);
    }
    assert_int_equal(shard_column_store_end(payload, INDEX_N_COLUMNS, fingerprint),
                     SHARD_OK);
    shard_buffer_free(&values);
    shard_buffer_free(&scratch);
    ZSTD_freeCCtx(zstd);
}

/* `shard` with that index, and the seek table that goes with it. */
static void forge_shard(enum shard_index_column forged, size_t at,
                        struct shard_buffer *out)
{
    struct shard_buffer payload = {0};
    struct shard_positioned_file file;
    struct shard_file_map map;
    char path[32];
    int fd = open_bytes(shard, shard_len, path);

    assert_int_equal(shard_positioned_file_open(&file, NULL, path), SHARD_OK);
    assert_int_equal(shard_file_map_open(&map, &file), SHARD_OK);
    const size_t begin = (size_t)map.index.data_bytes;
    const size_t table = begin + SHARD_SKIPPABLE_HEAD + (size_t)map.index.store.bytes;
    forge_index(&map.index, forged, at, &payload);
    const uint32_t head[] = {SHARD_MAGIC_INDEX, (uint32_t)payload.len};
    const uint32_t bytes = SHARD_SKIPPABLE_HEAD + (uint32_t)payload.len;
    out->len = 0;
    assert_int_equal(shard_buffer_add(out, shard, begin), SHARD_OK);
    assert_int_equal(shard_buffer_add(out, head, sizeof(head)), SHARD_OK);
    assert_int_equal(shard_buffer_add(out, payload.data, payload.len), SHARD_OK);
    assert_int_equal(shard_buffer_add(out, shard + table, shard_len - table), SHARD_OK);
    memcpy(out->data + out->len - SHARD_SEEK_FOOTER - SHARD_SEEK_ENTRY, &bytes, 4);
    shard_buffer_free(&payload);
    shard_file_map_close(&map);
    shard_positioned_file_close(&file);
    close(fd);
}

/* An index that is of other records costs the blocks it is wrong about, and says so. */
static void test_an_index_of_other_records(void **state)
{
    static const enum shard_index_column columns[] = {INDEX_N_PARTS, INDEX_TEXT_CHECKSUM,
                                                      INDEX_TENSOR_CHECKSUM};
    struct shard_buffer forged = {0};
    struct shard_record rec;
    struct shard_reader *r;
    char path[32];

    (void)state;
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        /* The last record's: the block before it is as it was. */
        forge_shard(columns[i], shard_index_width(columns[i]) * (N - 1), &forged);
        int fd = open_bytes(forged.data, forged.len, path);
        assert_int_equal(shard_reader_open(&r, path), SHARD_OK);
        for (uint64_t at = 0; at < N / 2; at++)
            assert_int_equal(shard_reader_at(r, at, &rec), SHARD_OK);
        assert_int_equal(shard_reader_at(r, N / 2, &rec), SHARD_EDAMAGED);
        assert_string_equal(rec.key, samples[N / 2]->key);
        assert_non_null(strstr(shard_reader_why(r), "text frame of block 1 at byte "));
        assert_non_null(
            strstr(shard_reader_why(r), " has other records than the index is of"));
        shard_reader_close(r);
        close(fd);
    }
    shard_buffer_free(&forged);
}

/* Columns that are only compared cost nothing where they are damaged themselves. */
static void test_an_index_that_tells_nothing(void **state)
{
    struct shard_positioned_file file;
    struct shard_file_map map;
    struct shard_record rec;
    struct shard_reader *r;
    char path[32];
    int fd = open_bytes(shard, shard_len, path);

    (void)state;
    assert_int_equal(shard_positioned_file_open(&file, NULL, path), SHARD_OK);
    assert_int_equal(shard_file_map_open(&map, &file), SHARD_OK);
    const size_t at =
        (size_t)(map.index.store.at + map.index.store.entry[INDEX_TEXT_CHECKSUM].offset);
    shard_file_map_close(&map);
    shard_positioned_file_close(&file);
    close(fd);
    shard[at + 4] ^= 0x10;
    fd = open_bytes(shard, shard_len, path);
    shard[at + 4] ^= 0x10;
    assert_int_equal(shard_reader_open(&r, path), SHARD_OK);
    for (uint64_t i = 0; i < N; i++)
        assert_int_equal(shard_reader_next(r, &rec), SHARD_OK);
    shard_reader_close(r);
    close(fd);
}

/* A corpus of another format would be refused at its index, and fuzz nothing behind it.
 */
static void test_the_corpus_is_of_this_format(void **state)
{
    static const char *const whole[] = {"one-record", "six-records", "small-blocks"};
    static const char *const lists[] = {"none", "one", "three"};
    static const char remake[] = "make build/tests/programs/write_shards "
                                 "build/tests/programs/write_dataset_index && python3 "
                                 "tests/fuzz/make_corpus_shards.py build/tests/programs "
                                 "tests/fuzz/corpus";
    struct shard_record rec;
    char path[100];

    (void)state;
    for (size_t i = 0; i < sizeof(whole) / sizeof(*whole); i++) {
        struct shard_reader *r;
        snprintf(path, sizeof(path), "tests/fuzz/corpus/fuzz_shard/%s.lms", whole[i]);
        if (shard_reader_open(&r, path) != SHARD_OK)
            fail_msg("%s; to remake it: %s", shard_reader_why(r), remake);
        for (uint64_t k = 0; k < shard_reader_count(r); k++)
            assert_int_equal(shard_reader_next(r, &rec), SHARD_OK);
        shard_reader_close(r);
    }
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        struct dataset_index *x;
        snprintf(path, sizeof(path), "tests/fuzz/corpus/fuzz_dataset_index/%s", lists[i]);
        if (dataset_index_open(&x, path) != SHARD_OK)
            fail_msg("%s; to remake it: %s", dataset_index_why(x), remake);
        dataset_index_close(x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_flipped_bit),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_bytes_behind_the_end),
        cmocka_unit_test(test_a_frame_costs_its_own_records),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_reserved),
        cmocka_unit_test(test_an_old_index),
        cmocka_unit_test(test_what_is_no_file),
        cmocka_unit_test(test_shortened_while_open),
        cmocka_unit_test(test_a_column_of_zeros),
        cmocka_unit_test(test_an_index_of_other_records),
        cmocka_unit_test(test_an_index_that_tells_nothing),
        cmocka_unit_test(test_the_corpus_is_of_this_format),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
