#!/bin/sh
# See README.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
unibin=${UNIBIN:-unibin}
zig=${ZIG:-python3 -m ziglang}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

$zig cc -target riscv64-linux-musl -static -O2 -s "$here/nqueens.c" -o nqueens-riscv64
"$unibin" pack nqueens-riscv64 -o nqueens
told=$(./nqueens 8)
echo "$told"
[ "$told" = "8 queens: 92 ways, counted on riscv64" ]
