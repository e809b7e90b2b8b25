/* SPDX-License-Identifier: Apache-2.0
 * tests/programs/null_encoder.c - an encoder in a process of its own that answers at
 * once: what is left is prepare's own work. Its latents are zeros, (4, height / 8,
 * width / 8) in fp16.
 *
 *     null_encoder [BATCH [WAIT_MS [random] [pipe] [sum]]]
 *         random: no two runs give the same, which the hello says.
 *         pipe: it wants no memory.
 *         sum: values are made of all pixels, wherever those are. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "vae_encode/child/child_frames.h"

static unsigned char *buffer; /* a request's payload, or an answer's */
static size_t buffer_cap;
static int is_random, is_sum, wants_memory = 1;
static const unsigned char *memory; /* NULL: not mapped yet */

static void read_bytes(void *out, size_t n)
{
    if (fread(out, 1, n, stdin) != n)
        exit(0);
}

static struct child_frame read_frame(void)
{
    unsigned char head[CHILD_FRAME_HEAD];
    struct child_frame frame;

    read_bytes(head, sizeof(head));
    if (child_read_frame(head, &frame) != NULL)
        exit(3);
    if (frame.len >= buffer_cap) {
        buffer_cap = (size_t)frame.len + 1;
        buffer = realloc(buffer, buffer_cap);
        if (!buffer)
            exit(3);
    }
    read_bytes(buffer, (size_t)frame.len);
    buffer[frame.len] = '\0';
    return frame;
}

static void write_frame(enum child_frame_type type, const void *payload, size_t len)
{
    unsigned char head[CHILD_FRAME_HEAD];

    child_pack_frame(head, type, len);
    if (fwrite(head, 1, sizeof(head), stdout) != sizeof(head) ||
        fwrite(payload, 1, len, stdout) != len || fflush(stdout) != 0)
        exit(3);
}

static void say_hello(const char *batch, const char *wait_ms)
{
    unsigned width = 0, height = 0;
    char text[1000];
    const char *sizes;

    read_frame();
    sizes = strstr((const char *)buffer, "\"sizes\":[[");
    if (!sizes || sscanf(sizes + 10, "%u,%u", &width, &height) != 2)
        exit(3);
    snprintf(text, sizeof(text),
             "{\"protocol\":1,\"encoder\":{\"kind\":\"latent\",\"of\":\"image\","
             "\"family\":\"Null\",\"numerics\":\"null-1\",\"reproducible\":%s,"
             "\"channels\":4,\"f\":8,\"scale\":[1.0],\"shift\":[0.0]},"
             "\"tensors\":[{\"output\":0,\"logvar\":false,\"dims\":[[4,%u,%u]]}],"
             "\"batch\":%s,\"wait_ms\":%s,\"memory\":%s}",
             is_random ? "false" : "true", height / 8, width / 8, batch, wait_ms,
             wants_memory ? "true" : "false");
    write_frame(CHILD_HELLO, text, strlen(text));
}

static void put32(unsigned char *out, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        out[i] = (unsigned char)(v >> (8 * i));
}

static uint32_t get32(const unsigned char *in)
{
    return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 |
           (uint32_t)in[3] << 24;
}

/* Halves from 1 to 2. */
static void fill(unsigned char *values, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 2) {
        if (i % 256 == 0 &&
            getrandom(values + i, bytes - i < 256 ? bytes - i : 256, 0) < 0)
            exit(3);
        values[i + 1] = 0x3c | (values[i + 1] & 3);
    }
}

static const unsigned char *memory_at(uint64_t offset)
{
    struct stat st;

    if (!memory) {
        if (fstat(CHILD_MEMORY_FD, &st) != 0)
            exit(3);
        memory =
            mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, CHILD_MEMORY_FD, 0);
        if (memory == MAP_FAILED)
            exit(3);
    }
    return memory + offset;
}

/* Of image `i` of the request, of `len` bytes. */
static const unsigned char *pixels(size_t i, size_t len)
{
    const unsigned char *data = buffer + CHILD_REQUEST_HEAD;

    if (get32(buffer + 20) == CHILD_PIXELS_FOLLOW)
        return data + i * len;
    data += i * CHILD_OFFSET;
    return memory_at(get32(data) | (uint64_t)get32(data + 4) << 32);
}

/* Halves from 1 to 2, all of them what is left of the image's pixels. */
static void sum_up(unsigned char *values, size_t bytes, const unsigned char *rgb,
                   size_t len)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < len; i++)
        sum = sum * 31 + rgb[i];
    for (size_t i = 0; i < bytes; i += 2) {
        values[i] = sum >> 8 & 0xff;
        values[i + 1] = 0x3c | (sum >> 16 & 3);
    }
}

/* The request's id and number of images are the first 12 bytes of both. */
static void answer(void)
{
    const uint32_t n = get32(buffer + 8);
    const uint32_t w = get32(buffer + 12) / 8, h = get32(buffer + 16) / 8;
    const size_t head = CHILD_TENSORS_HEAD + CHILD_DESCRIPTOR;
    const size_t bytes = (size_t)n * 4 * w * h * 2;
    unsigned char *out = calloc(1, head + bytes);

    if (!out)
        exit(3);
    memcpy(out, buffer, 12);
    put32(out + 12, 1);
    put32(out + 16, CHILD_FP16);
    put32(out + 20, 3);
    put32(out + 24, 4);
    put32(out + 28, h);
    put32(out + 32, w);
    put32(out + 56, (uint32_t)bytes);
    if (is_random)
        fill(out + head, bytes);
    for (size_t i = 0, len = (size_t)w * 8 * h * 8 * 3; is_sum && i < n; i++)
        sum_up(out + head + i * (bytes / n), bytes / n, pixels(i, len), len);
    write_frame(CHILD_TENSORS, out, head + bytes);
    free(out);
}

int main(int argc, char **argv)
{
    setvbuf(stdin, NULL, _IONBF, 0);
    for (int i = 3; i < argc; i++) {
        is_random |= strcmp(argv[i], "random") == 0;
        is_sum |= strcmp(argv[i], "sum") == 0;
        wants_memory &= strcmp(argv[i], "pipe") != 0;
    }
    say_hello(argc > 1 ? argv[1] : "32", argc > 2 ? argv[2] : "100");
    for (;;) {
        if (read_frame().type != CHILD_ENCODE)
            exit(3);
        answer();
    }
}
