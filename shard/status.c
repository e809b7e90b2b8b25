/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/status.h"

const char *shard_strerror(int status)
{
    switch (status) {
    case SHARD_OK:
        return "success";
    case SHARD_EOF:
        return "end of shard";
    case SHARD_NOT_FOUND:
        return "no such record";
    case SHARD_ENOMEM:
        return "out of memory";
    case SHARD_EIO:
        return "input or output error";
    case SHARD_EFORMAT:
        return "not a shard, or damaged";
    case SHARD_EVERSION:
        return "shard of a later format version";
    case SHARD_EDAMAGED:
        return "damaged frame";
    case SHARD_EINVAL:
        return "invalid record or option";
    case SHARD_EMODEL:
        return "unusable tokenizer model";
    case SHARD_ESPECIAL:
        return "special token in a text";
    case SHARD_EMATCH:
        return "match limit of a tokenizer";
    case SHARD_EUNMATCHED:
        return "text that the tokenizer's pattern leaves out";
    case SHARD_EGROWTH:
        return "too long once it is normalized";
    default:
        return "unknown status";
    }
}
