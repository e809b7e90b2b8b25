/* SPDX-License-Identifier: Apache-2.0
 * tools/cli/exit_code.h - what the program's exit status tells a scheduler. */
#ifndef TOOLS_CLI_EXIT_CODE_H
#define TOOLS_CLI_EXIT_CODE_H

enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,      /* an error: disk full, out of memory, ... */
    EXIT_USAGE = 2,       /* wrong usage or configuration: do not retry */
    EXIT_BAD_INPUT = 42,  /* done, but an input is damaged or was rejected */
    EXIT_INTERRUPTED = 75 /* stopped by a signal: run the same command again */
};

#endif
