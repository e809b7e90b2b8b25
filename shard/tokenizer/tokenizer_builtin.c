/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/tokenizer_builtin.c - the embedded default model,
 * shard/default/tokenizer.model.
 *
 * The assembler copies the file in, so that no generated source is needed; the Makefile
 * names it as a dependency of this object. The path is that of the project's root, where
 * the build runs. */
#include "shard/tokenizer/tokenizer.h"

__asm__(".section .rodata\n"
        ".balign 16\n"
        "shard_tokenizer_model_start:\n"
        ".incbin \"shard/default/tokenizer.model\"\n"
        "shard_tokenizer_model_end:\n"
        ".byte 0\n"
        ".previous\n");

extern const unsigned char model_start[] __asm__("shard_tokenizer_model_start");
extern const unsigned char model_end[] __asm__("shard_tokenizer_model_end");

const void *tokenizer_builtin(size_t *len)
{
    *len = (size_t)(model_end - model_start);
    return model_start;
}
