/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/run/device_list.h"

#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
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

/* CUDA numbers anew those that stand in the list, up to one that is none. */
static size_t count_visible(const char *visible)
{
    size_t n = 0;

    while (isalnum((unsigned char)*visible)) {
        n++;
        visible += strcspn(visible, ",");
        visible += *visible == ',';
    }
    return n;
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

static void find_all(struct device_list *d, const char *visible, const char *root)
{
    if (visible) {
        add_cudas(d, count_visible(visible));
    } else {
        const size_t n = count_entries(root, "proc/driver/nvidia/gpus", is_any);

        add_cudas(d, n > 0 ? n : count_entries(root, "dev", is_device));
    }
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
