/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/run/device_list.h"

#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_cuda(struct device_list *d, size_t number)
{
    snprintf(d->names[d->n++], DEVICE_NAME_CAP, "cuda:%zu", number);
}

static void add_cudas(struct device_list *d, size_t n)
{
    for (size_t i = 0; i < n && i < DEVICES_MAX; i++)
        add_cuda(d, i);
}

static bool is_any(const char *name)
{
    return name[0] != '.';
}

/* "nvidia0", but not "nvidiactl" or "nvidia-uvm". */
static bool is_device(const char *name)
{
    static const char prefix[] = "nvidia";

    return strncmp(name, prefix, sizeof(prefix) - 1) == 0 &&
           isdigit((unsigned char)name[sizeof(prefix) - 1]);
}

static size_t count_entries(const char *root, const char *folder,
                            bool (*counts)(const char *name))
{
    char path[4096];
    const struct dirent *entry;
    size_t n = 0;
    DIR *dir;

    snprintf(path, sizeof(path), "%s%s", root, folder);
    dir = opendir(path);
    while (dir && (entry = readdir(dir)))
        n += counts(entry->d_name);
    if (dir)
        closedir(dir);
    return n;
}

/* Of all that the driver shows; 0: it shows none, or is not there. */
static size_t count_all(const char *root)
{
    const size_t n = count_entries(root, "proc/driver/nvidia/gpus", is_any);

    return n > 0 ? n : count_entries(root, "dev", is_device);
}

/* Bytes of the identifier at the beginning of `id`: an index below n_all (0: any), or
 * what begins as a UUID does; 0: it is none. */
static size_t identifier_len(const char *id, size_t n_all)
{
    const size_t digits = strspn(id, "0123456789");
    const size_t len = strcspn(id, ", \t");

    if (digits > 0)
        return digits == len && (n_all == 0 || strtoull(id, NULL, 10) < n_all) ? len : 0;
    return strncmp(id, "GPU-", 4) == 0 || strncmp(id, "MIG-", 4) == 0 ? len : 0;
}

/* Whether this one stands in the list before, which ends at `id`. */
static bool is_repeated(const char *list, const char *id, size_t len)
{
    for (;; list++) {
        list += strspn(list, " \t");
        if (list >= id)
            return false;
        if (strcspn(list, ", \t") == len && strncmp(list, id, len) == 0)
            return true;
        list += strcspn(list, ",");
    }
}

/* CUDA numbers anew those that stand in the list, up to one that is none or was there. */
static size_t count_visible(const char *visible, size_t n_all)
{
    const char *id = visible;
    size_t n = 0;

    for (;; id++) {
        size_t len;

        id += strspn(id, " \t");
        len = identifier_len(id, n_all);
        if (len == 0 || is_repeated(visible, id, len))
            return n;
        id += len;
        id += strspn(id, " \t");
        if (*id != ',')
            return *id == '\0' ? n + 1 : n;
        n++;
    }
}

static void find_all(struct device_list *d, const char *visible, const char *root)
{
    const size_t n_all = count_all(root);

    add_cudas(d, visible ? count_visible(visible, n_all) : n_all);
    if (d->n == 0)
        memcpy(d->names[d->n++], "cpu", sizeof("cpu"));
}

/* "cpu", "cuda", "xpu:1": what torch.device() could take. */
static bool is_torch_name(const char *name, size_t len)
{
    const size_t letters = strspn(name, "abcdefghijklmnopqrstuvwxyz");

    if (letters == 0 || letters >= len)
        return letters >= len;
    return name[letters] == ':' && letters + 1 < len &&
           letters + 1 + strspn(name + letters + 1, "0123456789") >= len;
}

static const char *add_named(struct device_list *d, const char *name, size_t len)
{
    const size_t digits = strspn(name, "0123456789");
    const bool number = digits >= len;

    if (len == 0)
        return "a name is missing between its commas";
    if (len > DEVICE_NAME_CAP - 8)
        return "a name is too long";
    if (!number && !is_torch_name(name, len))
        return "a device is a number, cpu, or a name as cuda:0";
    if (d->n == DEVICES_MAX)
        return "has more than 64 devices";
    snprintf(d->names[d->n++], DEVICE_NAME_CAP, "%s%.*s", number ? "cuda:" : "", (int)len,
             name);
    return NULL;
}

const char *device_list_make(struct device_list *out, const char *text,
                             const char *visible, const char *root)
{
    const char *wrong = NULL;

    *out = (struct device_list){0};
    if (!text || strcmp(text, "auto") == 0) {
        find_all(out, visible, root);
        return NULL;
    }
    for (;;) {
        const size_t len = strcspn(text, ",");

        wrong = add_named(out, text, len);
        if (wrong || text[len] == '\0')
            return wrong;
        text += len + 1;
    }
}
