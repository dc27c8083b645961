#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# redis under load.
# needs: redis-server redis-benchmark
redis-server --port 0 --unixsocket "$PWD/r.sock" --daemonize no --save '' >log & server=$!
for n in $(seq 50); do redis-cli -s "$PWD/r.sock" ping 2>/dev/null | grep -q PONG && break; sleep 0.1; done
redis-benchmark -q -s "$PWD/r.sock" -n 20000 -t get,set >/dev/null; redis-cli -s "$PWD/r.sock" info >/dev/null
kill $server; wait $server; true
