#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What Roost costs and gives beside the raw engine loop and a bare echo.
#
#   bench/serving.sh [--rounds N] [NAME...]      (default: every figure; --list names them)
#
# Needs the programs of a build with benchmarks: ROOST_BUILD, or build/release.
set -euo pipefail
cd "$(dirname "$0")/.."
export ROOST_BUILD=${ROOST_BUILD:-$PWD/build/release}
export PYTHONDONTWRITEBYTECODE=1
if [ ! -x "$ROOST_BUILD/tools/roost_bench_engine_loop" ]; then
    echo "serving: $ROOST_BUILD has no benchmarks: run make build" >&2
    exit 1
fi
exec python3 bench/serving/main.py "$@"
