#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What scripts of all kinds do.
# needs: python3 perl
python3 - <<'END'
import json, multiprocessing, socket, subprocess, tempfile, threading, urllib.request
with multiprocessing.Pool(2) as pool:
    pool.map(abs, range(500))
with tempfile.TemporaryDirectory() as place:
    open(place + "/x", "w").write(json.dumps({"a": 1}))
subprocess.run(["sh", "-c", "echo done | tr a-z A-Z"], check=True)
END
perl -MPOSIX -e 'print strftime("%F", localtime), "\n"'; awk 'BEGIN { for (i = 0; i < 10; i++) print i }' | sort -n | tail -1
seq 5 | xargs -n1 -P2 sh -c 'echo $0'; echo 'print 1' | python3 -c 'import sys; sys.stdin.read()'; bash -c 'for i in 1 2 3; do :; done'
