#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Three containers from an image of one's own.
# needs: podman busybox
export TMPDIR=$PWD
short=$(mktemp -d /run/iwdXXXXXX); trap 'rm -rf "$short"' EXIT
mkdir -p root/bin root/tmp root/etc && cp "$(command -v busybox)" root/bin/ && for p in sh ls cat id sleep; do ln -s busybox root/bin/$p; done
podman="podman --root $PWD/store --runroot $short --storage-driver vfs --cgroup-manager cgroupfs --events-backend file"
tar -C root -c . | $podman import - local/box:1 >/dev/null || exit 1
for n in 1 2 3; do
  $podman run --rm --network none --cgroups disabled --ulimit nofile=1024:1024 local/box:1 sh -c 'id; ls /; cat /etc/hostname; sleep 0.2' || exit 77
done
$podman images; $podman ps -a; $podman rmi -f local/box:1
