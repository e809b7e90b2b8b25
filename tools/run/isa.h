/* SPDX-License-Identifier: Apache-2.0
 * tools/run/isa.h - LATENTMILL_ISA: the user's word on which instruction set is used. */
#ifndef TOOLS_RUN_ISA_H
#define TOOLS_RUN_ISA_H

/* Gives *isa, NULL for the best (the variable is unset or empty). Returns 0, or
 * EXIT_USAGE after explaining on stderr that the name is unknown, or that this machine
 * lacks it. */
int isa_from_environment(const char **isa);

#endif
