/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/text/caption.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/status.h"
#include "ingest/text/utf8.h"

static int grow(struct caption_list *list)
{
    size_t cap = list->cap ? list->cap * 2 : 8;
    struct ingest_alternative *items;

    if (cap > SIZE_MAX / sizeof(*items))
        return INGEST_ENOMEM;
    items = realloc(list->items, cap * sizeof(*items));
    if (!items)
        return INGEST_ENOMEM;
    list->items = items;
    list->cap = cap;
    return INGEST_OK;
}

static int append(struct caption_list *list, const char *name, const char *text,
                  size_t len)
{
    struct ingest_alternative *c;

    if (list->n == list->cap && grow(list) < 0)
        return INGEST_ENOMEM;
    c = &list->items[list->n];
    *c = (struct ingest_alternative){
        .name = strdup(name), .text = malloc(len + 1), .text_len = len};
    list->n++;
    if (!c->name || !c->text)
        return INGEST_ENOMEM;
    memcpy(c->text, text, len);
    c->text[len] = '\0';
    return INGEST_OK;
}

int caption_list_add(struct caption_list *list, const char *name, const char *text,
                     size_t len)
{
    size_t marks = utf8_marks(text, len);
    int added;

    text += marks;
    len -= marks;
    if (!utf8_valid(text, len)) {
        list->n_not_utf8++;
        return INGEST_OK;
    }
    if (is_blank_or_nul(text, len)) {
        list->n_blank++;
        return INGEST_OK;
    }
    added = hash_set_add(&list->seen, text, len);
    return added == 1 ? append(list, name, text, len) : added;
}

/* By the mark, or by the zeros of Latin letters: in at least every other pair of bytes,
 * and on one side only. */
bool caption_maybe_utf16(const char *bytes, size_t len)
{
    size_t zeros[2] = {0, 0};

    if (len >= 2 &&
        (memcmp(bytes, "\xFF\xFE", 2) == 0 || memcmp(bytes, "\xFE\xFF", 2) == 0))
        return true;
    for (size_t i = 0; i < len; i++)
        zeros[i % 2] += bytes[i] == '\0';
    return len % 2 == 0 && 4 * (zeros[0] + zeros[1]) >= len &&
           (zeros[0] == 0) != (zeros[1] == 0);
}

int caption_list_add_file(struct caption_list *list, const char *name, const char *bytes,
                          size_t len)
{
    size_t n = len, n_left_out = list->n_not_utf8 + list->n_has_nul;
    int rc = INGEST_OK;

    while (n > 0 && (bytes[n - 1] == '\n' || bytes[n - 1] == '\r'))
        n--;
    if (memchr(bytes, '\0', n) && utf8_valid(bytes, n))
        list->n_has_nul++;
    else
        rc = caption_list_add(list, name, bytes, n);
    if (list->n_not_utf8 + list->n_has_nul > n_left_out)
        list->maybe_utf16 |= caption_maybe_utf16(bytes, len);
    return rc;
}

void caption_list_free(struct caption_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free(list->items[i].name);
        free(list->items[i].text);
    }
    free(list->items);
    hash_set_free(&list->seen);
    *list = (struct caption_list){0};
}
