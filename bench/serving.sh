#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What Roost costs and gives beside the raw engine loop and a bare echo.
#
#   bench/serving.sh [--rounds N] [NAME...]      (default: every figure; --list names them)
#
# Needs the programs of a build with benchmarks: ROOST_BUILD, or build/release.
set -euo pipefail
. "$(dirname "$0")/environment.sh"
exec python3 bench/serving/main.py "$@"
