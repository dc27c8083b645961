#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs in the guest: commands from the host, one a line: number, seconds, the script in base64. Answers likewise:
# number, exit code, output in base64.
port=/dev/virtio-ports/control
until [ -c "$port" ]; do sleep 0.2; done # udev may still be at it
exec 3<>"$port"
echo ready >&3
while read -r number limit text <&3; do
	base64 -d <<<"$text" >/run/control.script
	timeout --kill-after=5 "$limit" bash /run/control.script >/run/control.output 2>&1 </dev/null 3>&-
	status=$?
	echo "$number $status $(base64 -w0 /run/control.output)" >&3
done
