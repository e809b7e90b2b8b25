/* SPDX-License-Identifier: Apache-2.0
 * tools/cli/no_memory.h - end the process where a library would go on without memory.
 *
 * jansson reads on without the character that it had no memory for, and protobuf, which
 * SentencePiece is built on, tears down what it had not yet built. Called once, before
 * any other thread, this makes both end the process with exit status 1 and a word on
 * stderr instead. What that loses is what a kill loses: the units in hand. */
#ifndef TOOLS_CLI_NO_MEMORY_H
#define TOOLS_CLI_NO_MEMORY_H

void no_memory_ends_process(void);

#endif
