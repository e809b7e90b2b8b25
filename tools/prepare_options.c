/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/prepare_options.h"

#include <math.h>
#include <string.h>

#include "ingest/utf8.h"
#include "tools/options.h"

const char *const resize_names[] = {"bicubic", "lanczos", "bilinear", "area", NULL};
const char *const icc_mode_names[] = {"srgb", "ignore", NULL};
const char *const latent_dtype_names[] = {"fp16", "bf16", "fp32", NULL};
const char *const moments_names[] = {"mean", "mean+logvar", NULL};
static const char *const truncated[] = {"reject", "keep", NULL};
static const char *const metadata[] = {"keep", "none", NULL};
static const char *const damaged[] = {"fail", "keep", NULL};

static const char about[] =
    "Reads image-caption pairs from WebDataset tars, crops and resizes the images,\n"
    "encodes them with a VAE, tokenizes the captions, and writes one shard (or more) "
    "and\n"
    "one manifest an input to DIR. Text documents from JSON Lines are tokenized and\n"
    "written alike. Run again, it does only what is missing.\n\n"
    "INPUT is a path of a .tar or .jsonl (plain, gz, zst, bz2 or xz), a brace pattern "
    "such\n"
    "as part-{00000..00099}.tar, @LIST (a file with one input a line), '-' (standard\n"
    "input) or pipe:COMMAND.";

static void set_defaults(struct prepare_options *o)
{
    const struct reader_options reading = reader_options_default();

    *o = (struct prepare_options){.size = 256,
                                  .scale = NAN,
                                  .caption_first = 0.8,
                                  .patch = 2,
                                  .text_field = reading.text_field,
                                  .id_field = reading.id_field,
                                  .max_doc_bytes = (int64_t)reading.max_doc_bytes,
                                  .name_depth = 1,
                                  .max_metadata = (int64_t)reading.max_metadata,
                                  .max_member = (int64_t)reading.max_member_bytes,
                                  .decode_mem = (int64_t)384 << 20,
                                  .max_reject_rate = 0.5,
                                  .grace = 10,
                                  .batch = PREPARE_DEFAULT_BATCH};
}

struct reader_options prepare_reader_options(const struct prepare_options *o)
{
    return (struct reader_options){.keep_metadata = o->metadata == 0,
                                   .max_metadata = (size_t)o->max_metadata,
                                   .unpack_memory = (uint64_t)o->decode_mem,
                                   .limit = (uint64_t)o->limit,
                                   .image_field = o->image_field,
                                   .max_member_bytes = (size_t)o->max_member,
                                   .text_field = o->text_field,
                                   .id_field = o->id_field,
                                   .max_doc_bytes = (size_t)o->max_doc_bytes};
}

/* Fields are compared in lower case, and the configuration must not tell JPG from jpg.
 * The text is argv's, which a program may change. */
static void fold_case(const char *text)
{
    for (char *c = (char *)text; c && *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
}

/* The text's member names the text in its record, so it keeps a name's limits. */
static bool is_member_name(const char *name)
{
    enum { MOST = 1000 };

    return utf8_valid(name, strlen(name)) && strlen(name) <= MOST;
}

/* What the table cannot say. */
static int check_values(const struct prepare_options *o)
{
    const char *field_problem =
        o->image_field ? reader_image_field_problem(o->image_field) : NULL;

    if (!o->out)
        usage_error("--out DIR is needed (see --help)");
    else if (o->scale == 0)
        usage_error("--scale 0: must be above 0");
    else if (field_problem)
        usage_error("--image-field %s: %s", o->image_field, field_problem);
    else if (!is_member_name(o->text_field) || !is_member_name(o->id_field))
        usage_error("--text-field and --id-field: UTF-8 of at most 1000 bytes");
    else if (strcmp(o->text_field, o->id_field) == 0)
        usage_error("--text-field and --id-field are the same");
    else
        return OPTIONS_OK;
    return OPTIONS_WRONG;
}

static const int64_t gib = (int64_t)1 << 30;

enum { N_RUNNING = 11 };

/* Those that alter no record. */
static void list_running(struct prepare_options *o, struct option list[N_RUNNING])
{
    const struct option running[] = {
        {.type = OPTION_HEADING, .help = "Running"},
        {"workers", OPTION_INT, &o->workers, "N",
         "encoding threads (what affinity, cgroup and Slurm allow)", NULL, 1, 1024},
        {"batch", OPTION_INT, &o->batch, "N", "images a worker encodes at once (4)", NULL,
         1, 64},
        {"redo", OPTION_FLAG, &o->redo, NULL,
         "do the given inputs again, also where they are complete", NULL, 0, 0},
        {"retry-failed", OPTION_FLAG, &o->retry_failed, NULL,
         "do damaged and rejected inputs again", NULL, 0, 0},
        {"same-input", OPTION_FLAG, &o->same_input, NULL,
         "take '-', a FIFO or another command for what a finished input was made from",
         NULL, 0, 0},
        {"check-inputs", OPTION_FLAG, &o->check_inputs, NULL,
         "read the files of finished inputs whole, to see that they are the same", NULL,
         0, 0},
        {"damaged", OPTION_CHOICE, &o->damaged, NULL,
         "exit status for a damaged input: 42, or 0 (fail)", damaged, 0, 0},
        {"grace", OPTION_INT, &o->grace, "S",
         "stopped by a signal, finish inputs in hand if that takes less than S seconds "
         "(10)",
         NULL, 0, 1000000},
        {"log", OPTION_STRING, &o->log, "FILE",
         "append events and, every 30 seconds, progress as JSON lines", NULL, 0, 0},
        {"quiet", OPTION_FLAG, &o->quiet, NULL, "no progress and no final report", NULL,
         0, 0},
    };

    _Static_assert(sizeof(running) == N_RUNNING * sizeof(*running), "N_RUNNING");
    memcpy(list, running, sizeof(running));
}

/* "auto", then the readers. */
static void list_formats(const char *names[N_READERS + 2])
{
    names[0] = "auto";
    for (int i = 0; i < N_READERS; i++)
        names[1 + i] = readers[i]->name;
    names[1 + N_READERS] = NULL;
}

static int parse(struct prepare_options *o, int argc, char **argv, int *n_operands)
{
    const char *input_formats[N_READERS + 2];
    const struct option shaping[] = {
        {"out", OPTION_STRING, &o->out, "DIR", "where shards and manifests go (needed)",
         NULL, 0, 0},
        {.type = OPTION_HEADING, .help = "Images"},
        {"size", OPTION_INT, &o->size, "N", "side of the training image, pixels (256)",
         NULL, 8, 4096},
        {"resize", OPTION_CHOICE, &o->resize, NULL, "resampling filter (bicubic)",
         resize_names, 0, 0},
        {"icc", OPTION_CHOICE, &o->icc, NULL, "convert to sRGB by profile, or not (srgb)",
         icc_mode_names, 0, 0},
        {"jpeg-scale", OPTION_INT, &o->jpeg_scale, "F",
         "decode large JPEGs smaller, down to F x --size (0: never)", NULL, 0, 64},
        {"min-size", OPTION_INT, &o->min_size, "N",
         "reject images whose shorter side has fewer pixels (0)", NULL, 0, 1 << 20},
        {"truncated", OPTION_CHOICE, &o->truncated, NULL,
         "what to do with an image that ends early (reject)", truncated, 0, 0},
        {"decode-mem", OPTION_BYTES, &o->decode_mem, "BYTES",
         "for decoding and tokenizing; images that need more are too_many_pixels (384M)",
         NULL, 1 << 20, 1024 * gib},
        {.type = OPTION_HEADING, .help = "Latents"},
        {"vae", OPTION_STRING, &o->vae, "PATH",
         "diffusers AutoencoderKL folder, .safetensors file, or TAESD encoder\n"
         "(builtin: a small demonstration model)",
         NULL, 0, 0},
        {"scale", OPTION_REAL, &o->scale, "X",
         "the latents' scale, where no config.json says it", NULL, 0, 1000000},
        {"latent", OPTION_CHOICE, &o->latent, NULL, "stored type (fp16)",
         latent_dtype_names, 0, 0},
        {"moments", OPTION_CHOICE, &o->moments, NULL, "of the posterior (mean)",
         moments_names, 0, 0},
        {.type = OPTION_HEADING, .help = "Text"},
        {"tokenizer", OPTION_STRING, &o->tokenizer, "FILE|none",
         "SentencePiece BPE model (builtin: a small demonstration model)", NULL, 0, 0},
        {"boi", OPTION_STRING, &o->boi, "PIECE",
         "begin-of-image marker (the id behind the last piece)", NULL, 0, 0},
        {"eoi", OPTION_STRING, &o->eoi, "PIECE",
         "end-of-image marker (the second id behind the last piece)", NULL, 0, 0},
        {"caption-first", OPTION_REAL, &o->caption_first, "P",
         "share of samples whose caption comes before the image (0.8)", NULL, 0, 1},
        {"seed", OPTION_INT, &o->seed, "N", "of all draws (0)", NULL, 0, INT64_MAX},
        {"patch", OPTION_INT, &o->patch, "K",
         "default patch window of readers: 1, 2, 4 or 8 (2); latents are stored whole",
         NULL, 1, 8},
        {.type = OPTION_HEADING, .help = "Selection"},
        {"image-field", OPTION_STRING, &o->image_field, "EXT",
         "the member that is the image (jpg, jpeg, png, webp, else by magic bytes)", NULL,
         0, 0},
        {"input-format", OPTION_CHOICE, &o->input_format, NULL,
         "of all inputs (auto: jsonl where a path ends so, else tar)", input_formats, 0,
         0},
        {"text-field", OPTION_STRING, &o->text_field, "NAME",
         "a document's member that is its text (text)", NULL, 0, 0},
        {"id-field", OPTION_STRING, &o->id_field, "NAME",
         "a document's member that is its key, else the line's number is (id)", NULL, 0,
         0},
        {"max-doc-bytes", OPTION_BYTES, &o->max_doc_bytes, "BYTES",
         "longer lines are too_long (4M)", NULL, 1, DOCUMENT_MAX_BYTES},
        {"metadata", OPTION_CHOICE, &o->metadata, NULL,
         "the pairs' JSON, and that of documents without their text (keep)", metadata, 0,
         0},
        {"max-metadata", OPTION_BYTES, &o->max_metadata, "BYTES",
         "longer JSON is dropped and counted (64K)", NULL, 0, 1 << 20},
        {"max-member", OPTION_BYTES, &o->max_member, "BYTES",
         "longer images are too_many_bytes (64M); captions are beyond 1M", NULL, 1,
         2 * gib},
        {"max-reject-rate", OPTION_REAL, &o->max_reject_rate, "R",
         "an input with a higher share of rejects gives no shard\n"
         "(0.5; judged from 100 samples on)",
         NULL, 0, 1},
        {"limit", OPTION_INT, &o->limit, "N", "read only N samples of each input", NULL,
         1, INT64_MAX},
        {"name", OPTION_STRING, &o->name, "NAME",
         "what the outputs are called, needed for '-' and pipe:;\n"
         "a brace pattern for several inputs",
         NULL, 0, 0},
        {"name-depth", OPTION_INT, &o->name_depth, "N",
         "components of the path that make the name (1)", NULL, 1, 64},
    };
    enum { N_SHAPING = sizeof(shaping) / sizeof(*shaping) };
    struct option options[N_SHAPING + N_RUNNING];
    const struct option_table table = {
        .usage = "latentmill prepare --out DIR [OPTION]... INPUT...",
        .about = about,
        .options = options,
        .n_options = sizeof(options) / sizeof(*options)};

    list_formats(input_formats);
    memcpy(options, shaping, sizeof(shaping));
    list_running(o, options + N_SHAPING);
    return options_parse(&table, argc, argv, n_operands);
}

int prepare_options_parse(struct prepare_options *o, int argc, char **argv,
                          int *n_operands)
{
    int rc;

    set_defaults(o);
    rc = parse(o, argc, argv, n_operands);
    fold_case(o->image_field);
    return rc == OPTIONS_OK ? check_values(o) : rc;
}
