#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A database filled, dumped, packed and summed.
# needs: python3 openssl
python3 - <<'END'
import sqlite3, subprocess
base = sqlite3.connect("shop.db")
base.execute("create table orders (id integer primary key, what text)")
base.executemany("insert into orders (what) values (?)", [("thing %d" % n,) for n in range(20000)])
base.commit()
open("dump.sql", "w").writelines(line + "\n" for line in base.iterdump())
END
gzip dump.sql && openssl dgst -sha256 dump.sql.gz
