/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/tokenizer_spm.cc - the shim over SentencePiece's C++ library.
 *
 * Every entry catches what the library throws; beyond this file there is only C. A model
 * passes tokenizer_model_check() before the library sees it. */
#include "shard/tokenizer/tokenizer.h"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <sentencepiece_processor.h>

#include "shard/status.h"
#include "shard/tokenizer/tokenizer_model.h"

/* The library counts in int, in up to 3 bytes of normalized text per byte given. */
static constexpr size_t max_text = size_t(1) << 28;

struct tokenizer {
    std::unique_ptr<sentencepiece::SentencePieceProcessor> processor; /* null: not open */
    std::string normalizer, charsmap;
    char why[512];
};

/* The library's reason may quote the model: one line of printable bytes is left of it. */
static int refuse(struct tokenizer *t, const char *what, const char *reason)
{
    t->processor.reset();
    snprintf(t->why, sizeof(t->why), "%s: SentencePiece refuses it: %s", what, reason);
    for (char *c = t->why; *c != '\0'; c++)
        if (static_cast<unsigned char>(*c) < 0x20 || *c == 0x7f)
            *c = '?';
    return SHARD_EMODEL;
}

static std::string copy_of(const unsigned char *bytes, size_t len)
{
    return {reinterpret_cast<const char *>(bytes), len};
}

static int load(struct tokenizer *t, const struct tokenizer_model &info,
                const void *model, size_t len, const char *what)
{
    t->normalizer = copy_of(info.normalizer, info.normalizer_len);
    for (char &c : t->normalizer)
        if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f)
            c = '?';
    t->charsmap = copy_of(info.charsmap, info.charsmap_len);
    t->processor = std::make_unique<sentencepiece::SentencePieceProcessor>();
    const auto status =
        t->processor->LoadFromSerializedProto({static_cast<const char *>(model), len});
    return status.ok() ? SHARD_OK : refuse(t, what, status.ToString().c_str());
}

int tokenizer_open(struct tokenizer **out, const void *model, size_t len,
                   const char *what)
{
    struct tokenizer_model info;
    char why[256];

    struct tokenizer *t = *out = new (std::nothrow) struct tokenizer();
    if (t == nullptr)
        return SHARD_ENOMEM;
    if (tokenizer_model_check(model, len, &info, why, sizeof(why)) < 0) {
        snprintf(t->why, sizeof(t->why), "%s: %s", what, why);
        return SHARD_EMODEL;
    }
    try {
        return load(t, info, model, len, what);
    } catch (const std::bad_alloc &) {
        t->processor.reset();
        snprintf(t->why, sizeof(t->why), "%s: out of memory", what);
        return SHARD_ENOMEM;
    } catch (const std::exception &e) {
        return refuse(t, what, e.what());
    }
}

/* Copies to memory that C's free() releases. */
static int give(const std::vector<int> &from, uint32_t **ids, uint32_t *n_ids)
{
    if (from.empty())
        return SHARD_OK;
    uint32_t *copy = static_cast<uint32_t *>(calloc(from.size(), sizeof(*copy)));
    if (copy == nullptr)
        return SHARD_ENOMEM;
    for (size_t i = 0; i < from.size(); i++)
        copy[i] = static_cast<uint32_t>(from[i]);
    *ids = copy;
    *n_ids = static_cast<uint32_t>(from.size());
    return SHARD_OK;
}

int tokenizer_encode(const struct tokenizer *t, const char *text, size_t len,
                     uint32_t **ids, uint32_t *n_ids)
{
    *ids = nullptr;
    *n_ids = 0;
    if (!t->processor || len > max_text)
        return SHARD_EINVAL;
    if (len == 0)
        return SHARD_OK;
    try {
        std::vector<int> found;
        if (!t->processor->Encode({text, len}, &found).ok())
            return SHARD_EINVAL;
        return give(found, ids, n_ids);
    } catch (const std::bad_alloc &) {
        return SHARD_ENOMEM;
    } catch (...) {
        return SHARD_EINVAL;
    }
}

uint32_t tokenizer_n_pieces(const struct tokenizer *t)
{
    return t->processor ? static_cast<uint32_t>(t->processor->GetPieceSize()) : 0;
}

const char *tokenizer_piece(const struct tokenizer *t, uint32_t id)
{
    if (id >= tokenizer_n_pieces(t))
        return "";
    return t->processor->IdToPiece(static_cast<int>(id)).c_str();
}

int64_t tokenizer_piece_id(const struct tokenizer *t, const char *piece)
{
    if (!t->processor)
        return -1;
    try {
        /* An unknown piece gets the id of <unk>. */
        const int id = t->processor->PieceToId(piece);
        return t->processor->IdToPiece(id) == piece ? id : -1;
    } catch (...) {
        return -1;
    }
}

int64_t tokenizer_bos(const struct tokenizer *t)
{
    return t->processor ? t->processor->bos_id() : -1;
}

int64_t tokenizer_eos(const struct tokenizer *t)
{
    return t->processor ? t->processor->eos_id() : -1;
}

const char *tokenizer_kind(const struct tokenizer *)
{
    return "sentencepiece";
}

/* The library finds user-defined pieces in a text; a control piece never comes from one.
 */
const char *tokenizer_special(const struct tokenizer *)
{
    return "user_defined";
}

const char *tokenizer_normalizer(const struct tokenizer *t)
{
    return t->normalizer.c_str();
}

const void *tokenizer_charsmap(const struct tokenizer *t, size_t *len)
{
    *len = t->charsmap.size();
    return t->charsmap.data();
}

const char *tokenizer_why(const struct tokenizer *t)
{
    if (t == nullptr)
        return "out of memory";
    return t->why[0] != '\0' ? t->why : "success";
}

void tokenizer_close(struct tokenizer *t)
{
    delete t;
}

void tokenizer_on_no_memory(void (*end)(void))
{
    std::set_new_handler(end);
}
