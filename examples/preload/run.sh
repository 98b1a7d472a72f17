#!/bin/sh
# See README.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
unibin=${UNIBIN:-unibin}
zig=${ZIG:-python3 -m ziglang}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

$zig cc -target aarch64-linux-gnu.2.31 -shared -fPIC -O1 -s "$here/noon.c" -o libnoon.so
pack() {
    "$unibin" pack --deb coreutils --entry date=/usr/bin/date --target aarch64 --hosts "$(uname -m)" "$@"
}
pack --preload libnoon.so -o date
pack -o plain
told="$(./date -u +%FT%T) $(UNIBIN_PRELOAD=$PWD/libnoon.so ./plain -u +%FT%T)"
echo "$told"
[ "$told" = "1970-01-01T12:00:00 1970-01-01T12:00:00" ]
[ "$(LD_PRELOAD=/nonexistent/host.so ./plain -u +%Y 2>/dev/null)" != 1970 ]
