#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the scheduling slice does for a small model beside a large one on the same core.
#
#   bench/control_slice.sh [--quick] [--rounds N] [--seconds N]
#
# Needs the programs of a build with benchmarks: ROOST_BUILD, or build/release.
set -euo pipefail
cd "$(dirname "$0")/.."
export ROOST_BUILD=${ROOST_BUILD:-$PWD/build/release}
export PYTHONDONTWRITEBYTECODE=1
if [ ! -x "$ROOST_BUILD/tools/roost_bench_http_drive" ]; then
    echo "control_slice: $ROOST_BUILD has no benchmarks: run make build" >&2
    exit 1
fi
exec python3 bench/control_slice.py "$@"
