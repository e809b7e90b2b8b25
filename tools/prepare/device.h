/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/device.h - what the files of the device stage share: one worker with its
 * child process, and the batches that it has in hand.
 *
 *     company (images wait) ---> under_way (sent) ---> answered: samples go on
 *                                    |      ^
 *            the child fails         v      |  one at a time
 *                                 suspects -+  (device_faults.c splits and condemns)
 *                                    |      ^
 *         it is one image, and fails v      |  at each process once
 *                                  offers --+
 *
 * An image is in exactly one of company, a request under way, a suspect, or an offer. */
#ifndef TOOLS_PREPARE_DEVICE_H
#define TOOLS_PREPARE_DEVICE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "tools/prepare/company.h"
#include "tools/prepare/job.h"
#include "tools/run/child_group.h"
#include "tools/run/pipeline.h"

enum { DEVICE_UNDER_WAY = 2 }; /* the child has the next batch when it ends one */

/* A batch. */
struct device_request {
    struct device_request *next; /* of the suspects or the offers */
    uint64_t id;                 /* of its last sending */
    uint32_t width, height;
    int failures; /* how often the child has failed at it or at what it was of */
    unsigned
        n_failed; /* processes to which it has been given, one after another, in vain */
    unsigned offered_to; /* the number of the next one */
    uint8_t *grey; /* of a probe, to see whether the child works at all; owned; or NULL */
    unsigned char head[CHILD_FRAME_HEAD + CHILD_REQUEST_HEAD];
    struct iovec *iov;      /* n + 1 */
    unsigned char *offsets; /* n, of images in the memory */
    size_t n;
    struct company_image images[];
};

/* One encoder's workers, and what they count together. */
struct device_stage {
    struct job *job;
    const struct encoding *encoding;
    uint32_t number;    /* of the encoding, in the job's */
    uint32_t rendition; /* its images', of those of one image, */
    size_t at;          /* and where they stand in its pixels */
    bool last;          /* of the stages that encode */
    atomic_uint next_child;
    atomic_uint_fast64_t images, requests, restarts;
    /* of all children: nothing was under way; as much as can be, and a batch waited */
    atomic_uint_fast64_t idle_ns, behind_ns;
    pthread_mutex_t lock;          /* guards samples that are shared, and: */
    struct device_request *offers; /* of one image, at which a process has failed */
};

struct device_worker {
    struct device_stage *stage;
    struct job *job;
    struct child_encoder *child;
    struct pipe_in *in;
    struct pipe_out *out;
    bool ended; /* no sample comes any more */

    struct company company;
    size_t most; /* images of a batch: the hello's, or fewer where the device is full */
    struct device_request *under_way[DEVICE_UNDER_WAY]; /* in order of sending */
    size_t n_under_way;
    uint64_t since_ns;               /* that the child is at the first of them */
    struct device_request *suspects; /* the next one first */
    bool unproven;     /* it has failed, and must encode a grey image before all else */
    bool has_answered; /* since it has last failed or was started */
    uint64_t next_id;
    int64_t n_failures;  /* of the child in a row, without any answer */
    int64_t n_condemned; /* images that have ended it, without one that it made */
    /* of one image: */
    float *values;
    uint32_t *codes;
};

/* For encoder number `i` of the job. */
void device_stage_init(struct device_stage *stage, struct job *job, size_t i);
void device_stage_free(struct device_stage *stage); /* when its pipeline has ended */

/* Cuts the batch that its processes ask for to what the memory of their samples may be,
 * each of which has that room, and says so. */
void device_limit_batch(const struct encoding *e, const struct sample_room *room);

/* Takes what a child says; ctx is the job. */
void device_hear(void *ctx, const struct child_encoder *c, const char *line);

/* So many samples go round for these processes, besides those of the workers. */
size_t device_samples(const struct child_group *group);

/* Those below return PIPE_OK, PIPE_END where the run is being stopped, or -1 after
 * job_fail(). */

/* Gives a request for n images of one shape, with room for them; NULL: no memory. */
struct device_request *device_request_new(size_t n, uint32_t width, uint32_t height);
void device_request_free(struct device_request *r); /* accepts NULL */

/* All images of this sample have been answered, or it has none: hands it on. */
int device_pass(struct device_worker *w, struct sample *s);

/* Around what is done with a sample, some of whose images may be another worker's.
 * Returns what device_unlock() wants. */
bool device_lock(struct device_worker *w, const struct sample *s);
void device_unlock(struct device_worker *w, bool locked);

/* One image of the sample is done with. */
int device_image_done(struct device_worker *w, struct sample *s);

/* device_answer.c. A frame has come from the child. */
int device_take_frame(struct device_worker *w);

/* Bytes of the longest payload that may come: batches of before w->most shrank may still
 * be under way. */
uint64_t device_longest_answer(const struct device_worker *w);

/* device_faults.c. The child has failed, as `why` says: starts it again, and blames what
 * it was at. */
int device_child_failed(struct device_worker *w, const char *why);

/* It says that it cannot encode the first that is under way. */
int device_take_error(struct device_worker *w, const struct child_error *error);

/* Makes suspects of what others have offered to this process. */
void device_take_offers(struct device_worker *w);

/* The next request that is to be sent alone: a probe, or the first of the suspects, taken
 * from them. NULL: no memory. */
struct device_request *device_next_suspect(struct device_worker *w);

/* Says a line about the child, on stderr and in the log. */
__attribute__((format(printf, 2, 3))) void device_say(const struct device_worker *w,
                                                      const char *fmt, ...);

#endif
