/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/tar_writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tar_writer {
    FILE *file;
    char *path;
    struct archive *archive;
    struct archive_entry *entry;
    char why[600];
};

static int fail(struct tar_writer *w, const char *why)
{
    snprintf(w->why, sizeof(w->why), "%s: %s", w->path != NULL ? w->path : "a tar",
             why != NULL ? why : "cannot be written: out of memory?");
    return -1;
}

static la_ssize_t write_block(struct archive *a, void *shared, const void *data,
                              size_t len)
{
    struct tar_writer *w = shared;

    if (fwrite(data, 1, len, w->file) == len)
        return (la_ssize_t)len;
    archive_set_error(a, errno, "%s", strerror(errno));
    return -1;
}

int tar_writer_open(struct tar_writer **out, const char *path)
{
    struct tar_writer *w = calloc(1, sizeof(*w));

    *out = w;
    if (w == NULL)
        return -1;
    w->path = strdup(path);
    w->archive = archive_write_new();
    w->entry = archive_entry_new();
    if (w->path == NULL || w->archive == NULL || w->entry == NULL)
        return fail(w, "out of memory");
    w->file = fopen(path, "wxe");
    if (w->file == NULL)
        return fail(w, strerror(errno));
    if (archive_write_set_format_pax_restricted(w->archive) != ARCHIVE_OK ||
        archive_write_set_bytes_per_block(w->archive, 0) != ARCHIVE_OK ||
        archive_write_open(w->archive, w, NULL, write_block, NULL) != ARCHIVE_OK)
        return fail(w, archive_error_string(w->archive));
    return 0;
}

uint64_t tar_writer_at(const struct tar_writer *w)
{
    return (uint64_t)archive_filter_bytes(w->archive, 0);
}

static int write_data(struct tar_writer *w, const void *data, size_t len)
{
    if (len > 0 && archive_write_data(w->archive, data, len) != (la_ssize_t)len)
        return fail(w, archive_error_string(w->archive));
    return 0;
}

int tar_writer_add(struct tar_writer *w, const char *name, const void *head,
                   size_t head_len, const void *body, size_t body_len, uint64_t *data)
{
    archive_entry_clear(w->entry);
    archive_entry_set_pathname(w->entry, name);
    archive_entry_set_filetype(w->entry, AE_IFREG);
    archive_entry_set_perm(w->entry, 0644);
    archive_entry_set_size(w->entry, (la_int64_t)(head_len + body_len));
    archive_entry_set_mtime(w->entry, 0, 0);
    if (archive_write_header(w->archive, w->entry) != ARCHIVE_OK)
        return fail(w, archive_error_string(w->archive));
    *data = tar_writer_at(w);
    if (write_data(w, head, head_len) != 0 || write_data(w, body, body_len) != 0)
        return -1;
    /* The padding too, so that the next member's place is known. */
    if (archive_write_finish_entry(w->archive) != ARCHIVE_OK)
        return fail(w, archive_error_string(w->archive));
    return 0;
}

int tar_writer_finish(struct tar_writer *w)
{
    if (archive_write_close(w->archive) != ARCHIVE_OK)
        return fail(w, archive_error_string(w->archive));
    FILE *file = w->file;
    w->file = NULL;
    return fclose(file) == 0 ? 0 : fail(w, strerror(errno));
}

const char *tar_writer_why(const struct tar_writer *w)
{
    return w != NULL ? w->why : "out of memory";
}

void tar_writer_close(struct tar_writer *w)
{
    if (w == NULL)
        return;
    archive_write_free(w->archive); /* accepts NULL; an unfinished one writes its end */
    archive_entry_free(w->entry);
    if (w->file != NULL)
        fclose(w->file);
    free(w->path);
    free(w);
}
