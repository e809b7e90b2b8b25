/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/tokenizer/json/post_processor.h"

#include <stdbool.h>
#include <stdint.h>

struct reader {
    struct json_config *c;
    const struct pieces *pieces;
    int64_t *bos, *eos;
};

/* The id of a piece; -1 with a fault. */
static int64_t id_of(struct reader *r, const json_t *value)
{
    const json_int_t id = json_integer_value(value);
    size_t len;

    if (!json_is_integer(value))
        json_config_refuse(r->c, "its id must be a whole number");
    else if (id < 0 || id > UINT32_MAX ||
             pieces_get(r->pieces, (uint32_t)id, &len) == NULL)
        json_config_refuse(r->c, "the id %lld names no piece", (long long)id);
    else
        return id;
    return -1;
}

/* The id of a template's special token; -1: it is several. */
static int64_t entry_id(struct reader *r, const json_t *entry)
{
    const json_t *ids = json_config_array(r->c, entry, "ids");
    const size_t path = json_config_enter(r->c, "ids");
    int64_t id = -1;
    size_t i;
    json_t *value;

    json_array_foreach((json_t *)ids, i, value) id = id_of(r, value);
    json_config_leave(r->c, path);
    return json_array_size(ids) == 1 ? id : -1;
}

/* The same, whose object in the template has its name. */
static int64_t template_id(struct reader *r, const json_t *processor, const json_t *token)
{
    const json_t *tokens = json_object_get(processor, "special_tokens");
    size_t len;
    const char *name = json_config_string(r->c, token, "id", &len);
    const json_t *entry = json_object_get(tokens, name);
    int64_t id = -1;

    const size_t path = json_config_enter(r->c, "special_tokens");
    if (entry == NULL) {
        json_config_refuse(r->c, "has no \"%.100s\", which the template names",
                           name != NULL ? name : "");
    } else {
        const size_t member = json_config_enter(r->c, name);
        id = entry_id(r, entry);
        json_config_leave(r->c, member);
    }
    json_config_leave(r->c, path);
    return id;
}

/* The "single" of TemplateProcessing: tokens, then the text, then tokens. */
static void read_template(struct reader *r, const json_t *object)
{
    const json_t *single = json_config_array(r->c, object, "single");
    unsigned before = 0, behind = 0;
    bool text = false;
    size_t i;
    json_t *part;

    json_array_foreach((json_t *)single, i, part)
    {
        const json_t *token = json_object_get(part, "SpecialToken");
        if (token == NULL) {
            text = true;
            continue;
        }
        const int64_t id = template_id(r, object, token);
        if (text)
            *r->eos = behind++ == 0 ? id : -1;
        else
            *r->bos = before++ == 0 ? id : -1;
    }
}

/* "cls" or "sep" of Bert's and Roberta's processors: [content, id]. */
static int64_t pair_id(struct reader *r, const json_t *object, const char *key)
{
    const json_t *pair = json_config_array(r->c, object, key);
    const size_t path = json_config_enter(r->c, key);
    int64_t id = -1;

    if (json_array_size(pair) == 2)
        id = id_of(r, json_array_get(pair, 1));
    else
        json_config_refuse(r->c, "must be [content, id]");
    json_config_leave(r->c, path);
    return id;
}

static void read_one(struct reader *r, const json_t *object);

static void read_sequence(struct reader *r, const json_t *object)
{
    const json_t *list = json_config_array(r->c, object, "processors");
    const size_t path = json_config_enter(r->c, "processors");
    size_t i;
    json_t *value;

    json_array_foreach((json_t *)list, i, value)
    {
        const size_t element = json_config_enter_at(r->c, i);
        read_one(r, value);
        json_config_leave(r->c, element);
    }
    json_config_leave(r->c, path);
}

/* Members are not looked at one by one: nothing of it reaches the ids. */
static void read_one(struct reader *r, const json_t *object)
{
    static const char *const types[] = {"ByteLevel",      "TemplateProcessing",
                                        "BertProcessing", "RobertaProcessing",
                                        "Sequence",       NULL};

    switch (json_config_type(r->c, object, types)) {
    case 1:
        read_template(r, object);
        break;
    case 2:
    case 3:
        *r->bos = pair_id(r, object, "cls");
        *r->eos = pair_id(r, object, "sep");
        break;
    case 4:
        read_sequence(r, object);
        break;
    default:
        break;
    }
}

void post_processor_read(struct json_config *c, const json_t *value,
                         const struct pieces *pieces, int64_t *bos, int64_t *eos)
{
    const size_t path = json_config_enter(c, "post_processor");
    struct reader r = {c, pieces, bos, eos};

    *bos = *eos = -1;
    if (value != NULL && !json_is_null(value))
        read_one(&r, value);
    json_config_leave(c, path);
}
