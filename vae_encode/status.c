/* SPDX-License-Identifier: Apache-2.0 */
#include "vae_encode/status.h"

const char *vae_strerror(int status)
{
    switch (status) {
    case VAE_OK:
        return "success";
    case VAE_CANCELLED:
        return "cancelled";
    case VAE_ENOMEM:
        return "out of memory";
    case VAE_EIO:
        return "model file could not be read";
    case VAE_EFORMAT:
        return "malformed model file";
    case VAE_EMODEL:
        return "unsupported model";
    case VAE_EINVAL:
        return "request does not fit the model";
    default:
        return "unknown status";
    }
}
