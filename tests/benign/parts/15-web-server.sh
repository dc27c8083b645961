#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# nginx under ordinary traffic, reloaded once.
# needs: nginx curl
mkdir -p www temp logs && for n in $(seq 20); do echo "<p>page $n</p>" >www/page$n.html; done; echo hello >www/index.html
cat >nginx.conf <<END
daemon off; pid $PWD/nginx.pid; error_log $PWD/logs/error.log; worker_processes 2; user www-data;
events { worker_connections 64; }
http { access_log $IW_WEB_LOG combined; client_body_temp_path $PWD/temp; proxy_temp_path $PWD/temp; fastcgi_temp_path $PWD/temp;
  uwsgi_temp_path $PWD/temp; scgi_temp_path $PWD/temp; server { listen 127.0.0.1:$IW_WEB_PORT; root $PWD/www; } }
END
nginx -c "$PWD/nginx.conf" & server=$!
for n in $(seq 50); do curl -sf -o page "http://127.0.0.1:$IW_WEB_PORT/" && break; sleep 0.1; done
for n in $(seq 150); do
  curl -s -A "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0" -o page "http://127.0.0.1:$IW_WEB_PORT/page$((n % 22 + 1)).html?from=$n"
done
curl -s -o page http://127.0.0.1:$IW_WEB_PORT/favicon.ico; curl -s -o page http://127.0.0.1:$IW_WEB_PORT/robots.txt
kill -HUP $server; sleep 0.3; kill -QUIT $server; wait $server; true
