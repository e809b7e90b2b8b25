/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/run/model_advice.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/cli/exit_code.h"
#include "tools/cli/options.h"
#include "tools/cli/print.h"
#include "tools/cli/shell_word.h"

enum { MOST_NAMES = 12 };

#define TOKENIZER_CONFIG "tokenizer_config.json"
#define WEIGHTS "diffusion_pytorch_model.safetensors"

static bool ends_in(const char *path, const char *suffix)
{
    size_t len = strlen(path), n = strlen(suffix);

    return len >= n && strcasecmp(path + len - n, suffix) == 0;
}

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* A longer path could not be opened either. */
static bool has_file(const char *folder, const char *name)
{
    struct stat st;
    char path[PATH_MAX];

    return snprintf(path, sizeof(path), "%s/%s", folder, name) < PATH_MAX &&
           stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

#define ID_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./"

/* "owner/name", where no folder `owner` is here that may lack a `name`. */
static bool is_hub_id(const char *path)
{
    const char *slash = strchr(path, '/');
    char *owner;
    bool is_here;

    if (!slash || slash == path || !slash[1] || strchr(slash + 1, '/') ||
        path[0] == '.' || path[strspn(path, ID_CHARACTERS)] != '\0')
        return false;
    owner = strndup(path, (size_t)(slash - path));
    is_here = !owner || is_folder(owner);
    free(owner);
    return !is_here;
}

/* "a, b and 3 more": the names in a folder, "" of an empty one. Gives memory, or NULL. */
static char *list_names(const char *folder)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, NULL, alphasort), n_named = 0, n_more = 0;
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        bool counts = name[0] != '.';

        if (counts && out && n_named < MOST_NAMES)
            fprintf(out, "%s%s", n_named++ ? ", " : "", name);
        else
            n_more += counts;
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    if (!out)
        return NULL;
    if (n_more > 0)
        fprintf(out, " and %d more", n_more);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

/* option: with what stands between it and the path. */
static int refuse_missing(const char *option, const char *path, const char *files)
{
    const char *name = strrchr(path, '/');

    if (strstr(path, "://"))
        return usage_error("%s%s: URLs are not opened; download it first", option, path);
    if (!name || !is_hub_id(path))
        return usage_error("%s%s: %s", option, path, strerror(ENOENT));
    return usage_error("%s%s: No such file or directory; if it is a model of the Hugging "
                       "Face hub, download it first: pip install huggingface_hub && hf "
                       "download %s%s --local-dir %s, then %s%s",
                       option, path, path, files, name + 1, option, name + 1);
}

/* A pickle, which can run code and is not read. */
static int refuse_pickle(const char *path)
{
    char *word = shell_word(path);

    usage_error("--vae %s: is not safetensors; convert it once: python3 -c \"import sys, "
                "torch, safetensors.torch as s; d = torch.load(sys.argv[1], "
                "map_location='cpu', weights_only=True); d = d.get('state_dict', d); "
                "s.save_file({k: v.clone().contiguous() for k, v in d.items() if "
                "torch.is_tensor(v)}, sys.argv[1] + '.safetensors')\" %s",
                path, word ? word : "FILE");
    free(word);
    return EXIT_USAGE;
}

/* Gives the words for what a folder lacks of a VAE, `place` being "it" or "its vae/";
 * NULL: no memory. */
static char *describe_lack(const char *folder, const char *place, bool is_vae,
                           const char *names)
{
    const bool has_config = has_file(folder, "config.json");
    const bool has_weights = has_file(folder, WEIGHTS);
    char *text;
    int n;

    if (!*names)
        n = asprintf(&text, "there is nothing in %s", place);
    else if (has_config || has_weights)
        n = asprintf(&text, "there is a %s in %s, but no %s; in it: %s",
                     has_config ? "config.json" : WEIGHTS, place,
                     has_config ? WEIGHTS : "config.json", names);
    else
        n = asprintf(&text, "there is no config.json with a " WEIGHTS " in %s%s, but: %s",
                     place, is_vae ? "" : " nor in a vae/ of it", names);
    return n < 0 ? NULL : text;
}

static int refuse_vae_folder(const char *path)
{
    char vae[PATH_MAX];
    bool has_vae =
        snprintf(vae, sizeof(vae), "%s/vae", path) < PATH_MAX && is_folder(vae);
    const char *folder = has_vae ? vae : path;
    char *names = list_names(folder);
    char *lack =
        names ? describe_lack(folder, has_vae ? "its vae/" : "it", has_vae, names) : NULL;

    usage_error("--vae %s: %s%s", path, lack ? lack : "is no VAE's folder",
                has_file(folder, "diffusion_pytorch_model.bin")
                    ? " (given as --vae, the .bin says how to convert it)"
                    : "");
    free(lack);
    free(names);
    return EXIT_USAGE;
}

static int advise_vae_folder(const char *path)
{
    if ((has_file(path, "config.json") && has_file(path, WEIGHTS)) ||
        (has_file(path, "vae/config.json") && has_file(path, "vae/" WEIGHTS)))
        return 0;
    return refuse_vae_folder(path);
}

static int advise_vae(const char *path)
{
    static const char *const pickles[] = {".ckpt", ".pt", ".pth", ".bin"};

    if (access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return refuse_missing("--vae ", path, "");
    if (is_folder(path))
        return advise_vae_folder(path);
    for (size_t i = 0; i < sizeof(pickles) / sizeof(*pickles); i++)
        if (ends_in(path, pickles[i]))
            return refuse_pickle(path);
    return 0;
}

int model_cannot_open(const char *option, const char *path, int error)
{
    return error == EACCES ? usage_error("%s %s: %s", option, path, strerror(error))
                           : file_error(error, "%s %s", option, path);
}

int model_check_vae(const char *path)
{
    struct stat st;
    int rc = advise_vae(path);

    if (rc != 0)
        return rc;
    if (stat(path, &st) != 0 || access(path, R_OK) != 0)
        return model_cannot_open("--vae", path, errno);
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return usage_error("--vae %s: is neither a file nor a folder", path);
    return 0;
}

static int refuse_model_folder(const char *option, const char *path, const char *part)
{
    char *names = list_names(path);

    usage_error("%s%s: there is no config.json in it%s%s%s, but: %s", option, path,
                part ? ", nor in a " : "", part ? part : "", part ? "/ of it" : "",
                names && *names ? names : "nothing");
    free(names);
    return EXIT_USAGE;
}

int model_check_folder(const char *option, const char *path, const char *part)
{
    char config[64];

    if (access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return refuse_missing(option, path, "");
    if (!is_folder(path))
        return usage_error("%s%s: is not a model's folder, with a config.json", option,
                           path);
    snprintf(config, sizeof(config), "%s/config.json", part ? part : ".");
    return has_file(path, "config.json") || has_file(path, config)
               ? 0
               : refuse_model_folder(option, path, part);
}

/* The name of the only file of a folder that ends so. Gives memory, or NULL: there is
 * none, or there are several (*n). */
static char *single_file(const char *folder, const char *suffix, int *n)
{
    struct dirent **entries;
    int n_entries = scandir(folder, &entries, NULL, alphasort);
    char *name = NULL;

    *n = 0;
    for (int i = 0; i < n_entries; i++) {
        if (ends_in(entries[i]->d_name, suffix) && (*n)++ == 0)
            name = strdup(entries[i]->d_name);
        free(entries[i]);
    }
    if (n_entries >= 0)
        free(entries);
    if (*n == 1)
        return name;
    free(name);
    return NULL;
}

static int refuse_tokenizer_folder(const char *path, int n_tiktoken)
{
    char *names = list_names(path);

    if (n_tiktoken > 1)
        usage_error("--tokenizer %s: has %d .tiktoken files; name one of them", path,
                    n_tiktoken);
    else
        usage_error("--tokenizer %s: is a folder without tokenizer.json, tokenizer.model "
                    "or a .tiktoken file. In it: %s",
                    path, names && *names ? names : "nothing");
    free(names);
    return EXIT_USAGE;
}

static int find_in_folder(const char *path, char **file)
{
    static const char *const names[] = {"tokenizer.json", "tokenizer.model"};
    const char *name = NULL;
    char *single = NULL;
    int n = 0;

    for (size_t i = 0; i < sizeof(names) / sizeof(*names) && !name; i++)
        if (has_file(path, names[i]))
            name = names[i];
    if (!name)
        name = single = single_file(path, ".tiktoken", &n);
    if (!name)
        return n == 1 ? print_out_of_memory() : refuse_tokenizer_folder(path, n);
    if (asprintf(file, "%s/%s", path, name) < 0)
        *file = NULL;
    free(single);
    return *file ? 0 : print_out_of_memory();
}

int model_find_tokenizer(const char *path, char **file)
{
    *file = NULL;
    if (access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return refuse_missing("--tokenizer ", path, " tokenizer.json");
    if (is_folder(path))
        return find_in_folder(path, file);
    *file = strdup(path);
    return *file ? 0 : print_out_of_memory();
}

char *model_eos_token(const char *path)
{
    const char *slash = strrchr(path, '/');
    const int len = is_folder(path) ? (int)strlen(path) : slash ? (int)(slash - path) : 0;
    char *folder = len > 0 ? strndup(path, (size_t)len) : strdup(slash ? "/" : ".");
    char *file = NULL, *piece = NULL;
    json_t *config = NULL, *said;

    if (folder && has_file(folder, TOKENIZER_CONFIG) &&
        asprintf(&file, "%s/" TOKENIZER_CONFIG, folder) >= 0)
        config = json_load_file(file, 0, NULL);
    said = json_object_get(config, "eos_token");
    if (json_is_object(said)) /* an added token, written whole */
        said = json_object_get(said, "content");
    if (json_is_string(said))
        piece = strdup(json_string_value(said));
    json_decref(config);
    free(file);
    free(folder);
    return piece;
}
