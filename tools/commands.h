/* SPDX-License-Identifier: Apache-2.0
 * tools/commands.h - the subcommands: a folder each, listed in main.c's table.
 *
 * argv[0] is the subcommand's name. They return, for main() to return, a value of
 * enum exit_code (tools/cli/exit_code.h). */
#ifndef TOOLS_COMMANDS_H
#define TOOLS_COMMANDS_H

int prepare_main(int argc, char **argv);
int dump_main(int argc, char **argv);
int export_main(int argc, char **argv);
int bench_main(int argc, char **argv);
int index_main(int argc, char **argv);

#endif
