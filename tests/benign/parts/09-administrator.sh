#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Somebody looks how the machine is.
# needs: -
uptime; who; w; df -h; free -m || true; ps aux | head -5; ss -tln || true; ip addr || true; cat /etc/os-release
ls -la /root /home; last -n 3 || true; id; groups; dmesg 2>/dev/null | tail -1; cat /proc/loadavg; lsblk || true; mount | head -3
top -b -n 1 | head -5; journalctl -n 1 2>/dev/null || true; env | wc -l; hostname; date; command -v nginx || true
