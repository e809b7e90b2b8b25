/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/prepare_options.c - `prepare`'s command line: the tables of its
 * components. */
#include "tools/cli/options.h"
#include "tools/prepare/prepare.h"

static const char about[] =
    "Reads image-caption pairs from WebDataset tars, crops and resizes the images,\n"
    "encodes them with a VAE or with several encoders, tokenizes the captions, and "
    "writes\n"
    "one shard (or more) and one manifest an input to DIR. Text documents from JSON "
    "Lines are tokenized and\n"
    "written alike. Run again, it does only what is missing.\n\n"
    "INPUT is a path of a .tar or .jsonl (plain, gz, zst, bz2 or xz), a brace pattern "
    "such\n"
    "as part-{00000..00099}.tar, @LIST (a file with one input a line), '-' (standard\n"
    "input) or pipe:COMMAND.";

static int parse(struct prepare_options *o, int argc, char **argv, int *n_operands)
{
    struct option options[1 + N_IMAGE_OPTIONS + N_ENCODER_OPTIONS + N_TEXT_OPTIONS +
                          N_SELECT_OPTIONS + N_RUN_OPTIONS + N_PROCESS_OPTIONS];
    struct option *next = options;
    const struct option_table table = {
        .usage = "latentmill prepare --out DIR [OPTION]... INPUT...",
        .about = about,
        .options = options,
        .n_options = sizeof(options) / sizeof(*options)};

    *next++ = (struct option){.name = "out",
                              .type = OPTION_STRING,
                              .value = &o->run.out,
                              .arg = "DIR",
                              .help = "where shards and manifests go (needed)"};
    image_options_list(&o->image, next);
    encoder_options_collect(&o->given, next, N_IMAGE_OPTIONS);
    encoder_options_list(&o->given, next += N_IMAGE_OPTIONS);
    text_options_list(&o->text, next += N_ENCODER_OPTIONS);
    select_options_list(&o->select, next += N_TEXT_OPTIONS);
    run_options_list(&o->run, next += N_SELECT_OPTIONS);
    process_options_list(&o->process, next + N_RUN_OPTIONS);
    return options_parse(&table, argc, argv, n_operands);
}

/* What the tables cannot say. */
static int check(struct prepare_options *o)
{
    int rc;

    if (!o->run.out) {
        usage_error("--out DIR is needed (see --help)");
        return OPTIONS_WRONG;
    }
    rc = encoder_options_resolve(&o->given, &o->image, &o->process, &o->encoders);
    if (rc == OPTIONS_OK)
        rc = text_options_check(&o->text);
    return rc == OPTIONS_OK ? select_options_check(&o->select) : rc;
}

int prepare_options_parse(struct prepare_options *o, int argc, char **argv,
                          int *n_operands)
{
    int rc;

    *o = (struct prepare_options){.image = image_options_default(),
                                  .process = process_options_default(),
                                  .text = text_options_default(),
                                  .select = select_options_default(),
                                  .run = run_options_default()};
    rc = parse(o, argc, argv, n_operands);
    return rc == OPTIONS_OK ? check(o) : rc;
}
