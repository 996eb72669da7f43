#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# FairCIM's sets in simulation: every policy on the frozen settings. Goes on where it stopped.
# --quick: four settings of each set.
set -euo pipefail
cd "$(dirname "$0")/.."
limit=()
[ "${1:-}" != --quick ] || limit=(--limit 4)
PYTHONDONTWRITEBYTECODE=1 exec python3 bench/faircim/main.py evaluate ${limit[@]+"${limit[@]}"}
