/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/spm/tokenizer_spm.cc - SentencePiece models: the shim over the C++
 * library, which encodes whole texts, of models that do not pass spm_vocabulary.c's
 * proof.
 *
 * Every entry catches what the library throws; beyond this file there is only C. A model
 * passes tokenizer_model_check() before the library sees it. */
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <sentencepiece_processor.h>

#include "shard/status.h"
#include "shard/tokenizer/spm/spm_words.h"
#include "shard/tokenizer/tokenizer_kinds.h"
#include "shard/tokenizer/spm/tokenizer_model.h"
#include "shard/tokenizer/spm/tokenizer_spm.h"

/* The library counts in int, in up to 3 bytes of normalized text per byte given. */
static constexpr size_t max_text = size_t(1) << 28;

namespace
{
struct spm {
    sentencepiece::SentencePieceProcessor processor;
    std::string normalizer, charsmap;
    spm_words *words = nullptr; /* null: the library encodes */

    ~spm()
    {
        spm_words_free(words);
    }
};

struct spm_worker {
    const spm *model;
    spm_words_worker *words; /* null: the library encodes */
};
} // namespace

static const spm *spm_of(const void *state)
{
    return static_cast<const spm *>(state);
}

/* The library's reason may quote the model: one line of printable bytes is left of it. */
static int refuse(struct tokenizer_why *why, const char *reason)
{
    snprintf(why->text, sizeof(why->text), "SentencePiece refuses it: %s", reason);
    for (char *c = why->text; *c != '\0'; c++)
        if (static_cast<unsigned char>(*c) < 0x20 || *c == 0x7f)
            *c = '?';
    return SHARD_EMODEL;
}

static std::string copy_of(const unsigned char *bytes, size_t len)
{
    return {reinterpret_cast<const char *>(bytes), len};
}

static void describe(const spm *s, uint64_t type, struct tokenizer_about *about)
{
    /* Of Unigram's ways of equal score the library's versions take different ones. */
    if (type == TOKENIZER_UNIGRAM)
        about->versions = "SentencePiece " SENTENCEPIECE_VERSION;
    about->n_pieces = static_cast<uint32_t>(s->processor.GetPieceSize());
    about->bos = s->processor.bos_id();
    about->eos = s->processor.eos_id();
    /* The library finds user-defined pieces in a text; a control piece never comes from
     * one. */
    about->special = "user_defined";
    about->normalizer = s->normalizer.c_str();
    about->charsmap = s->charsmap.data();
    about->charsmap_len = s->charsmap.size();
    if (s->words != nullptr) {
        about->memory_per_byte = SPM_WORDS_PER_BYTE;
        about->memory_per_word_byte = SPM_WORDS_PER_WORD_BYTE;
    }
}

static int load(spm *s, const struct tokenizer_model &info, const void *model, size_t len,
                struct tokenizer_about *about, struct tokenizer_why *why)
{
    s->normalizer = copy_of(info.normalizer, info.normalizer_len);
    for (char &c : s->normalizer)
        if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f)
            c = '?';
    s->charsmap = copy_of(info.charsmap, info.charsmap_len);
    const auto status =
        s->processor.LoadFromSerializedProto({static_cast<const char *>(model), len});
    if (!status.ok())
        return refuse(why, status.ToString().c_str());
    if (info.type == TOKENIZER_BPE &&
        spm_words_new(&s->words, &info, model, len, s->charsmap.data()) != SHARD_OK)
        return SHARD_ENOMEM;
    describe(s, info.type, about);
    return SHARD_OK;
}

static bool takes_all(const void *, size_t)
{
    return true;
}

static int open_spm(void **state, const void *model, size_t len,
                    const struct tokenizer_options *options,
                    struct tokenizer_about *about, struct tokenizer_why *why)
{
    struct tokenizer_model info;

    *state = nullptr;
    if (tokenizer_model_check(model, len, &info, why->text, sizeof(why->text)) < 0)
        return SHARD_EMODEL;
    if (options->pattern != nullptr || options->n_named > 0) {
        snprintf(why->text, sizeof(why->text),
                 "is a SentencePiece model, which takes no pattern and no named special "
                 "tokens");
        return SHARD_EINVAL;
    }
    if (options->special_tokens != TOKENIZER_SPECIAL_PLAIN) {
        snprintf(
            why->text, sizeof(why->text),
            "is a SentencePiece model: its control pieces never come from a text, its "
            "user-defined ones always do; special tokens must be plain");
        return SHARD_EINVAL;
    }
    try {
        spm *s = new spm();
        *state = s;
        return load(s, info, model, len, about, why);
    } catch (const std::bad_alloc &) {
        snprintf(why->text, sizeof(why->text), "out of memory");
        return SHARD_ENOMEM;
    } catch (const std::exception &e) {
        return refuse(why, e.what());
    }
}

static void close_spm(void *state)
{
    delete static_cast<spm *>(state);
}

static void close_worker(void *worker)
{
    spm_worker *w = static_cast<spm_worker *>(worker);

    if (w != nullptr)
        spm_words_worker_free(w->words);
    delete w;
}

static int open_worker(void **worker, const void *state)
{
    const spm *s = spm_of(state);
    spm_worker *w = new (std::nothrow) spm_worker{s, nullptr};

    *worker = w;
    if (w == nullptr)
        return SHARD_ENOMEM;
    if (s->words != nullptr && (w->words = spm_words_worker_new(s->words)) == nullptr)
        return SHARD_ENOMEM;
    return SHARD_OK;
}

static int add(struct token_ids *ids, const std::vector<int> &found)
{
    const int rc = token_ids_reserve(ids, found.size());

    if (rc != SHARD_OK)
        return rc;
    for (int id : found)
        ids->at[ids->n++] = static_cast<uint32_t>(id);
    return SHARD_OK;
}

int tokenizer_spm_by_library(const void *state, const char *text, size_t len,
                             struct token_ids *ids)
{
    try {
        std::vector<int> found;
        if (!spm_of(state)->processor.Encode({text, len}, &found).ok())
            return SHARD_EINVAL;
        return add(ids, found);
    } catch (const std::bad_alloc &) {
        return SHARD_ENOMEM;
    } catch (...) {
        return SHARD_EINVAL;
    }
}

bool tokenizer_spm_has_words(const void *state)
{
    return spm_of(state)->words != nullptr;
}

static int encode(void *worker, const char *text, size_t len, struct token_ids *ids,
                  struct tokenizer_why *why)
{
    const spm_worker *w = static_cast<const spm_worker *>(worker);

    if (len > max_text) {
        snprintf(why->text, sizeof(why->text), "it is longer than 256 MiB");
        return SHARD_EINVAL;
    }
    return w->words != nullptr ? spm_words_encode(w->words, text, len, ids)
                               : tokenizer_spm_by_library(w->model, text, len, ids);
}

static int decode(const void *state, const uint32_t *ids, size_t n, char **text,
                  size_t *len)
{
    try {
        const std::vector<int> given(ids, ids + n);
        std::string made;
        if (!spm_of(state)->processor.Decode(given, &made).ok())
            return SHARD_EINVAL;
        *text = static_cast<char *>(malloc(made.size() + 1));
        if (*text == nullptr)
            return SHARD_ENOMEM;
        memcpy(*text, made.c_str(), made.size() + 1);
        *len = made.size();
        return SHARD_OK;
    } catch (const std::bad_alloc &) {
        return SHARD_ENOMEM;
    } catch (...) {
        return SHARD_EINVAL;
    }
}

static const char *piece(const void *state, uint32_t id, size_t *len)
{
    const std::string &found = spm_of(state)->processor.IdToPiece(static_cast<int>(id));

    *len = found.size();
    return found.c_str();
}

static size_t piece_shown(const void *state, uint32_t id, char *out, size_t cap)
{
    size_t len;
    const char *text = piece(state, id, &len);

    snprintf(out, cap, "%s", text);
    return len;
}

static int64_t piece_id(const void *state, const char *text)
{
    try {
        /* An unknown piece gets the id of <unk>. */
        const auto &processor = spm_of(state)->processor;
        const int id = processor.PieceToId(text);
        return processor.IdToPiece(id) == text ? id : -1;
    } catch (...) {
        return -1;
    }
}

const struct tokenizer_kind tokenizer_kind_spm = {
    "sentencepiece", takes_all, open_spm, close_spm,   open_worker, close_worker,
    encode,          decode,    piece,    piece_shown, piece_id};

void tokenizer_on_no_memory(void (*end)(void))
{
    std::set_new_handler(end);
}
