#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Git from init to rebase, a virtual environment, searches.
# needs: git python3
export HOME=$PWD
git init -q --bare origin.git && git clone -q origin.git work 2>/dev/null && cd work
git config user.name t && git config user.email t@example.org
for n in $(seq 40); do echo "line $n" >file$n; git add . && git commit -qm "commit $n"; done
git push -q origin HEAD && git gc -q && git log --stat >/dev/null && git grep line >/dev/null && grep -r "line 3" . | wc -l
git checkout -qb other && sed -i s/line/row/ file1 && git diff | cat >/dev/null && git stash -q && git rebase -q HEAD~3
cd .. && python3 -m venv --without-pip env && env/bin/python -c 'import json, ssl, sqlite3' && chmod +x work/file1
find . -name '*.py' -newer origin.git -exec grep -l import {} + | head -3; id; uname -a; ls -la
