#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A package installed anew, questions to the package manager.
# needs: apt-get dpkg
apt-get -qq update || true
apt-get -qq -y --reinstall install hostname >/dev/null
dpkg --verify hostname; dpkg -l >list; ldconfig; update-alternatives --list editor || true; apt-get -qq check
