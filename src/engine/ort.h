/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ONNX Runtime behind engine.h, opened with dlopen at run time.
 *
 * The library is looked for at open()'s path, else at $ROOST_ORT_LIBRARY, else beside the
 * installation, in the build tree and where the system has it. Any version from 1.15 on will do.
 * Its telemetry is switched off before the library is even mapped.
 */
#ifndef ROOST_ENGINE_ORT_H
#define ROOST_ENGINE_ORT_H

#include "engine/engine.h"

extern const struct engine_ops engine_ort;

#endif
