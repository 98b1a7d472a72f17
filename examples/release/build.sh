#!/bin/sh
# Builds greet for a CPU: build.sh CPU VERSION
set -eu
mkdir -p build
${ZIG:-python3 -m ziglang} cc -target "$1-linux-musl" -static -O1 -s "-DVERSION=\"$2\"" greet.c -o "build/greet-$1"
