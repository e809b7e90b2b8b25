/* SPDX-License-Identifier: Apache-2.0
 * shard/status.h - public: what the functions of shard/ return. */
#ifndef SHARD_STATUS_H
#define SHARD_STATUS_H

enum shard_status {
    SHARD_OK = 0,
    SHARD_EOF = 1,       /* no more records: not an error */
    SHARD_NOT_FOUND = 2, /* no record of that position or key: not an error */
    SHARD_ENOMEM = -1,
    SHARD_EIO = -2,      /* the system call's error is in why() */
    SHARD_EFORMAT = -3,  /* not a shard, or its header or index is damaged */
    SHARD_EVERSION = -4, /* a later format than this reader knows */
    SHARD_EDAMAGED = -5, /* a frame is damaged: its records are lost, others are not */
    SHARD_EINVAL = -6,   /* the caller's record or option breaks a limit of FORMAT.md */
    SHARD_EMODEL = -7,   /* a tokenizer model that is not what it should be */
    SHARD_ESPECIAL = -8, /* a text spells a special token, and is not to */
    SHARD_EMATCH = -9,   /* a text is too hard for a tokenizer: its limit of steps */
    SHARD_EUNMATCHED = -10, /* a tokenizer's pattern leaves a part of a text out */
    SHARD_EGROWTH = -11     /* a tokenizer's file makes too much of a text */
};

/* A short English name of `status`. Static; never NULL. */
const char *shard_strerror(int status);

#endif
