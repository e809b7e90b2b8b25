/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/json/byte_letters.h - internal to shard/: the alphabet of byte-level
 * pieces, a printable character for each byte: itself where it is one (! to ~, U+A1 to
 * U+AC, U+AE to U+FF), the others from U+100 on, in order. */
#ifndef SHARD_TOKENIZER_JSON_BYTE_LETTERS_H
#define SHARD_TOKENIZER_JSON_BYTE_LETTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The letter of a byte, U+21 to U+143. */
uint32_t byte_letter(unsigned char byte);

/* The bytes that len bytes of UTF-8 spell in letters, into out (room for len); gives
 * *n. False: a character is no letter. */
bool byte_letters_read(const char *text, size_t len, unsigned char *out, size_t *n);

#endif
