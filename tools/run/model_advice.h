/* SPDX-License-Identifier: Apache-2.0
 * tools/run/model_advice.h - what to do about a model that cannot be opened as
 * it is: said on stderr, with what works today instead. */
#ifndef TOOLS_RUN_MODEL_ADVICE_H
#define TOOLS_RUN_MODEL_ADVICE_H

/* What the errno value `error` says of a model's file that could not be used: EXIT_USAGE
 * where another try is of no help, else EXIT_FAILED. */
int model_cannot_open(const char *option, const char *path, int error);

/* Returns 0 for a file or folder that can be read and in which nothing is wrong that its
 * name, its kind or its contents would tell; else EXIT_USAGE or EXIT_FAILED. */
int model_check_vae(const char *path);

/* The same of a folder that Python is to read: with a config.json in it, or in its folder
 * `part` (NULL: none). `option` is what the path stands right behind. */
int model_check_folder(const char *option, const char *path, const char *part);

/* Gives the file (release with free()) that --tokenizer PATH means: itself, or of a
 * folder its tokenizer.json, else tokenizer.model, else its only .tiktoken file. Returns
 * 0, or EXIT_USAGE or EXIT_FAILED, with *file NULL, where nothing is there. */
int model_find_tokenizer(const char *path, char **file);

/* What transformers would end a text with: the eos_token of a tokenizer_config.json in
 * the folder `path`, or beside the file. Gives memory (release with free()), or NULL:
 * there is none, or no memory for it. */
char *model_eos_token(const char *path);

#endif
