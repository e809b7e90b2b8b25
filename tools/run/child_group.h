/* SPDX-License-Identifier: Apache-2.0
 * tools/run/child_group.h - the processes of one encoder: which command, how many, on
 * which devices; started, greeted and held against each other. */
#ifndef TOOLS_RUN_CHILD_GROUP_H
#define TOOLS_RUN_CHILD_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/run/child_encoder.h"
#include "tools/run/child_hello.h"

struct child_group_options {
    const char *label;
    const char *scheme, *rest; /* "cmd", "python3 mine.py" */
    const char *args;          /* more words for one that ships; NULL: none */
    int64_t processes;         /* 0: one for each device */
    const char *devices;       /* device_list.h; NULL: auto */
    const struct child_hearer *hearer;
    int64_t timeout_s;           /* that an answer or a hello may take */
    int64_t restarts;            /* in a row without any answer */
    uint32_t width, height;      /* of the images that it will get */
    const char *dtype, *moments; /* that are stored: "fp16", "mean" */
    int memory;                  /* a descriptor that they are offered; 0: none */
};

struct child_group {
    const struct child_group_options *options; /* lent */
    struct child_setup setup;
    struct child_hello hello;
    struct encoder_features *features; /* as it says; owned */
    bool on_cpu;                       /* it would take any GPU, but there is none */
    unsigned n;
    struct child_encoder **children; /* n; NULL: not started */
};

/* Whether encoders of that scheme work in processes of their own; and the names of all
 * that do, as much as fits: "cmd, diffusers, ...". */
bool child_group_has(const char *scheme);
void child_group_schemes(char *out, size_t cap);

/* Whether the command of encoders of that scheme ships, so that words can stand behind.
 */
bool child_group_ships(const char *scheme);

/* Starts all of them. `options` are kept until it is closed. Returns 0, or EXIT_USAGE or
 * EXIT_FAILED after explaining on stderr. Release with child_group_close() in either
 * case. */
int child_group_open(struct child_group *g, const struct child_group_options *options);

/* Waits for their hellos. Returns as child_group_open() does. */
int child_group_greet(struct child_group *g);

/* Ends what still runs. */
void child_group_close(struct child_group *g);

/* What the description of an encoder can say: all of it lent by the group. */
void child_group_describe(const struct child_group *g, struct encoder_description *out);

#endif
