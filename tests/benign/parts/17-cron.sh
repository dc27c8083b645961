#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A nightly job by cron, in a minute's time.
# needs: cron unshare
unshare -m --propagation private sh -c '
mount -t tmpfs x /etc/cron.d && mount -t tmpfs y /var/spool/cron && mkdir -p /var/spool/cron/crontabs
echo "* * * * * root cd '"$PWD"' && run-parts parts && touch ran" >/etc/cron.d/day
mkdir parts; printf "#!/bin/sh\ntar -cf backup.tar /etc/default\nfind . -mtime +30 -delete\n" >parts/backup; chmod 755 parts/backup
exec timeout 75 cron -f'
test -e ran
