/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/device_faults.c - what follows where a child fails: it is started again,
 * and its batches are sent again, one at a time.
 *
 * After each failure the child must answer a grey image first: if it cannot, the child is
 * broken, and no sample is rejected for that. Then it gets what it failed at again. A
 * batch at which it has failed twice is halved, and its halves go before all else, until
 * the image that is to blame is alone; that one has a trial more, as whoever ends
 * processes from outside knows nothing of images. Then the encoder's other processes, one
 * after another, have a trial each: it is rejected where all fail, so that no sample is
 * lost to a process that is sick. A process that fails at many images in a row, though it
 * can make the grey one, ends the run. */
#include <stdlib.h>
#include <string.h>

#include "tools/prepare/device.h"
#include "tools/prepare/sample.h"
#include "tools/prepare/unit.h"
#include "tools/run/clock.h"

/* Failures at a batch before it is halved, and at one image before it is rejected. */
enum { FAILURES_TO_HALVE = 2, FAILURES_TO_REJECT = 3 };

/* The next one to be sent. */
static void add_suspect(struct device_worker *w, struct device_request *r)
{
    r->next = w->suspects;
    w->suspects = r;
}

/* "batch 12: 16 images of 256 x 256, the first NAME/KEY" */
static void describe(const struct device_request *r, char *out, size_t cap)
{
    const struct sample *s = r->images[0].sample;

    if (r->grey)
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
    for (size_t end = r->n; end > 0;) { /* the first part is the next */
        const size_t n = (end - 1) % most + 1;
        struct device_request *part = device_request_new(n, r->width, r->height);

        if (!part) {
            device_request_free(r);
            return job_fail(w->job, "out of memory");
        }
        end -= n;
        memcpy(part->images, r->images + end, n * sizeof(part->images[0]));
        part->failures = r->failures;
        part->n_failed = r->n_failed;
        add_suspect(w, part);
    }
    device_request_free(r);
    return PIPE_OK;
}

/* To the next process. Takes r. */
static int offer(struct device_worker *w, struct device_request *r)
{
    struct device_stage *stage = w->stage;

    r->images[0].sample->is_shared = true;
    r->offered_to = (w->child->number + 1) % stage->encoding->children->n;
    pthread_mutex_lock(&stage->lock);
    r->next = stage->offers;
    stage->offers = r;
    pthread_mutex_unlock(&stage->lock);
    return PIPE_OK;
}

void device_take_offers(struct device_worker *w)
{
    struct device_request **at = &w->stage->offers;

    pthread_mutex_lock(&w->stage->lock);
    while (*at) {
        struct device_request *r = *at;

        if (r->offered_to == w->child->number) {
            *at = r->next;
            add_suspect(w, r);
        } else {
            at = &r->next;
        }
    }
    pthread_mutex_unlock(&w->stage->lock);
}

/* Its one image is to blame. Takes r. */
static int reject_image(struct device_worker *w, struct device_request *r,
                        const char *why)
{
    struct sample *s = r->images[0].sample;
    struct reject reject = {0};
    bool locked;

    reject_set(&reject, REJECT_ENCODER_FAILED, "%s: %s", w->child->setup->label, why);
    locked = device_lock(w, s);
    sample_reject(s, s->renditions[r->images[0].rendition].part, &reject);
    device_unlock(w, locked);
    device_request_free(r);
    return device_image_done(w, s);
}

/* Its one image is to blame, if no process can make it. Takes r. */
static int condemn(struct device_worker *w, struct device_request *r, const char *why)
{
    const struct child_group *group = w->stage->encoding->children;

    return ++r->n_failed < group->n ? offer(w, r) : reject_image(w, r, why);
}

/* It has failed at r alone, or r was the first of those under way. Takes r. */
static int blame(struct device_worker *w, struct device_request *r, const char *why)
{
    if (r->grey) { /* the next one is made anew */
        device_request_free(r);
        return PIPE_OK;
    }
    r->failures++;
    if (r->n == 1 && r->failures >= FAILURES_TO_REJECT)
        return condemn(w, r, why);
    if (r->n > 1 && r->failures >= FAILURES_TO_HALVE) {
        r->failures = FAILURES_TO_HALVE - 1; /* once more is enough for a part of it */
        return split(w, r, (r->n + 1) / 2);
    }
    add_suspect(w, r);
    return PIPE_OK;
}

/* Starts the child again, which failed at `what`. *again: it has failed anew, and may be
 * tried once more. */
static int start_again(struct device_worker *w, const char *what, bool *again)
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
                        "than before; it had failed at %s",
                        c->setup->label, c->number, other, what);
    return PIPE_OK;
}

/* `batch` is what it was at. */
static int restart(struct device_worker *w, const char *why, const char *batch)
{
    const int64_t most = w->stage->encoding->children->options->restarts;
    const char *what = batch; /* that it fails at: later its start */
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
        rc = start_again(w, batch, &again);
        why = w->child->why;
        what = "its start";
    }
    w->since_ns = clock_ns();
    return rc;
}

/* Whether one image after another has ended it, which it never says it cannot encode.
 * What others have failed at says nothing of this one. */
static bool is_sick(struct device_worker *w, const struct device_request *r)
{
    const bool condemned = r->n == 1 && !r->grey && r->n_failed == 0 &&
                           r->failures + 1 >= FAILURES_TO_REJECT;

    return condemned &&
           ++w->n_condemned > w->stage->encoding->children->options->restarts;
}

/* Takes r, the last of the images that have ended it. */
static int give_up(struct device_worker *w, struct device_request *r, const char *why)
{
    const struct sample *s = r->images[0].sample;

    job_fail(w->job,
             "encoder %s %u is taken to be broken: it has failed at %lld images alone "
             "without another answered between (--encoder-restarts); the last, %s/%s: %s",
             w->child->setup->label, w->child->number, (long long)w->n_condemned,
             s->unit->input->name, s->in.key, why);
    device_request_free(r);
    return -1;
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
    w->unproven = true;
    w->has_answered = false;
    child_encoder_stop(w->child, 0); /* so that nothing of these is lent any more */
    if (n > 1)
        add_suspect(w, w->under_way[1]);
    if (n > 0)
        rc = is_sick(w, w->under_way[0]) ? give_up(w, w->under_way[0], words)
                                         : blame(w, w->under_way[0], words);
    return rc == PIPE_OK ? restart(w, words, what) : rc;
}

/* No memory on its device: fewer at once, from now on. Takes r. */
static int shrink(struct device_worker *w, struct device_request *r, const char *why)
{
    char what[400];

    describe(r, what, sizeof(what));
    if (r->n == 1) {
        device_request_free(r);
        return job_fail(w->job,
                        "encoder %s %u: a single image is too large for its device (%s), "
                        "at %s",
                        w->child->setup->label, w->child->number, why, what);
    }
    if (w->most > r->n / 2)
        w->most = r->n / 2;
    device_say(w, "no memory on its device (%s), at %s; from now on %zu at once", why,
               what, w->most);
    return split(w, r, w->most);
}

/* It says that it cannot encode r. Takes r. To try the same once more would tell nothing,
 * if it can encode anything: it can where it has answered just before, or a grey image,
 * which comes before what it has failed at already. */
static int cannot_encode(struct device_worker *w, struct device_request *r,
                         const char *why)
{
    const bool works = r->failures > 0 || (r->n == 1 && w->has_answered);

    if (r->grey) {
        device_request_free(r);
        return job_fail(
            w->job, "encoder %s %u is broken: it cannot even encode a grey image (%s)",
            w->child->setup->label, w->child->number, why);
    }
    w->has_answered = false;
    w->unproven = !works;
    if (r->n == 1 && works)
        return condemn(w, r, why);
    if (r->n > 1 && r->failures == 0)
        r->failures = 1; /* its halves are the next */
    return blame(w, r, why);
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
    return cannot_encode(w, r, why);
}

static struct device_request *grey_request(uint32_t width, uint32_t height)
{
    const size_t len = (size_t)width * height * 3;
    struct device_request *r = device_request_new(1, width, height);

    if (!r)
        return NULL;
    r->grey = malloc(len);
    if (!r->grey) {
        device_request_free(r);
        return NULL;
    }
    memset(r->grey, 128, len);
    r->images[0].rgb = r->grey;
    return r;
}

struct device_request *device_next_suspect(struct device_worker *w)
{
    struct device_request *r = w->suspects;

    if (w->unproven)
        return grey_request(r->width, r->height);
    w->suspects = r->next;
    if (r->n <= w->most)
        return r;
    /* made before its device was known to be full */
    return split(w, r, w->most) == PIPE_OK ? device_next_suspect(w) : NULL;
}
