/* SPDX-License-Identifier: Apache-2.0
 * tools/model_advice.h - what to do about a --vae or --tokenizer that cannot be opened as
 * it is: said on stderr, with what works today instead. */
#ifndef TOOLS_MODEL_ADVICE_H
#define TOOLS_MODEL_ADVICE_H

/* Each returns 0, or EXIT_USAGE after explaining, for a path that has nothing wrong that
 * its name, its kind or a folder's contents would tell. */
int model_advise_vae(const char *path);
int model_advise_tokenizer(const char *path);

#endif
