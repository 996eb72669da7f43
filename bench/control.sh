#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The policies on the live server: promises kept, accuracy, goodput, switches, cost, and how well
# the simulator foretells it.
#
#   bench/control.sh [--quick] [--fresh] [--repetitions N] [PART...]
#
# Goes on where it was cut off: what was measured is in bench/results/control (control-quick).
# Needs the programs of a build with benchmarks: ROOST_BUILD, or build/release.
set -euo pipefail
cd "$(dirname "$0")/.."
export ROOST_BUILD=${ROOST_BUILD:-$PWD/build/release}
export PYTHONDONTWRITEBYTECODE=1
if [ ! -x "$ROOST_BUILD/tools/roost_bench_http_drive" ]; then
    echo "control: $ROOST_BUILD has no benchmarks: run make build" >&2
    exit 1
fi
exec python3 bench/control/main.py "$@"
