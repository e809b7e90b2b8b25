/* SPDX-License-Identifier: Apache-2.0
 *
 * One line -> key, text, metadata. json_scan.c knows nearly every line; jansson says of
 * the others whether they are JSON, and what is wrong with them. What is kept as it
 * stands (numbers as keys, metadata) is taken from the line itself. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/text/document_parse.h"
#include "ingest/text/json_member.h"
#include "ingest/text/json_scan.h"
#include "ingest/archive/key.h"
#include "ingest/text/plain_json.h"
#include "ingest/status.h"
#include "ingest/text/utf8.h"

/* Where the line is, and then what is wrong with it. */
__attribute__((format(printf, 3, 4))) static void
reject_line(struct ingest_sample *s, enum reject_reason reason, const char *fmt, ...)
{
    char what[160];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    reject_set(&s->reject, reason, "line %" PRIu64 " at byte %" PRIu64 ": %s",
               s->raw.number, s->raw.offset, what);
}

static json_t *load(const char *json, size_t len, json_error_t *error, bool *no_memory)
{
    json_t *root;

    errno = 0;
    root = json_loadb(json, len, JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, error);
    *no_memory = !root && errno == ENOMEM; /* jansson may call it a syntax error */
    return root;
}

/* jansson's words: the escape of half a surrogate pair. */
static bool is_lone_surrogate(const json_error_t *error)
{
    static const char words[] = "invalid Unicode";

    return strncmp(error->text, words, sizeof(words) - 1) == 0;
}

/* Gives *root, or rejects. NaN and Infinity, which are rare, cost a second look, and
 * numbers too large for a double a third one. */
static int parse(struct ingest_sample *s, json_t **root)
{
    const struct ingest_raw *line = &s->raw;
    json_error_t error;
    bool no_memory;
    size_t copy_len;
    char *copy;

    *root = load(line->bytes, line->len, &error, &no_memory);
    if (!*root && !no_memory) {
        copy = plain_json(line->bytes, line->len, &copy_len);
        if (!copy)
            return INGEST_ENOMEM;
        *root = load(copy, copy_len, &error, &no_memory);
        if (!*root && json_error_code(&error) == json_error_numeric_overflow) {
            copy_len = plain_json_shorten_numbers(copy, copy_len);
            *root = load(copy, copy_len, &error, &no_memory);
        }
        free(copy);
    }
    if (no_memory)
        return INGEST_ENOMEM;
    if (!*root && (!utf8_valid(line->bytes, line->len) || is_lone_surrogate(&error)))
        reject_line(s, REJECT_TEXT_NOT_UTF8, "not UTF-8 (%s)", error.text);
    else if (!*root)
        reject_line(s, REJECT_BAD_JSON, "not JSON (column %d: %s)", error.column,
                    error.text);
    else if (!json_is_object(*root))
        reject_line(s, REJECT_BAD_JSON, "not a JSON object");
    return INGEST_OK;
}

/* The last member called `name`, as JSON readers take it; value NULL: there is none. */
static int find_member(const struct ingest_raw *line, const char *name,
                       struct json_member *found)
{
    const char *at = line->bytes;
    struct json_member m;

    *found = (struct json_member){0};
    while (json_member_next(&at, line->bytes + line->len, &m)) {
        int is = json_member_is(&m, name);

        if (is < 0)
            return is;
        if (is)
            *found = m;
    }
    return INGEST_OK;
}

static int use_line_number(struct ingest_sample *s)
{
    char number[24];

    snprintf(number, sizeof(number), "%" PRIu64, s->raw.number);
    s->key = strdup(number);
    return s->key ? INGEST_OK : INGEST_ENOMEM;
}

static int use_string(struct ingest_sample *s, const struct reader_options *o,
                      const struct json_value *id)
{
    char *key = malloc(id->len + 1), *escaped = NULL;
    const char *problem;

    if (!key)
        return INGEST_ENOMEM;
    json_value_copy(id, key);
    key[id->len] = '\0';
    problem = key_problem(key, id->len);
    if (id->len > 0 && !problem) {
        s->key = key;
        return INGEST_OK;
    }
    if (id->len > 0)
        escaped = key_escape(key, id->len);
    free(key);
    if (id->len == 0) {
        reject_line(s, REJECT_BAD_KEY, "'%s' is empty", o->id_field);
        return use_line_number(s);
    }
    reject_line(s, REJECT_BAD_KEY, "'%s': %s", o->id_field, problem);
    s->key = escaped;
    return s->key ? INGEST_OK : INGEST_ENOMEM;
}

/* A whole number's digits are the key, as they stand in the line. */
static int use_number(struct ingest_sample *s, const struct reader_options *o,
                      const struct json_value *id)
{
    size_t n = 0;
    bool whole;

    while (n < id->n_bytes && memchr("-0123456789", id->bytes[n], 11))
        n++;
    whole = n > 0 && n == id->n_bytes;
    if (whole && n <= KEY_MAX_BYTES) {
        s->key = strndup(id->bytes, n);
        return s->key ? INGEST_OK : INGEST_ENOMEM;
    }
    if (whole)
        reject_line(s, REJECT_BAD_KEY, "'%s': %s", o->id_field,
                    key_problem(id->bytes, n));
    else
        reject_line(s, REJECT_BAD_KEY, "'%s' is not a whole number", o->id_field);
    return use_line_number(s);
}

static int find_key(struct ingest_sample *s, const struct reader_options *o,
                    const struct json_value *id)
{
    if (id->kind == JSON_IS_STRING)
        return use_string(s, o, id);
    if (id->kind == JSON_IS_NUMBER)
        return use_number(s, o, id);
    if (id->kind == JSON_IS_OTHER)
        reject_line(s, REJECT_BAD_KEY, "'%s' is neither a string nor a number",
                    o->id_field);
    return use_line_number(s);
}

/* The one part, of text[0..len), which is taken also on failure. */
static int set_text(struct ingest_sample *s, const struct reader_options *o, char *text,
                    size_t len)
{
    struct ingest_alternative *c = calloc(1, sizeof(*c));

    if (!c || ingest_sample_set_parts(s, 1) != INGEST_OK) {
        free(c);
        free(text);
        return INGEST_ENOMEM;
    }
    s->parts[0].alternatives = c;
    s->parts[0].n_alternatives = 1;
    c->text = text;
    c->text_len = len;
    c->name = malloc(sizeof("json.") + strlen(o->text_field));
    if (!c->name)
        return INGEST_ENOMEM;
    memcpy(c->name, "json.", 5);
    memcpy(c->name + 5, o->text_field, strlen(o->text_field) + 1);
    return INGEST_OK;
}

static int find_text(struct ingest_sample *s, const struct reader_options *o,
                     const struct json_value *value)
{
    size_t marks, len = value->len;
    char *text;

    if (value->kind != JSON_IS_STRING) {
        reject_line(s, REJECT_NO_TEXT, "'%s' is %s", o->text_field,
                    value->kind == JSON_IS_ABSENT ? "not there" : "not a string");
        return INGEST_OK;
    }
    text = malloc(len + 1);
    if (!text)
        return INGEST_ENOMEM;
    json_value_copy(value, text);
    marks = utf8_marks(text, len);
    len -= marks;
    if (marks > 0)
        memmove(text, text + marks, len);
    text[len] = '\0';
    if (!is_blank_or_nul(text, len))
        return set_text(s, o, text, len);
    reject_line(s, REJECT_EMPTY_TEXT, "'%s' is nothing but white space%s", o->text_field,
                memchr(text, '\0', len) ? " and NULs" : "");
    free(text);
    return INGEST_OK;
}

static char *put(char *out, const char *from, const char *to)
{
    memcpy(out, from, (size_t)(to - from));
    return out + (to - from);
}

/* Copies the object to `out` without the members called `name`. A member goes with what
 * stands between it and the next one; the last one with what stands before it. Gives the
 * copy's length, 0 where no member is left; INGEST_ENOMEM. */
static int64_t copy_without(const struct ingest_raw *line, const char *name, char *out)
{
    const char *at = memchr(line->bytes, '{', line->len);
    const char *end = line->bytes + line->len;
    const char *from = at; /* what is not yet copied, or dropped */
    char *to = out, *kept = NULL;
    struct json_member m;
    bool dropped = false;

    while (json_member_next(&at, end, &m)) {
        int is = json_member_is(&m, name);

        if (is < 0)
            return is;
        if (is && !dropped)
            to = put(to, from, m.name);
        if (!is) {
            to = put(to, dropped ? m.name : from, at);
            kept = to;
        }
        from = at;
        dropped = is;
    }
    if (!kept)
        return 0;
    to = put(dropped ? kept : to, from, end);
    while (to > out && memchr(" \t\r", to[-1], 3))
        to--;
    return to - out;
}

static int find_metadata(struct ingest_sample *s, const struct reader_options *o,
                         const struct json_document *d)
{
    int64_t len;
    char *shrunk;

    if (!o->keep_metadata || !d->has_others)
        return INGEST_OK;
    s->metadata = malloc(s->raw.len + 1);
    if (!s->metadata)
        return INGEST_ENOMEM;
    len = copy_without(&s->raw, o->text_field, s->metadata);
    if (len < 0)
        return (int)len;
    s->dropped_metadata = (uint64_t)len > o->max_metadata;
    if (len == 0 || s->dropped_metadata) {
        free(s->metadata);
        s->metadata = NULL;
        return INGEST_OK;
    }
    shrunk = realloc(s->metadata, (size_t)len + 1);
    if (!shrunk)
        return INGEST_ENOMEM;
    s->metadata = shrunk;
    s->metadata_len = (size_t)len;
    s->metadata[len] = '\0';
    return INGEST_OK;
}

/* What jansson has found. */
static struct json_value value_of(const json_t *value)
{
    struct json_value v = {.kind = JSON_IS_OTHER};

    if (!value)
        v.kind = JSON_IS_ABSENT;
    else if (json_is_null(value))
        v.kind = JSON_IS_NULL;
    else if (json_is_number(value))
        v.kind = JSON_IS_NUMBER;
    else if (json_is_string(value))
        v = (struct json_value){JSON_IS_STRING, json_string_value(value),
                                json_string_length(value), json_string_length(value)};
    return v;
}

/* Fills *d, whose strings *root lends, or rejects. */
static int parse_by_jansson(struct ingest_sample *s, const struct reader_options *o,
                            json_t **root, struct json_document *d)
{
    struct json_member m;
    int rc = parse(s, root);

    if (rc != INGEST_OK || s->reject.reason != REJECT_NONE)
        return rc;
    *d = (struct json_document){.text = value_of(json_object_get(*root, o->text_field)),
                                .id = value_of(json_object_get(*root, o->id_field)),
                                .has_others = true}; /* or not */
    if (d->id.kind == JSON_IS_NUMBER) {
        rc = find_member(&s->raw, o->id_field, &m);
        d->id.bytes = m.value;
        d->id.n_bytes = m.value_len;
    }
    return rc;
}

/* Key, text and metadata of what is JSON. A bad key is only shown: it is nobody's. */
static int fill(struct ingest_sample *s, const struct reader_options *o,
                const struct json_document *d)
{
    int rc = find_key(s, o, &d->id);

    if (rc != INGEST_OK || s->reject.reason != REJECT_NONE)
        return rc;
    s->unchecked_key = true;
    rc = find_text(s, o, &d->text);
    if (rc == INGEST_OK && s->reject.reason == REJECT_NONE)
        rc = find_metadata(s, o, d);
    return rc;
}

int document_parse(struct ingest_sample *s, const struct reader_options *options)
{
    const struct reader_options *o = options;
    struct json_document d;
    json_t *root = NULL;
    int rc = INGEST_OK;

    if (!s->raw.bytes)
        reject_line(s, REJECT_TOO_LONG,
                    "more than %zu bytes; --max-doc-bytes is the limit",
                    o->max_doc_bytes);
    else if (!json_scan(s->raw.bytes, s->raw.len, o->text_field, o->id_field, &d))
        rc = parse_by_jansson(s, o, &root, &d);
    if (rc == INGEST_OK && s->reject.reason == REJECT_NONE)
        rc = fill(s, o, &d);
    else if (rc == INGEST_OK)
        rc = use_line_number(s);
    json_decref(root);
    free(s->raw.bytes);
    s->raw = (struct ingest_raw){0};
    if (rc < 0)
        ingest_sample_clear(s);
    return rc;
}
