#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A hundred reports packed, unpacked and packed again.
# needs: gzip xz
mkdir files; for n in $(seq 120); do head -c 20000 /dev/urandom | base64 >files/report-$n.txt; done
gzip files/*.txt && gunzip files/*.gz && xz -0 files/*.txt && ls files | wc -l
