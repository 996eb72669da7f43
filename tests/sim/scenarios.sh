#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The shipped scenarios are right, their documentation is the tables', and a log is replayed.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
roost="$ROOST_BUILD/src/cli/roost"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for scenario in "$root"/scenarios/*.yaml "$root"/scenarios/*/*.yaml; do
    "$roost" sim "$scenario" --check
done

"$roost" sim --keys > "$work/keys"
sed -n '/^### Keys of a scenario$/,$p' "$root/docs/sim.md" > "$work/doc"
sed 1d "$work/keys" | cmp - "$work/doc"

crowd="$root/scenarios/flash_crowd.yaml"
for policy in static faircim exchange; do
    "$roost" sim "$crowd" --policy "$policy" --log "$work/log" --json > "$work/one"
    "$roost" sim "$crowd" --policy "$policy" --log "$work/log.again" --json > "$work/two"
    cmp "$work/one" "$work/two"
    cmp "$work/log" "$work/log.again"
    "$roost" sim --replay "$work/log"
done
"$roost" sim "$crowd" --policy static,faircim --svg "$work/crowd.svg" > /dev/null
grep -q '</svg>' "$work/crowd-faircim.svg"

# Wrong usage and a wrong scenario say so.
if "$roost" sim 2> "$work/error"; then exit 1; fi
printf 'duration: 1 s\nnode: {cores: 0}\ntenants: 7\n' > "$work/wrong.yaml"
if "$roost" sim "$work/wrong.yaml" 2> "$work/error"; then exit 1; fi
grep -q 'wrong.yaml:2: node.cores' "$work/error"
grep -q 'wrong.yaml:3: tenants' "$work/error"
