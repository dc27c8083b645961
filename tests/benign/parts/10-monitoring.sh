#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# An agent that reads all of /proc again and again.
# needs: -
for n in $(seq 15); do
  cat /proc/loadavg /proc/meminfo /proc/stat /proc/net/dev >/dev/null
  for p in /proc/[0-9]*; do cat $p/stat $p/cmdline >/dev/null 2>&1; done
  ss -s >/dev/null 2>&1; df >/dev/null; sleep 0.2
done
