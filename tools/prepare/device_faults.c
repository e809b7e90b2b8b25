/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/device_faults.c - what follows where a child fails: it is started again,
 * and its batches are sent again, one at a time.
 *
 * A batch at which it has failed twice is halved until the image that is to blame is
 * alone. Halves go behind the other suspects, so that good ones are answered between bad
 * ones. Before an image is given up, the child must answer a grey one: if it cannot, the
 * child is broken, and no sample is rejected for that. */
#include <stdlib.h>
#include <string.h>

#include "tools/prepare/device.h"
#include "tools/prepare/sample.h"
#include "tools/prepare/unit.h"
#include "tools/run/clock.h"

enum { KILLS = 2 }; /* failures at a batch before it is halved */

static void append_suspect(struct device_worker *w, struct device_request *r)
{
    struct device_request **at = &w->suspects;

    while (*at)
        at = &(*at)->next;
    r->next = NULL;
    *at = r;
}

/* "batch 12: 16 images of 256 x 256, the first NAME/KEY" */
static void describe(const struct device_request *r, char *out, size_t cap)
{
    const struct sample *s = r->n > 0 ? r->images[0].sample : NULL;

    if (!s || r->probe)
        snprintf(out, cap, "a grey image of %u x %u", r->width, r->height);
    else
        snprintf(out, cap, "batch %llu: %zu image%s of %u x %u, %s%s/%s",
                 (unsigned long long)r->id, r->n, r->n == 1 ? "" : "s", r->width,
                 r->height, r->n == 1 ? "" : "the first ", s->unit->input->name,
                 s->in.key);
}

/* Makes suspects of parts of it, of at most `most` images. Takes r; returns PIPE_OK or
 * -1. */
static int split(struct device_worker *w, struct device_request *r, size_t most)
{
    for (size_t at = 0; at < r->n; at += most) {
        const size_t n = r->n - at < most ? r->n - at : most;
        struct device_request *part = device_request_new(n, r->width, r->height);

        if (!part) {
            device_request_free(r);
            return job_fail(w->job, "out of memory");
        }
        memcpy(part->images, r->images + at, n * sizeof(part->images[0]));
        part->kills = r->kills;
        append_suspect(w, part);
    }
    device_request_free(r);
    return PIPE_OK;
}

static int broken(struct device_worker *w, const struct device_request *r,
                  const char *why)
{
    return job_fail(w->job,
                    "encoder %s %u is broken: it cannot even encode a grey image (%s), "
                    "nor what it was tried for (%s)",
                    w->child->setup->label, w->child->number, why, r->reject.detail);
}

/* It has failed at r alone, or r was the first of those under way. Takes r. */
static int blame(struct device_worker *w, struct device_request *r, const char *why)
{
    if (r->probe) {
        const int rc = broken(w, r, why);

        device_request_free(r);
        return rc;
    }
    r->kills++;
    if (r->kills < KILLS) {
        r->next = w->suspects; /* it was at this one */
        w->suspects = r;
        return PIPE_OK;
    }
    if (r->n > 1) {
        r->kills = KILLS - 1; /* once more is enough for a part of it */
        return split(w, r, (r->n + 1) / 2);
    }
    reject_set(&r->reject, REJECT_ENCODER_FAILED, "%s: %s", w->child->setup->label, why);
    append_suspect(w, r);
    return PIPE_OK;
}

/* Starts the child again. *again: it has failed anew, and may be tried once more. */
static int start_again(struct device_worker *w, bool *again)
{
    struct child_encoder *c = w->child;
    const json_t *said = w->stage->encoding->children->hello.json;
    const char *other;

    *again = true;
    if (child_encoder_start(c) != 0)
        return PIPE_OK;
    switch (child_encoder_greet(c, w->job->cancel_fd)) {
    case GREETING_OK:
        *again = false;
        break;
    case GREETING_CANCELLED:
        return PIPE_END;
    case GREETING_REFUSED:
        return job_fail(w->job, "encoder %s %u: %s", c->setup->label, c->number, c->why);
    case GREETING_FAILED:
        return PIPE_OK;
    }
    c->most_payload = device_longest_answer(w);
    other = child_hello_difference(said, c->hello);
    if (other)
        return job_fail(w->job,
                        "encoder %s %u: after its restart its hello has another \"%s\" "
                        "than before",
                        c->setup->label, c->number, other);
    return PIPE_OK;
}

/* `what` it was at. */
static int restart(struct device_worker *w, const char *why, const char *what)
{
    const int64_t most = w->stage->encoding->children->options->restarts;
    bool again = true;
    int rc = PIPE_OK;

    while (rc == PIPE_OK && again) {
        child_encoder_stop(w->child, 0);
        if (++w->n_failures > most)
            return job_fail(w->job,
                            "encoder %s %u: %s, at %s; it was started again %lld times "
                            "without an answer between (--encoder-restarts)",
                            w->child->setup->label, w->child->number, why, what,
                            (long long)most);
        device_say(w, "%s, at %s; starting it again (%lld of %lld)", why, what,
                   (long long)w->n_failures, (long long)most);
        atomic_fetch_add(&w->stage->restarts, 1);
        rc = start_again(w, &again);
        why = w->child->why;
        what = "its start";
    }
    w->since_ns = clock_ns();
    return rc;
}

int device_child_failed(struct device_worker *w, const char *why)
{
    char words[sizeof(w->child->why)], what[400] = "nothing";
    const size_t n = w->n_under_way;
    int rc = PIPE_OK;

    snprintf(words, sizeof(words), "%s", why); /* which may be the child's own */
    if (n > 0)
        describe(w->under_way[0], what, sizeof(what));
    w->n_under_way = 0;
    child_encoder_stop(w->child, 0); /* so that nothing of these is lent any more */
    if (n > 1)
        append_suspect(w, w->under_way[1]);
    if (n > 0)
        rc = blame(w, w->under_way[0], words);
    return rc == PIPE_OK ? restart(w, words, what) : rc;
}

/* No memory on its device: fewer at once, from now on. Takes r. */
static int shrink(struct device_worker *w, struct device_request *r, const char *why)
{
    char what[400];
    int rc;

    describe(r, what, sizeof(what));
    if (r->n == 1) {
        rc = r->probe ? broken(w, r, why)
                      : job_fail(w->job,
                                 "encoder %s %u: a single image is too large for its "
                                 "device (%s), at %s",
                                 w->child->setup->label, w->child->number, why, what);
        device_request_free(r);
        return rc;
    }
    if (w->most > r->n / 2)
        w->most = r->n / 2;
    device_say(w, "no memory on its device (%s), at %s; from now on %zu at once", why,
               what, w->most);
    return split(w, r, w->most);
}

int device_take_error(struct device_worker *w, const struct child_error *error)
{
    struct device_request *r = w->under_way[0];
    char why[300], what[400];

    snprintf(why, sizeof(why), "%.*s",
             (int)(error->message_len < 250 ? error->message_len : 250), error->message);
    describe(r, what, sizeof(what));
    if (error->code == CHILD_REFUSED)
        return job_fail(w->job, "encoder %s %u: %s, at %s", w->child->setup->label,
                        w->child->number, why, what);
    w->under_way[0] = w->under_way[1];
    w->n_under_way--;
    w->since_ns = clock_ns();
    if (error->code == CHILD_NO_MEMORY)
        return shrink(w, r, why);
    device_say(w, "%s, at %s", why, what);
    r->kills = KILLS - 1; /* it says so: no need to try the same again */
    return blame(w, r, why);
}

int device_probe_answered(struct device_worker *w, struct device_request *r)
{
    struct sample *s = r->images[0].sample;

    sample_reject(s, s->renditions[r->images[0].rendition].part, &r->reject);
    device_request_free(r);
    return device_image_done(w, s);
}

/* What a probe sends. */
static uint8_t *grey_image(uint32_t width, uint32_t height)
{
    const size_t len = (size_t)width * height * 3;
    uint8_t *grey = malloc(len);

    if (grey)
        memset(grey, 128, len);
    return grey;
}

struct device_request *device_next_suspect(struct device_worker *w)
{
    struct device_request *r = w->suspects;

    if (r->reject.reason != REJECT_NONE && !r->probe) {
        r->grey = grey_image(r->width, r->height);
        if (!r->grey)
            return NULL;
        r->images[0].rgb = r->grey;
        r->probe = true;
    }
    w->suspects = r->next;
    return r;
}
