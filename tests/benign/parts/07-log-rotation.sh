#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Three nights of logs.
# needs: logrotate
mkdir log; seq 20000 >log/app.log; seq 100 >log/web.log
printf '%s/log/*.log {\n rotate 4\n size 1\n compress\n missingok\n}\n' "$PWD" >conf
for n in 1 2 3; do logrotate -f -s state conf; seq 20000 >log/app.log; done; ls log
