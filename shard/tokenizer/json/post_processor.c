/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/tokenizer/json/post_processor.h"

#include <stdbool.h>
#include <stdint.h>

/* The id of a template's special token, whose object has its name. Several ids are none.
 */
static int64_t template_id(const json_t *processor, const json_t *token)
{
    const char *name = json_string_value(json_object_get(token, "id"));
    const json_t *entry =
        json_object_get(json_object_get(processor, "special_tokens"), name);
    const json_t *ids = json_object_get(entry, "ids");
    const json_t *id = json_array_get(ids, 0);

    return json_array_size(ids) == 1 && json_is_integer(id) &&
                   json_integer_value(id) >= 0 && json_integer_value(id) <= INT32_MAX
               ? (int64_t)json_integer_value(id)
               : -1;
}

/* The "single" of TemplateProcessing: tokens, then the text, then tokens. */
static void read_template(struct json_config *c, const json_t *object, int64_t *bos,
                          int64_t *eos)
{
    const json_t *single = json_config_array(c, object, "single");
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
        const int64_t id = template_id(object, token);
        if (text)
            *eos = behind++ == 0 ? id : -1;
        else
            *bos = before++ == 0 ? id : -1;
    }
}

/* "cls" or "sep" of Bert's and Roberta's processors: [content, id]. */
static int64_t pair_id(struct json_config *c, const json_t *object, const char *key)
{
    const json_t *id = json_array_get(json_config_array(c, object, key), 1);
    const size_t path = json_config_enter(c, key);
    const bool fits = json_is_integer(id) && json_integer_value(id) >= 0 &&
                      json_integer_value(id) <= INT32_MAX;

    if (!fits)
        json_config_refuse(c, "must be [content, id]");
    json_config_leave(c, path);
    return fits ? (int64_t)json_integer_value(id) : -1;
}

static void read_one(struct json_config *c, const json_t *object, int64_t *bos,
                     int64_t *eos);

static void read_sequence(struct json_config *c, const json_t *object, int64_t *bos,
                          int64_t *eos)
{
    const json_t *list = json_config_array(c, object, "processors");
    const size_t path = json_config_enter(c, "processors");
    size_t i;
    json_t *value;

    json_array_foreach((json_t *)list, i, value)
    {
        const size_t element = json_config_enter_at(c, i);
        read_one(c, value, bos, eos);
        json_config_leave(c, element);
    }
    json_config_leave(c, path);
}

/* Members are not looked at one by one: nothing of it reaches the ids. */
static void read_one(struct json_config *c, const json_t *object, int64_t *bos,
                     int64_t *eos)
{
    static const char *const types[] = {"ByteLevel",      "TemplateProcessing",
                                        "BertProcessing", "RobertaProcessing",
                                        "Sequence",       NULL};

    switch (json_config_type(c, object, types)) {
    case 1:
        read_template(c, object, bos, eos);
        break;
    case 2:
    case 3:
        *bos = pair_id(c, object, "cls");
        *eos = pair_id(c, object, "sep");
        break;
    case 4:
        read_sequence(c, object, bos, eos);
        break;
    default:
        break;
    }
}

void post_processor_read(struct json_config *c, const json_t *value, int64_t *bos,
                         int64_t *eos)
{
    const size_t path = json_config_enter(c, "post_processor");

    *bos = *eos = -1;
    if (value != NULL && !json_is_null(value))
        read_one(c, value, bos, eos);
    json_config_leave(c, path);
}
