/* SPDX-License-Identifier: Apache-2.0
 * A safetensors file is believed in nothing: the header's length is bounded before it is
 * parsed, names are unique, each shape times its dtype's size is its byte range, and the
 * ranges cover the data without holes or overlaps, as the format demands. Later code may
 * then use data and n_values without another check. dtypes we don't know the size of are
 * carried along; they are an error only where somebody wants their values. */
#include "vae_encode/model/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vae_encode/status.h"

enum { LENGTH_BYTES = 8 };

struct safetensors {
    char *what;
    const unsigned char *bytes;
    size_t len;
    void *mapped; /* NULL: the bytes are the caller's */
    json_t *header;
    size_t n_tensors;
    struct safetensors_tensor *tensors; /* by name */
    char why[512];
};

static int fail(struct safetensors *s, int status, const char *fmt, ...)
{
    int n = snprintf(s->why, sizeof(s->why), "%s: ", s->what);
    va_list ap;

    va_start(ap, fmt);
    if (n >= 0 && (size_t)n < sizeof(s->why))
        vsnprintf(s->why + n, sizeof(s->why) - (size_t)n, fmt, ap);
    va_end(ap);
    return status;
}

/* Bytes of one value; 0: a dtype we don't know. */
static size_t dtype_size(const char *dtype)
{
    static const struct {
        const char *name;
        size_t size;
    } known[] = {
        {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1},
        {"U16", 2},  {"I16", 2}, {"F16", 2}, {"BF16", 2},    {"U32", 4},
        {"I32", 4},  {"F32", 4}, {"U64", 8}, {"I64", 8},     {"F64", 8},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(dtype, known[i].name) == 0)
            return known[i].size;
    return 0;
}

static bool to_u64(const json_t *value, uint64_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static int parse_shape(struct safetensors *s, struct safetensors_tensor *t,
                       const json_t *shape)
{
    if (!json_is_array(shape) || json_array_size(shape) > SAFETENSORS_MAX_DIMS)
        return fail(s, VAE_EFORMAT, "tensor %s: shape is not a list of at most %d sizes",
                    t->name, SAFETENSORS_MAX_DIMS);
    t->n_dims = (int)json_array_size(shape);
    t->n_values = 1;
    for (int i = 0; i < t->n_dims; i++) {
        if (!to_u64(json_array_get(shape, (size_t)i), &t->dims[i]))
            return fail(s, VAE_EFORMAT, "tensor %s: shape is not a list of sizes",
                        t->name);
        if (__builtin_mul_overflow(t->n_values, t->dims[i], &t->n_values))
            return fail(s, VAE_EFORMAT, "tensor %s: shape has more values than 2^64",
                        t->name);
    }
    return VAE_OK;
}

static int parse_range(struct safetensors *s, struct safetensors_tensor *t,
                       const json_t *offsets, size_t data_start)
{
    uint64_t begin, end, expected;
    uint64_t data_len = s->len - data_start;
    size_t size = dtype_size(t->dtype);

    if (!json_is_array(offsets) || json_array_size(offsets) != 2 ||
        !to_u64(json_array_get(offsets, 0), &begin) ||
        !to_u64(json_array_get(offsets, 1), &end) || begin > end)
        return fail(s, VAE_EFORMAT, "tensor %s: data_offsets is not [begin, end]",
                    t->name);
    if (end > data_len)
        return fail(s, VAE_EFORMAT,
                    "tensor %s ends at byte %llu, but the file has %zu: truncated?",
                    t->name, (unsigned long long)(data_start + end), s->len);
    if (size != 0 &&
        (__builtin_mul_overflow(t->n_values, size, &expected) || expected != end - begin))
        return fail(s, VAE_EFORMAT, "tensor %s: %llu bytes do not hold %llu values of %s",
                    t->name, (unsigned long long)(end - begin),
                    (unsigned long long)t->n_values, t->dtype);
    t->data = s->bytes + data_start + begin;
    t->n_bytes = end - begin;
    return VAE_OK;
}

static int parse_tensor(struct safetensors *s, struct safetensors_tensor *t,
                        const char *name, const json_t *entry, size_t data_start)
{
    int rc;

    t->name = name;
    t->dtype = json_string_value(json_object_get(entry, "dtype"));
    if (!t->dtype)
        return fail(s, VAE_EFORMAT, "tensor %s: no dtype", name);
    rc = parse_shape(s, t, json_object_get(entry, "shape"));
    if (rc < 0)
        return rc;
    return parse_range(s, t, json_object_get(entry, "data_offsets"), data_start);
}

static int by_place(const void *a, const void *b)
{
    const struct safetensors_tensor *x = *(const struct safetensors_tensor *const *)a;
    const struct safetensors_tensor *y = *(const struct safetensors_tensor *const *)b;

    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    if (x->n_bytes != y->n_bytes) /* an empty tensor lies before its neighbour */
        return x->n_bytes < y->n_bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct safetensors_tensor *)a)->name,
                  ((const struct safetensors_tensor *)b)->name);
}

/* The ranges in order must touch each other and end where the file ends. */
static int check_coverage(struct safetensors *s, size_t data_start)
{
    const struct safetensors_tensor **order = calloc(s->n_tensors + 1, sizeof(*order));
    const unsigned char *next = s->bytes + data_start;
    int rc = VAE_OK;

    if (!order)
        return fail(s, VAE_ENOMEM, "out of memory");
    for (size_t i = 0; i < s->n_tensors; i++)
        order[i] = &s->tensors[i];
    qsort(order, s->n_tensors, sizeof(*order), by_place);
    for (size_t i = 0; i < s->n_tensors && rc == VAE_OK; i++) {
        if (order[i]->data < next)
            rc = fail(s, VAE_EFORMAT, "tensors %s and %s overlap at byte %zu",
                      order[i - 1]->name, order[i]->name,
                      (size_t)(order[i]->data - s->bytes));
        else if (order[i]->data > next)
            rc = fail(s, VAE_EFORMAT, "no tensor covers bytes %zu to %zu",
                      (size_t)(next - s->bytes), (size_t)(order[i]->data - s->bytes));
        next = order[i]->data + order[i]->n_bytes;
    }
    if (rc == VAE_OK && next != s->bytes + s->len)
        rc = fail(s, VAE_EFORMAT, "no tensor covers bytes %zu to %zu",
                  (size_t)(next - s->bytes), s->len);
    free(order);
    return rc;
}

static int parse_header(struct safetensors *s)
{
    json_error_t error;
    uint64_t header_len = 0;
    size_t data_start, n;
    const char *name;
    json_t *entry;
    void *position;

    if (s->len < LENGTH_BYTES)
        return fail(s, VAE_EFORMAT, "not a safetensors file: only %zu bytes", s->len);
    for (int i = LENGTH_BYTES - 1; i >= 0; i--)
        header_len = header_len << 8 | s->bytes[i];
    if (header_len > SAFETENSORS_MAX_HEADER || s->len == LENGTH_BYTES ||
        s->bytes[LENGTH_BYTES] != '{')
        return fail(s, VAE_EFORMAT, "not a safetensors file: no header at byte 0");
    if (header_len > s->len - LENGTH_BYTES)
        return fail(s, VAE_EFORMAT,
                    "the header ends at byte %llu, but the file has %zu: truncated?",
                    (unsigned long long)(LENGTH_BYTES + header_len), s->len);

    data_start = LENGTH_BYTES + (size_t)header_len;
    errno = 0;
    s->header = json_loadb((const char *)s->bytes + LENGTH_BYTES, (size_t)header_len,
                           JSON_REJECT_DUPLICATES, &error);
    if (!s->header && errno == ENOMEM) /* jansson may call it a syntax error */
        return fail(s, VAE_ENOMEM, "out of memory");
    if (!s->header)
        return fail(s, VAE_EFORMAT, "header: %s (byte %zu)", error.text,
                    LENGTH_BYTES + (size_t)(error.position < 0 ? 0 : error.position));
    s->tensors = calloc(json_object_size(s->header) + 1, sizeof(*s->tensors));
    if (!s->tensors)
        return fail(s, VAE_ENOMEM, "out of memory");
    n = 0;
    for (position = json_object_iter(s->header); position;
         position = json_object_iter_next(s->header, position)) {
        name = json_object_iter_key(position);
        entry = json_object_iter_value(position);
        if (strcmp(name, "__metadata__") == 0)
            continue;
        int rc = parse_tensor(s, &s->tensors[n], name, entry, data_start);
        if (rc < 0)
            return rc;
        n++;
    }
    s->n_tensors = n;
    qsort(s->tensors, n, sizeof(*s->tensors), by_name);
    return check_coverage(s, data_start);
}

static int map_file(struct safetensors *s, const char *path)
{
    struct stat st;
    void *p;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int rc = VAE_OK;

    /* What is not there or not ours to read stays so: no reason to try again. */
    if (fd < 0)
        return fail(s, errno == ENOENT || errno == EACCES ? VAE_EMODEL : VAE_EIO, "%s",
                    strerror(errno));
    if (fstat(fd, &st) != 0) {
        rc = fail(s, VAE_EIO, "%s", strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        rc = fail(s, VAE_EMODEL, "not a regular file");
    } else if (st.st_size < LENGTH_BYTES) {
        rc = fail(s, VAE_EFORMAT, "not a safetensors file: only %lld bytes",
                  (long long)st.st_size);
    } else {
        p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            rc = fail(s, VAE_EIO, "%s", strerror(errno));
        } else {
            s->mapped = p;
            s->bytes = p;
            s->len = (size_t)st.st_size;
        }
    }
    close(fd);
    return rc;
}

static struct safetensors *new_file(const char *what)
{
    struct safetensors *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->what = strdup(what);
    if (!s->what) {
        free(s);
        return NULL;
    }
    return s;
}

int safetensors_open(struct safetensors **out, const char *path)
{
    int rc;

    *out = new_file(path);
    if (!*out)
        return VAE_ENOMEM;
    rc = map_file(*out, path);
    return rc < 0 ? rc : parse_header(*out);
}

int safetensors_open_memory(struct safetensors **out, const void *bytes, size_t len,
                            const char *what)
{
    *out = new_file(what);
    if (!*out)
        return VAE_ENOMEM;
    (*out)->bytes = bytes;
    (*out)->len = len;
    return parse_header(*out);
}

size_t safetensors_count(const struct safetensors *s)
{
    return s->n_tensors;
}

ptrdiff_t safetensors_find(const struct safetensors *s, const char *name)
{
    struct safetensors_tensor wanted = {.name = name};
    const struct safetensors_tensor *t =
        s->n_tensors
            ? bsearch(&wanted, s->tensors, s->n_tensors, sizeof(*s->tensors), by_name)
            : NULL;

    return t ? t - s->tensors : -1;
}

const struct safetensors_tensor *safetensors_at(const struct safetensors *s, size_t i)
{
    return &s->tensors[i];
}

const unsigned char *safetensors_bytes(const struct safetensors *s, size_t *len)
{
    *len = s->len;
    return s->bytes;
}

static uint32_t read_u16(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static float bits_to_float(uint32_t bits)
{
    float f;

    memcpy(&f, &bits, sizeof(f));
    return f;
}

static float half_to_float(uint32_t h)
{
    uint32_t sign = (h & 0x8000) << 16;
    uint32_t exponent = h >> 10 & 0x1f;
    uint32_t fraction = h & 0x3ff;

    if (exponent == 0) { /* subnormal: fraction * 2^-24, exact in fp32 */
        float magnitude = (float)fraction * 0x1p-24f;
        return sign ? -magnitude : magnitude;
    }
    if (exponent == 0x1f)
        return bits_to_float(sign | 0x7f800000 | fraction << 13);
    return bits_to_float(sign | (exponent + 112) << 23 | fraction << 13);
}

int safetensors_to_fp32(const struct safetensors_tensor *t, float *out)
{
    const unsigned char *p = t->data;

    if (strcmp(t->dtype, "F32") == 0) {
        for (uint64_t i = 0; i < t->n_values; i++, p += 4)
            out[i] = bits_to_float(read_u16(p) | read_u16(p + 2) << 16);
    } else if (strcmp(t->dtype, "F16") == 0) {
        for (uint64_t i = 0; i < t->n_values; i++, p += 2)
            out[i] = half_to_float(read_u16(p));
    } else if (strcmp(t->dtype, "BF16") == 0) {
        for (uint64_t i = 0; i < t->n_values; i++, p += 2)
            out[i] = bits_to_float(read_u16(p) << 16);
    } else {
        return VAE_EMODEL;
    }
    return VAE_OK;
}

void safetensors_describe(const struct safetensors_tensor *t, char *text, size_t cap)
{
    int n = snprintf(text, cap, "%s (", t->dtype);

    for (int i = 0; i < t->n_dims && n >= 0 && (size_t)n < cap; i++)
        n += snprintf(text + n, cap - (size_t)n, "%s%llu", i ? ", " : "",
                      (unsigned long long)t->dims[i]);
    if (n >= 0 && (size_t)n < cap)
        snprintf(text + n, cap - (size_t)n, ")");
}

const char *safetensors_why(const struct safetensors *s)
{
    return s ? s->why : vae_strerror(VAE_ENOMEM);
}

void safetensors_close(struct safetensors *s)
{
    if (!s)
        return;
    if (s->mapped)
        munmap(s->mapped, s->len);
    json_decref(s->header);
    free(s->tensors);
    free(s->what);
    free(s);
}
