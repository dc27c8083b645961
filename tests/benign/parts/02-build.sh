#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A C project, built twice and installed.
# needs: cc make strip
mkdir src; for n in $(seq 30); do printf 'int f%s(int x) { return x + %s; }\n' $n $n >src/f$n.c; done
printf 'int main(void) { return 0; }\n' >src/main.c
printf 'OBJ := $(patsubst %%.c,%%.o,$(wildcard src/*.c))\napp: $(OBJ)\n\tcc -o $@ $^\n%%.o: %%.c\n\tcc -O2 -c -o $@ $<\n' >Makefile
make -s -j2 && ./app && make -s -B -j2 && strip app && install -m 755 app installed
