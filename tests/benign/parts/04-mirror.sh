#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A directory mirrored twice.
# needs: rsync
rsync -a --delete /etc/default/ mirror/ && rsync -a --delete /etc/default/ mirror/