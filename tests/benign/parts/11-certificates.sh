#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A certificate, a deploy key.
# needs: openssl ssh-keygen
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 30 -subj /CN=example.org 2>/dev/null
openssl x509 -in cert.pem -noout -enddate && chmod 600 key.pem && ssh-keygen -q -t ed25519 -N '' -f deploy && ssh-keygen -lf deploy
