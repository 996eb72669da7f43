# SPDX-License-Identifier: Apache-2.0
# Sourced by the scripts here: a build with benchmarks in ROOST_BUILD (default build/release), or an
# end that says what is missing. The current directory is the project's root afterwards.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export ROOST_BUILD=${ROOST_BUILD:-$PWD/build/release}
export PYTHONDONTWRITEBYTECODE=1
if [ ! -x "$ROOST_BUILD/tools/roost_bench_http_drive" ]; then
    echo "$(basename "$0" .sh): $ROOST_BUILD has no benchmarks: run make build" >&2
    exit 1
fi
