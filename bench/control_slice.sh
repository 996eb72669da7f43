#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the scheduling slice does for a small model beside a large one on the same core.
#
#   bench/control_slice.sh [--quick] [--rounds N] [--seconds N]
#
# Needs the programs of a build with benchmarks: ROOST_BUILD, or build/release.
set -euo pipefail
. "$(dirname "$0")/environment.sh"
exec python3 bench/control_slice.py "$@"
