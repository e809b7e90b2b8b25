/* SPDX-License-Identifier: Apache-2.0
 * tools/dump/dump_text.c - one sample as a few lines for a person.
 *
 * The same bytes on every machine: fixed precision, no widths from the terminal or its
 * tables. All text from the shard is escaped. */
#include <inttypes.h>
#include <string.h>

#include "shard/parts.h"
#include "shard/sequence.h"
#include "shard/status.h"
#include "tools/dump/dump_sample.h"
#include "tools/cli/print.h"
#include "tools/view/tensor.h"

enum { INDENT = 12, LINE = 90, MOST_METADATA = 240 };

static void put_string(FILE *out, const char *text)
{
    print_escaped(out, text, strlen(text));
}

/* Two blanks before it and, also behind a long one, a blank at least. */
static void put_label(FILE *out, const char *label)
{
    fprintf(out, "  %-*s ", INDENT - 3, label);
}

static void put_special(FILE *out, const char *name, int64_t id)
{
    if (id >= 0)
        fprintf(out, ", %s %" PRId64, name, id);
    else
        fprintf(out, ", no %s", name);
}

static void put_reals(FILE *out, const char *label, const double *values, size_t n)
{
    enum { MOST = 16 };

    fputs(label, out);
    for (size_t i = 0; i < n && i < MOST; i++)
        fprintf(out, " %.9g", values[i]);
    if (n > MOST)
        fprintf(out, " ... (%zu values)", n);
}

/* ", patches ? x 1152": a dim that is not always the same is a question mark. */
static void put_features(FILE *out, const struct shard_features *f)
{
    fputs(", ", out);
    put_string(out, f->what);
    for (size_t i = 0; i < f->n_dims; i++) {
        fputs(i == 0 ? " " : " x ", out);
        if (f->dims[i] > 0)
            fprintf(out, "%" PRIu32, f->dims[i]);
        else
            putc('?', out);
    }
}

static void put_encoder(FILE *out, size_t i, const struct shard_encoder *e)
{
    char label[32];

    snprintf(label, sizeof(label), "encoder %zu", i);
    put_label(out, label);
    put_string(out, e->name);
    fputs(": ", out);
    put_string(out, e->kind);
    fputs(" of ", out);
    put_string(out, e->of);
    fputs(", ", out);
    put_string(out, e->family);
    if (shard_kind_number(e->kind) == SHARD_LATENT) {
        fprintf(out, ", f %" PRIu32 ", ", e->downscale);
        put_string(out, e->moments);
        put_reals(out, ", scale", e->scale, e->n_scale);
        put_reals(out, ", shift", e->shift, e->n_scale);
    }
    for (size_t k = 0; k < e->n_features; k++)
        put_features(out, &e->features[k]);
    if (e->weights_sha256 != NULL) {
        fputs(", weights ", out);
        print_escaped(out, e->weights_sha256, strnlen(e->weights_sha256, 12));
    }
    putc('\n', out);
}

static void put_tokenizer(FILE *out, const struct shard_tokenizer *t)
{
    put_label(out, "tokenizer");
    if (!t->present) {
        fputs("none\n", out);
        return;
    }
    put_string(out, t->file);
    fprintf(out, ", %" PRIu32 " pieces", t->n_pieces);
    put_special(out, "BOS", t->bos);
    put_special(out, "EOS", t->eos);
    fprintf(out, ", BOI %" PRIu32 ", EOI %" PRIu32 "\n", t->boi, t->eoi);
}

void dump_text_shard(FILE *out, const char *path, const struct shard_header *h,
                     uint64_t n_samples)
{
    put_string(out, path);
    fprintf(out, ": %" PRIu64 " sample%s of ", n_samples, plural_s(n_samples));
    put_string(out, h->name);
    fputs(", ", out);
    put_string(out, h->software);
    fputs(h->demo ? ", demo models\n" : "\n", out);
    for (size_t i = 0; i < h->n_encoders; i++)
        put_encoder(out, i, &h->encoders[i]);
    put_tokenizer(out, &h->tokenizer);
    put_label(out, "draws");
    fprintf(out, "seed %" PRIu64 ", caption first %.9g, patch %" PRIu32 "\n", h->seed,
            h->caption_first, h->patch);
}

static void put_n_tokens(FILE *out, const struct shard_alternative *a)
{
    if (a->n_ids == SHARD_NO_IDS)
        fputs("not tokenized", out);
    else
        fprintf(out, "%" PRIu32 " token%s", a->n_ids, plural_s(a->n_ids));
}

static void put_caption(FILE *out, const struct dump_sample *s)
{
    const size_t n = s->view.text->n_alternatives;

    put_label(out, s->view.arrangement == SHARD_PAIR ? "caption" : "text");
    print_escaped(out, s->view.caption->text, s->view.caption->text_len);
    putc('\n', out);
    put_label(out, "from");
    put_string(out, s->view.caption->name);
    fputs(", ", out);
    put_n_tokens(out, s->view.caption);
    if (n > 1)
        fprintf(out, ", %zu of %zu",
                (size_t)(s->view.caption - s->view.text->alternatives) + 1, n);
    putc('\n', out);
}

/* "id:piece id:piece ...", broken where a line is full. */
static void put_tokens(FILE *out, const struct dump_sample *s)
{
    const struct shard_alternative *a = s->view.caption;
    size_t column = INDENT;

    if (a->n_ids == SHARD_NO_IDS || a->n_ids == 0)
        return;
    put_label(out, "tokens");
    for (uint32_t i = 0; i < a->n_ids; i++) {
        if (i > 0 && column >= LINE) {
            fprintf(out, "\n%*s", INDENT, "");
            column = INDENT;
        } else if (i > 0) {
            putc(' ', out);
            column++;
        }
        column += (size_t)fprintf(out, "%" PRIu32, a->ids[i]);
        if (s->tokenizer != NULL) {
            char shown[4096];
            const size_t len =
                tokenizer_piece_shown(s->tokenizer, a->ids[i], shown, sizeof(shown));

            putc(':', out);
            column += 1 + print_escaped(out, shown,
                                        len < sizeof(shown) ? len : sizeof(shown) - 1);
        }
    }
    putc('\n', out);
}

/* Positions [from, to), with what to put before them. */
static void put_run(FILE *out, const char *what, size_t from, size_t to)
{
    if (to == from + 1)
        fprintf(out, ", %s %zu", what, from);
    else if (to > from)
        fprintf(out, ", %s %zu-%zu", what, from, to - 1);
}

/* One appearance with what stands around it: BOI and EOI around an image. */
static void put_span(FILE *out, const struct dump_sample *s,
                     const struct shard_span *span)
{
    const size_t behind = span->offset + span->length;

    if (s->view.record->parts[span->part].kind == SHARD_PART_TEXT) {
        put_run(out, s->view.arrangement == SHARD_PAIR ? "caption" : "text", span->offset,
                behind);
        return;
    }
    put_run(out, "BOI", span->offset - 1, span->offset);
    put_run(out, span->kind == SHARD_CODES ? "codes" : "patches", span->offset, behind);
    fprintf(out, " (%" PRIu32 " x %" PRIu32 ")", span->rows, span->cols);
    put_run(out, "EOI", behind, behind + 1);
}

/* Where everything stands in what a trainer sees. */
static void put_positions(FILE *out, const struct dump_sample *s,
                          const struct shard_sequence *seq)
{
    const struct shard_tokenizer *t = &s->view.header->tokenizer;
    const size_t end = seq->length - (t->eos >= 0 ? 1 : 0);

    fprintf(out, "%zu positions", seq->length);
    put_run(out, "BOS", 0, t->bos >= 0 ? 1 : 0);
    for (size_t i = 0; i < seq->n_spans; i++)
        put_span(out, s, &seq->spans[i]);
    put_run(out, "EOS", end, seq->length);
    putc('\n', out);
}

static int put_sequence(FILE *out, const struct dump_sample *s)
{
    const struct shard_header *h = s->view.header;
    const struct shard_view view = {
        .header = h, .plan = shard_plan_default(), .window = h->patch};
    struct shard_draws draws;
    struct shard_sequence seq = {0};
    char why[128];

    if (s->view.caption == NULL || s->view.caption->n_ids == SHARD_NO_IDS)
        return 0;
    put_label(out, "sequence");
    int rc = shard_draws_stored(&draws, s->view.record, h->seed);
    if (rc == SHARD_OK)
        rc = shard_sequence_build(&view, s->view.record, &draws, &seq);
    if (rc == SHARD_EINVAL) {
        shard_sequence_explain(&view, s->view.record, &draws, why, sizeof(why));
        fprintf(out, "none: %s\n", why);
    } else if (rc == SHARD_OK) {
        put_positions(out, s, &seq);
    }
    shard_sequence_clear(&seq);
    shard_draws_clear(&draws);
    return rc == SHARD_ENOMEM ? -1 : 0;
}

static void put_shape(FILE *out, const struct shard_tensor *s)
{
    char number[16];

    for (uint32_t i = 0; i < s->n_dims; i++)
        fprintf(out, "%s%" PRIu32, i > 0 ? " x " : "", s->dims[i]);
    fprintf(out, "%s%s", s->n_dims > 0 ? " " : "", dump_dtype_name(s->dtype, number));
}

static void put_stats(FILE *out, const double *values, size_t n)
{
    const struct tensor_stats t = tensor_stats(values, n);

    fprintf(out, "mean %.4f, std %.4f, min %.4f, max %.4f\n", t.mean, t.std, t.min,
            t.max);
}

/* One line a row, each with its place: of three dims channel and row. */
static void put_values(FILE *out, const struct shard_tensor *t,
                       const struct dump_values *v)
{
    const size_t width = t->n_dims > 0 ? t->dims[t->n_dims - 1] : 1;
    const size_t height = t->n_dims == 3 ? t->dims[1] : 1;

    for (size_t i = 0; i < v->n; i++) {
        if (i % width == 0 && t->n_dims == 3)
            fprintf(out, "%*s[%zu,%zu]", INDENT, "", i / width / height,
                    i / width % height);
        else if (i % width == 0)
            fprintf(out, "%*s[%zu]", INDENT, "", i / width);
        fprintf(out, " %.*g", dump_digits(t->dtype), v->values[i]);
        if ((i + 1) % width == 0)
            putc('\n', out);
    }
}

/* The rest of its line, and more of them with all values. */
static void put_content(FILE *out, const struct dump_sample *s,
                        const struct shard_tensor *t)
{
    const struct dump_values *v = dump_values_of(s, t);

    put_shape(out, t);
    if (shard_dtype_width(t->dtype) == 0)
        fprintf(out, ", %zu bytes", t->n_bytes);
    if (v->values == NULL) {
        putc('\n', out);
        return;
    }
    fputs(", ", out);
    put_stats(out, v->values, v->n);
    if (s->latents == DUMP_LATENTS_FULL)
        put_values(out, t, v);
}

static void put_latent(FILE *out, const struct dump_sample *s)
{
    put_label(out, "latent");
    put_content(out, s, s->view.latent);
    if (s->view.logvar == NULL)
        return;
    put_label(out, "logvar");
    put_content(out, s, s->view.logvar);
}

static void put_geometry(FILE *out, const struct shard_rendition *r)
{
    fprintf(out,
            "%s %" PRIu32 " x %" PRIu32 " at %" PRIu32 ",%" PRIu32 ", resized to %" PRIu32
            " x %" PRIu32 "%s",
            shard_fit_name(r->fit), r->crop.width, r->crop.height, r->crop.left,
            r->crop.top, r->target_width, r->target_height,
            r->mirrored ? ", mirrored" : "");
}

static void put_sha256(FILE *out, const struct shard_part *image)
{
    for (size_t i = 0; i < sizeof(image->sha256); i++)
        fprintf(out, "%02x", image->sha256[i]);
}

static void put_image(FILE *out, const struct shard_part *image,
                      const struct shard_rendition *r)
{
    put_label(out, "image");
    fprintf(out, "%" PRIu32 " x %" PRIu32, image->width, image->height);
    if (r != NULL) {
        fputs(", ", out);
        put_geometry(out, r);
    }
    putc('\n', out);
    put_label(out, "sha256");
    put_sha256(out, image);
    putc('\n', out);
}

/* ---- what a caption, an image and its latent are not ---- */

/* A line that is about a part, by its number. */
static void put_label_of(FILE *out, const char *label, size_t part)
{
    put_label(out, label);
    fprintf(out, "%zu: ", part);
}

/* Whether the lines of a pair say all of its parts. */
static bool is_plain(const struct dump_sample *s)
{
    const struct shard_record *r = s->view.record;

    if (s->view.arrangement != SHARD_PAIR || r->n_parts != 2)
        return false;
    for (size_t i = 0; i < 2; i++)
        if (r->parts[i].flags != SHARD_FLAG_LOSS || r->parts[i].role[0] != 0)
            return false;
    return true;
}

static void put_parts(FILE *out, const struct dump_sample *s)
{
    char number[16];
    size_t n_texts = 0;

    for (size_t i = 0; i < s->view.record->n_parts; i++) {
        const struct shard_part *part = &s->view.record->parts[i];
        const struct shard_alternative *a =
            part->kind == SHARD_PART_TEXT ? record_view_drawn(&s->view, i, n_texts++)
                                          : NULL;
        put_label_of(out, i == 0 ? "parts" : "", i);
        fputs(dump_part_name(part->kind, number), out);
        fprintf(out, "%s%s", part->role[0] != 0 ? " " : "", part->role);
        fputs(part->flags == SHARD_FLAG_CONTEXT ? ", context" : ", loss", out);
        if (a != NULL) {
            fputs(", ", out);
            put_n_tokens(out, a);
        }
        putc('\n', out);
    }
}

/* "txt, 3 tokens: a red dog" */
static void put_alternative(FILE *out, const struct shard_alternative *a,
                            const char *drawn)
{
    put_string(out, a->name);
    fputs(", ", out);
    put_n_tokens(out, a);
    fputs(drawn, out);
    fputs(": ", out);
    print_escaped(out, a->text, a->text_len);
    putc('\n', out);
}

static void put_other_captions(FILE *out, const struct dump_sample *s)
{
    bool first = true;

    for (size_t i = 0; i < s->view.text->n_alternatives; i++) {
        const struct shard_alternative *a = &s->view.text->alternatives[i];
        if (a == s->view.caption)
            continue;
        put_label(out, first ? "others" : "");
        first = false;
        put_alternative(out, a, "");
    }
}

static void put_other_text(FILE *out, const struct dump_sample *s, size_t part,
                           const struct shard_alternative *drawn)
{
    const struct shard_part *text = &s->view.record->parts[part];

    for (size_t i = 0; i < text->n_alternatives; i++) {
        const struct shard_alternative *a = &text->alternatives[i];
        put_label_of(out, "text", part);
        put_alternative(out, a, a == drawn && text->n_alternatives > 1 ? ", drawn" : "");
    }
}

static size_t count_renditions(const struct dump_sample *s, size_t part)
{
    const struct shard_record *r = s->view.record;
    const size_t first = s->of_parts.rendition[part];
    size_t end = first;

    while (end < r->n_renditions && r->renditions[end].part == part)
        end++;
    return end - first;
}

static void put_other_image(FILE *out, const struct dump_sample *s, size_t part)
{
    const struct shard_record *r = s->view.record;
    const struct shard_part *image = &r->parts[part];
    const size_t first = s->of_parts.rendition[part], n = count_renditions(s, part);

    if (image != s->view.image) {
        put_label_of(out, "image", part);
        fprintf(out, "%" PRIu32 " x %" PRIu32 ", sha256 ", image->width, image->height);
        put_sha256(out, image);
        putc('\n', out);
    }
    for (size_t i = first; i < first + n; i++) {
        if (&r->renditions[i] == s->view.rendition)
            continue;
        put_label_of(out, "rendition", part);
        if (n > 1)
            fprintf(out, "%zu, ", i - first);
        if (r->renditions[i].kind == 0)
            put_geometry(out, &r->renditions[i]);
        else
            fprintf(out, "%" PRIu32, r->renditions[i].kind);
        putc('\n', out);
    }
}

/* Which of several outputs of an encoder it is. */
static void put_output(FILE *out, const struct shard_encoder *e, uint32_t output)
{
    if (e->n_outputs > 1) {
        putc(' ', out);
        put_string(out, e->outputs[output]);
    }
}

/* Of several alternatives or renditions, which one's it is. */
static void put_owner(FILE *out, const struct dump_sample *s, size_t number,
                      uint32_t owner)
{
    const struct shard_part *part = &s->view.record->parts[number];

    if (part->n_alternatives > 1) {
        fputs(" of ", out);
        put_string(out, part->alternatives[owner].name);
    } else if (part->kind == SHARD_PART_IMAGE && count_renditions(s, number) > 1) {
        fprintf(out, " of rendition %zu,", owner - s->of_parts.rendition[number]);
    }
}

static void put_other_tensors(FILE *out, const struct dump_sample *s, size_t part)
{
    for (size_t i = s->of_parts.start[part]; i < s->of_parts.start[part + 1]; i++) {
        const struct shard_tensor *t = &s->view.record->tensors[s->of_parts.tensor[i]];
        const struct shard_encoder *e = &s->view.header->encoders[t->encoder];
        if (t == s->view.latent || t == s->view.logvar)
            continue;
        put_label_of(out, "tensor", part);
        put_string(out, e->name);
        put_output(out, e, shard_output_of(t));
        fputs(shard_is_mirrored(t) ? " mirrored" : "", out);
        fputs(shard_is_logvar(t) ? " logvar" : "", out);
        put_owner(out, s, part, t->owner);
        putc(' ', out);
        put_content(out, s, t);
    }
}

static void put_others(FILE *out, const struct dump_sample *s)
{
    const struct shard_record *r = s->view.record;
    size_t n_texts = 0;

    for (size_t i = 0; i < r->n_parts; i++) {
        if (r->parts[i].kind == SHARD_PART_TEXT) {
            const struct shard_alternative *a = record_view_drawn(&s->view, i, n_texts++);
            if (&r->parts[i] != s->view.text)
                put_other_text(out, s, i, a);
        } else if (r->parts[i].kind == SHARD_PART_IMAGE) {
            put_other_image(out, s, i);
        }
        put_other_tensors(out, s, i);
    }
}

static void put_metadata(FILE *out, const struct shard_record *r)
{
    size_t n = r->metadata_len;

    if (r->metadata == NULL || n == 0)
        return;
    put_label(out, "metadata");
    if (n > MOST_METADATA) {
        /* Not within a character. */
        for (n = MOST_METADATA; n > 0 && (r->metadata[n] & 0xc0) == 0x80; n--)
            continue;
    }
    print_escaped(out, r->metadata, n);
    if (n < r->metadata_len)
        fprintf(out, " ... (%zu bytes)", r->metadata_len);
    putc('\n', out);
}

int dump_text_sample(FILE *out, const struct dump_sample *s)
{
    putc('\n', out);
    put_string(out, s->view.record->name);
    fputs(" ", out);
    put_string(out, s->view.record->key);
    fprintf(out, ", index %" PRIu64 "\n", s->view.record->index);
    if (s->view.arrangement == SHARD_PAIR) {
        put_label(out, "order");
        fputs(s->view.record->order == SHARD_CAPTION_FIRST ? "caption first\n"
                                                           : "image first\n",
              out);
    }
    if (!is_plain(s))
        put_parts(out, s);
    if (s->view.caption != NULL) {
        put_caption(out, s);
        put_tokens(out, s);
    }
    if (put_sequence(out, s) != 0)
        return -1;
    if (s->view.latent != NULL)
        put_latent(out, s);
    if (s->view.image != NULL)
        put_image(out, s->view.image, s->view.rendition);
    if (s->view.caption != NULL)
        put_other_captions(out, s);
    put_others(out, s);
    put_metadata(out, s->view.record);
    return 0;
}
