/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fake engine: a model whose service time, memory and faults are programmed. Part of the
 * product: tests and benchmarks use it, and whoever tries a configuration (docs/MODELS.md). The
 * simulator does not: it runs no engine, and has service times of its own. A fake model is a small
 * text file, whatever its name ("model.fake", or "model.onnx" as a place holder); lines of `key
 * value`, '#' for comments:
 *
 *   input NAME DTYPE dims...      output NAME DTYPE dims...     (-1 first: the batch)
 *   optional NAME                 that input may be left out
 *   service_us BASE PER_ROW       how long a run takes, in the thread's CPU time when it burns
 *   service burn|sleep            burn CPU (default) or sleep
 *   jitter PERCENT SEED           deterministic per run number
 *   memory_mb N                   anonymous memory touched at load
 *   load_ms N  load_burn_ms N     time (sleep / CPU) that load takes
 *   fail_load TEXT                load fails with INVALID and this text
 *   crash_after N                 the process aborts in run N
 *   hang_after N                  run N never returns (until terminate)
 *   fail_every N                  every N-th run fails with INTERNAL
 *   crash_on_value V              aborts when the first element of the first input equals V (a
 *                                 poisonous request)
 *   echo                          outputs repeat the bytes of the first input (else: see below)
 *   mflops X  accuracy X          what metadata() tells
 *
 * Runs are counted from 1 per session, over all its contexts. Without `echo` every output element
 * is the sum of the row's first-input elements (of BYTES: of their bytes), converted, so that tests
 * can tell whose answer it is; of BYTES outputs, its decimal text. Rows are the first dimension
 * where the model leaves it open, else one. A variable dimension of an output is the rows, or the
 * first input's at that place, or 1.
 *
 * `settings` of engine_load_options ("service_us=100,2;fail_every=3") override the file, but for
 * its inputs and outputs.
 */
#ifndef ROOST_ENGINE_FAKE_H
#define ROOST_ENGINE_FAKE_H

#include "engine/engine.h"

extern const struct engine_ops engine_fake;

#endif
