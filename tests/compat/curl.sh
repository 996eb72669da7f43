#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What people type: curl, with the things that it does by itself (Expect: 100-continue, chunked
# uploads, HTTP/1.0, compression, several requests on one connection).
set -euo pipefail

roost=${ROOST_BUILD:?}/src/cli/roost
command -v curl >/dev/null || { echo "curl is not there"; exit 77; }
work=$(mktemp -d)
server=
finish() {
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

mkdir -p "$work/repository/sum/1" "$work/repository/wide/1"
printf 'input x FP32 -1 4\noutput y FP32 -1 4\n' >"$work/repository/sum/1/model.fake"
printf 'input x FP32 -1 -1\noutput y FP32 -1 1\n' >"$work/repository/wide/1/model.fake"
"$roost" serve --model-repository "$work/repository" --host 127.0.0.1 --http-port 0 \
    --cache "$work/cache" 2>"$work/log" &
server=$!
port=
for _ in $(seq 600); do
    port=$(sed -n 's/.*server.listen http=\([0-9]*\).*/\1/p' "$work/log")
    [ -z "$port" ] || [ "$(curl -s -o /dev/null -w '%{http_code}' \
        "http://127.0.0.1:$port/v2/health/ready")" != 200 ] || break
    kill -0 "$server" || { cat "$work/log"; exit 1; }
    sleep 0.1
done
url=http://127.0.0.1:$port/v2
json='{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}]}'

fail() {
    echo "FAIL: $*"
    cat "$work/log"
    exit 1
}
# expect NAME PATTERN curl's arguments...
expect() {
    local name=$1 pattern=$2 answer
    shift 2
    answer=$(curl -sS --max-time 60 "$@" | tr -d '\0') || fail "$name: curl says $?"
    grep -q -- "$pattern" <<<"$answer" || fail "$name: $answer"
    echo "ok: $name"
}

expect json '"data":\[10.0,10.0,10.0,10.0\]' -d "$json" "$url/models/sum/infer"
expect http10 '"data":\[10.0' --http1.0 -d "$json" "$url/models/sum/infer"
expect chunked '"data":\[10.0' -H 'Transfer-Encoding: chunked' -d "$json" "$url/models/sum/infer"
expect gzip-answer '"data":\[10.0' --compressed -d "$json" "$url/models/sum/infer"
gzip -c <<<"$json" >"$work/body.gz"
expect gzip-request '"data":\[10.0' -H 'Content-Encoding: gzip' --data-binary "@$work/body.gz" \
    "$url/models/sum/infer"
# A megabyte of spaces makes curl wait for 100 Continue.
{ printf '%s' "$json"; head -c 1500000 /dev/zero | tr '\0' ' '; } >"$work/large.json"
expect continue '< HTTP/1.1 100 Continue' -v --stderr - -H 'Expect: 100-continue' \
    --data-binary "@$work/large.json" "$url/models/sum/infer"
expect continue-answer '"data":\[10.0' -H 'Expect: 100-continue' \
    --data-binary "@$work/large.json" "$url/models/sum/infer"
expect continue-refused 'there is no model' -H 'Expect: 100-continue' \
    --data-binary "@$work/large.json" "$url/models/nobody/infer"
# The whole body is the only input, its one variable dimension follows from the length.
head -c 40 /dev/zero >"$work/raw"
expect raw '"shape":\[1,1\]' -H 'Inference-Header-Content-Length: 0' \
    -H 'Content-Type: application/octet-stream' --data-binary "@$work/raw" "$url/models/wide/infer"
expect raw-ragged 'error' -H 'Inference-Header-Content-Length: 0' --data-binary @- \
    "$url/models/wide/infer" <<<"12"
expect head 'HTTP/1.1 200' -I "$url/health/live"
expect keep-alive 'Re-using existing connection' -v --stderr - \
    "$url/health/live" "$url/health/ready"
expect query '"name":"sum"' "$url/models/sum?pretty=1"
expect not-found 'error' "$url/models/nobody"
expect method '405' -o /dev/null -w '%{http_code}' -X DELETE "$url/models/sum"

kill -TERM "$server"
wait "$server" || fail "exit code $?"
server=
echo "ok: end"
