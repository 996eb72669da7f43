/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One inference request, whatever protocol it came by: from admission to its one answer.
 *
 *   request_new ─► request_submit ─► queued ─► running ─► answered
 *                        │              └─ host died: back to the queue, once
 *                        └─ refused: answered at once
 *
 * The protocol layer fills the inputs, gives an `answer` function and is called exactly once,
 * unless it calls request_abandon first (client gone). One thread.
 */
#ifndef ROOST_SERVE_REQUEST_H
#define ROOST_SERVE_REQUEST_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/detail.h"
#include "core/queue.h"
#include "core/tensor.h"

struct lane;
struct split;
struct unit;
struct request;

struct reply_times {
    uint64_t queue_ns, input_ns, infer_ns, output_ns;
};

struct reply {
    enum roost_err err;
    const char *text;        /* reason when err is not OK */
    uint64_t retry_after_ns; /* OVERLOADED */
    const struct tensor
        *outputs;        /* the API's order; data NULL where not wanted; valid during the call */
    const char *variant; /* that answered */
    struct reply_times times;
};
typedef void request_answer_fn(void *user, struct request *request, const struct reply *reply);

/* Rank of the shape of an optional input that is absent: equal to no real one. */
#define REQUEST_RANK_ABSENT UINT_MAX

struct request_input {
    enum dtype dtype;
    uint64_t offset, bytes; /* in the lane's input memory; offset UINT64_MAX: absent */
};

struct request {
    struct queue_item item;
    struct heap_node expiry_node;
    uint64_t expiry_ns;    /* UINT64_MAX: never */
    uint64_t deadline_ns;  /* work on it ends; item's is its place in the queue */
    bool delay_on_timeout; /* the queue time-out sends it to the end of the queue */
    struct lane *lane;
    enum { REQUEST_NEW, REQUEST_QUEUED, REQUEST_RUNNING } state;
    unsigned pin;          /* variant + 1; 0: whichever serves */
    unsigned deaths;       /* hosts that died while running it */
    bool over;             /* answered or abandoned; only waits for its batch to come back */
    struct request *whole; /* this is a part of it */
    unsigned parts;        /* of this one, not freed yet: they read its input memory */
    bool freed;            /* as soon as they are */
    struct split *split;   /* while its parts are open */
    struct unit *unit;     /* RUNNING: where */
    unsigned slot;
    uint64_t started_ns;     /* first byte of the request seen */
    uint64_t timeout_ns;     /* the client's own; 0: none */
    uint64_t outputs_wanted; /* bit per API output */
    request_answer_fn *answer;
    void *user;
    unsigned block_count;
    uint64_t block_bytes;         /* what the blocks take of the lane's budget */
    void **blocks;                /* in the lane's input memory; released with the request */
    struct request_input *inputs; /* the API's order */
    struct shape *shapes;         /* the API's order, with the batch dimension; key.shapes */
};

static inline struct request *request_of_item(const struct queue_item *item)
{
    return (struct request *)((uintptr_t)item - offsetof(struct request, item));
}

/* With room for the lane's inputs. NULL when memory is short. */
struct request *request_new(struct lane *lane, request_answer_fn *answer, void *user);

/* Makes it a part of `whole`: it is not counted by itself, and `whole` outlives it. */
void request_join(struct request *part, struct request *whole);

/* Frees one that was never submitted. */
void request_free(struct request *request);

/* Memory in the lane's input memory that is released with the request. TOO_LARGE when the request
 * would take more than the whole budget; OVERLOADED when there is no room now, or too many blocks.
 */
enum roost_err request_allocate(struct request *request, size_t bytes, void **block,
                                struct detail *detail);

/* Admits it, or answers with the refusal. The request is the lane's from here on. */
void request_submit(struct request *request);

/* The client is gone: no answer any more. After request_submit and before the answer. */
void request_abandon(struct request *request);

/* For the lane: answers (if anybody still listens) and, unless a host still reads its inputs,
 * frees. */
void request_finish(struct request *request, const struct reply *reply);

/* For the lane: its batch came back. Frees when it is over; true when it still wants its answer. */
bool request_returned(struct request *request);

#endif
