#!/bin/sh
# See README.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
unibin=${UNIBIN:-unibin}
zig=${ZIG:-python3 -m ziglang}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

for cpu in riscv64 x86_64 aarch64; do
    $zig cc -target "$cpu-linux-gnu.2.31" -O2 -s "$here/../nqueens/nqueens.c" -o "nqueens-$cpu"
done
"$unibin" pack nqueens-riscv64 --native x86_64=nqueens-x86_64 --native aarch64=nqueens-aarch64 --libs debian \
    --hosts "x86_64,aarch64,$(uname -m)" -o nqueens
case $(uname -m) in
    x86_64 | aarch64) own=$(uname -m) ;;
    *) own=riscv64 ;;
esac
told="$(./nqueens 8)
$(UNIBIN_ROUTE=emulated ./nqueens 8)"
echo "$told"
[ "$told" = "8 queens: 92 ways, counted on $own
8 queens: 92 ways, counted on riscv64" ]
