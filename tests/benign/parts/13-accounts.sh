#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# An account made, looked at and removed, in a copy of /etc.
# needs: useradd unshare
unshare -m --propagation private sh -c '
mkdir etc && cp -a /etc/passwd /etc/group /etc/shadow /etc/gshadow /etc/login.defs /etc/default /etc/skel /etc/pam.d /etc/nsswitch.conf etc/ 2>/dev/null
mount --bind etc /etc && useradd -m -d "$PWD/home" -s /bin/bash clerk && chage -l clerk >/dev/null && usermod -c Clerk clerk && userdel -r clerk 2>/dev/null; true'
