/* SPDX-License-Identifier: Apache-2.0
 * tests/programs/fail_allocation.c - one failed allocation, at a call stack of choice.
 *
 * A library for LD_PRELOAD. It tells the program's allocations apart by the return
 * addresses of the calling functions, hashed relative to their libraries, so that a stack
 * has the same number in every run of the same files:
 *
 *     FAIL_ALLOCATION_LIST=FILE  writes the distinct stacks to FILE at the end, one a
 * line in the order of first use: number, then its addresses as library+offset, innermost
 * first FAIL_ALLOCATION_AT=NUMBER  fails the first allocation with that stack, once
 *     FAIL_ALLOCATION_TOLD=FILE  is made when that happens
 *     FAIL_ALLOCATION_WHOLE=A:B  these libraries are one function each, in every stack
 *
 * Stacks without a frame of the program itself are left out: they are of the loader and
 * of the libraries' constructors, before main(). C++'s operator new allocates by
 * malloc(). */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_FRAMES = 96, MAX_LIBRARIES = 128, MAX_STACKS = 1 << 16 };

/* glibc's own, under names that nothing replaces. */
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

struct library {
    uintptr_t start, end;
    const char *name;
    bool whole;
};

struct stack {
    uint64_t number;
    int n;
    void *frames[MAX_FRAMES];
};

static struct library libraries[MAX_LIBRARIES]; /* [0] is the program */
static size_t n_libraries;
static struct stack *stacks; /* in order; `seen` has their places + 1 by number */
static uint32_t *seen;
static uint32_t n_stacks;
static pthread_mutex_t lock =
    PTHREAD_MUTEX_INITIALIZER; /* guards stacks, seen, n_stacks */
static const char *list;
static const char *told;
static uint64_t chosen;
static bool watching;
/* No allocation on first use, and none of backtrace()'s own counts. */
static __thread bool inside __attribute__((tls_model("initial-exec")));

/* Whether one of the names in the list is a part of `name`. */
static bool is_whole(const char *name)
{
    const char *at = getenv("FAIL_ALLOCATION_WHOLE");

    while (at != NULL && *at != '\0') {
        const size_t n = strcspn(at, ":");
        if (n > 0 && memmem(name, strlen(name), at, n) != NULL)
            return true;
        at += n + (at[n] == ':');
    }
    return false;
}

static int add_library(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size, (void)unused;
    if (n_libraries == MAX_LIBRARIES)
        return 1;
    struct library *l = &libraries[n_libraries++];
    l->start = UINTPTR_MAX;
    l->name = info->dlpi_name;
    l->whole = is_whole(info->dlpi_name);
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        const uintptr_t start = info->dlpi_addr + p->p_vaddr;
        if (p->p_type != PT_LOAD)
            continue;
        l->start = start < l->start ? start : l->start;
        l->end = start + p->p_memsz > l->end ? start + p->p_memsz : l->end;
    }
    return 0;
}

static const struct library *library_of(const void *address)
{
    for (size_t i = 0; i < n_libraries; i++)
        if ((uintptr_t)address >= libraries[i].start &&
            (uintptr_t)address < libraries[i].end)
            return &libraries[i];
    return NULL;
}

/* FNV-1a over places that do not move with the address space; never 0. */
static uint64_t number_of(void *const *frames, int n, bool *of_program)
{
    uint64_t h = 0xcbf29ce484222325u;
    const struct library *before = NULL;

    *of_program = false;
    for (int i = 0; i < n; i++) {
        const struct library *l = library_of(frames[i]);
        if (l != NULL && l->whole && l == before)
            continue;
        before = l;
        uint64_t place = l != NULL && !l->whole ? (uintptr_t)frames[i] - l->start : 0;
        place ^= (uint64_t)(l != NULL ? l - libraries + 1 : 0) << 48;
        *of_program |= l == &libraries[0];
        for (int b = 0; b < 64; b += 8)
            h = (h ^ (place >> b & 255)) * 0x100000001b3u;
    }
    return h | 1;
}

static void remember(uint64_t number, void *const *frames, int n)
{
    pthread_mutex_lock(&lock);
    uint32_t at = (uint32_t)number % (2 * MAX_STACKS);
    while (seen[at] != 0 && stacks[seen[at] - 1].number != number)
        at = (at + 1) % (2 * MAX_STACKS);
    if (seen[at] == 0 && n_stacks < MAX_STACKS) {
        struct stack *s = &stacks[n_stacks++];
        s->number = number;
        s->n = n;
        memcpy(s->frames, frames, (size_t)n * sizeof(*frames));
        seen[at] = n_stacks;
    }
    pthread_mutex_unlock(&lock);
}

/* Whether it is this number's turn: once in the process. */
static bool take_turn(uint64_t number)
{
    static int taken;

    if (number != chosen || __atomic_exchange_n(&taken, 1, __ATOMIC_RELAXED))
        return false;
    const int fd = told != NULL ? open(told, O_WRONLY | O_CREAT | O_CLOEXEC, 0666) : -1;
    if (fd >= 0)
        close(fd);
    return true;
}

/* Not inlined, so that the first two frames, this and the replaced function, are known.
 */
__attribute__((noinline)) static bool fails(void)
{
    void *frames[MAX_FRAMES];
    bool of_program, turn = false;

    if (!watching || inside)
        return false;
    inside = true;
    const int saved = errno;
    const int n = backtrace(frames, MAX_FRAMES);
    if (n > 2) {
        const uint64_t number = number_of(frames + 2, n - 2, &of_program);
        if (of_program && list != NULL)
            remember(number, frames + 2, n - 2);
        turn = of_program && chosen != 0 && take_turn(number);
    }
    errno = turn ? ENOMEM : saved;
    inside = false;
    return turn;
}

void *malloc(size_t size)
{
    void *p = fails() ? NULL : __libc_malloc(size);
    return p;
}

void *calloc(size_t n, size_t size)
{
    void *p = fails() ? NULL : __libc_calloc(n, size);
    return p;
}

void *realloc(void *old, size_t size)
{
    void *p = fails() ? NULL : __libc_realloc(old, size);
    return p;
}

void *reallocarray(void *old, size_t n, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(n, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    void *p = fails() ? NULL : __libc_realloc(old, bytes);
    return p;
}

void *memalign(size_t alignment, size_t size)
{
    void *p = fails() ? NULL : __libc_memalign(alignment, size);
    return p;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    void *p = fails() ? NULL : __libc_memalign(alignment, size);
    return p;
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *p = fails() ? NULL : __libc_memalign(alignment, size);

    if (p == NULL)
        return ENOMEM;
    *out = p;
    return 0;
}

__attribute__((constructor)) static void begin(void)
{
    void *frame;
    const char *at = getenv("FAIL_ALLOCATION_AT");

    list = getenv("FAIL_ALLOCATION_LIST");
    told = getenv("FAIL_ALLOCATION_TOLD");
    chosen = at != NULL ? strtoull(at, NULL, 16) : 0;
    if (list == NULL && chosen == 0)
        return;
    unsetenv("LD_PRELOAD"); /* what the program starts is not under test */
    dl_iterate_phdr(add_library, NULL);
    backtrace(&frame, 1); /* loads the unwinder */
    stacks = __libc_calloc(MAX_STACKS, sizeof(*stacks));
    seen = __libc_calloc(2 * (size_t)MAX_STACKS, sizeof(*seen));
    watching = stacks != NULL && seen != NULL;
}

static void print_frame(FILE *f, const void *frame)
{
    const struct library *l = library_of(frame);
    Dl_info info = {0};

    dladdr(frame, &info);
    fprintf(f, " %s+%zx:%s", l != NULL ? l->name : "?",
            (size_t)((uintptr_t)frame - (l != NULL ? l->start : 0)),
            info.dli_sname != NULL ? info.dli_sname : "");
}

__attribute__((destructor)) static void end(void)
{
    watching = false;
    FILE *f = list != NULL ? fopen(list, "we") : NULL;
    if (f == NULL)
        return;
    for (uint32_t i = 0; i < n_stacks; i++) {
        fprintf(f, "%016llx", (unsigned long long)stacks[i].number);
        for (int k = 0; k < stacks[i].n; k++)
            print_frame(f, stacks[i].frames[k]);
        fputc('\n', f);
    }
    fclose(f);
}
