/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of more rows than one batch may have (DeepRecSys's queries), where the tenant says
 * `split: true`: cut into parts that run side by side on the tenant's workers, and answered as one.
 */
#ifndef ROOST_SERVE_SPLIT_H
#define ROOST_SERVE_SPLIT_H

struct request;
struct split;

/* Submits the request, in parts if it has more rows than the lane's batches. Its answer comes as if
 * it were whole. */
void split_submit(struct request *request);

/* For request_abandon: the client of the whole is gone. */
void split_abandon(struct split *split);

#endif
