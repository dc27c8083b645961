#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Archives of /etc, check sums, old backups moved on.
# needs: tar gzip
tar -czf etc.tar.gz /etc 2>/dev/null; tar -tzf etc.tar.gz >names
find /etc -type f -mtime -30 -print0 | xargs -0 -r sha256sum >sums 2>/dev/null
mkdir copy && cp -a /etc/apt /etc/default copy/ && tar -cf - copy | gzip -9 >copy.tgz && rm -r copy
for n in 1 2 3; do mv -f day.$n.tgz day.$((n + 1)).tgz 2>/dev/null; done; cp copy.tgz day.1.tgz; touch -r copy.tgz day.1.tgz
