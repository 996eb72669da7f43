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
. "$(dirname "$0")/environment.sh"
exec python3 bench/control/main.py "$@"
