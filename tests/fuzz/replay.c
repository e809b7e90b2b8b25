/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz/replay.c - runs a fuzz target over files, without libFuzzer.
 *
 *     fuzz_shard FILE|DIR...
 *
 * gives every file, and every file directly in a folder, to LLVMFuzzerTestOneInput(), in
 * order of name. Exit 0: all were survived; 2: nothing could be read. Built with
 * sanitizers, or not at all, it is the check that crashers stay fixed. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    struct stat st;
    int rc = -1;

    if (file == NULL || fstat(fileno(file), &st) != 0)
        goto out;
    /* Exactly as long as the input: a sanitizer sees one byte too many. */
    data = malloc(st.st_size > 0 ? (size_t)st.st_size : 1);
    if (data == NULL || fread(data, 1, (size_t)st.st_size, file) != (size_t)st.st_size)
        goto out;
    LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
    rc = 1;
out:
    if (rc < 0)
        perror(path);
    if (file != NULL)
        fclose(file);
    free(data);
    return rc;
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Number of files, or -1. */
static int replay_folder(const char *path)
{
    struct dirent **entries;
    int n = scandir(path, &entries, visible, alphasort);
    int done = 0;

    if (n < 0) {
        perror(path);
        return -1;
    }
    for (int i = 0; i < n; i++) {
        char name[4096];
        snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
        if (done >= 0)
            done = replay_file(name) < 0 ? -1 : done + 1;
        free(entries[i]);
    }
    free(entries);
    return done;
}

int main(int argc, char **argv)
{
    int total = 0;

    for (int i = 1; i < argc; i++) {
        struct stat st;
        int n = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode) ? replay_folder(argv[i])
                                                               : replay_file(argv[i]);
        if (n < 0)
            return 2;
        total += n;
    }
    if (total == 0) {
        fprintf(stderr, "%s: no input to replay\n", argv[0]);
        return 2;
    }
    printf("%d inputs replayed\n", total);
    return 0;
}
