#!/bin/sh
# See README.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
unibin=${UNIBIN:-unibin}
zig=${ZIG:-python3 -m ziglang}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

mkdir vendor
$zig cc -target aarch64-linux-gnu.2.31 -shared -fPIC -s -Wl,-soname,libgreeting.so "$here/greeting.c" -o vendor/libgreeting.so
$zig cc -target aarch64-linux-gnu.2.31 -O1 -s "$here/greet.c" vendor/libgreeting.so -o greet
# For this machine only: its emulator is all that is fetched.
hosts=$(uname -m)

if "$unibin" pack greet --hosts "$hosts" -o refused 2>errors; then
    echo "it was packed without its libraries" >&2
    exit 1
fi
cat errors
grep -q libgreeting.so errors
[ ! -e refused ]

"$unibin" pack greet --library-path vendor --libs debian --hosts "$hosts" --dry-run
"$unibin" pack greet --library-path vendor --libs debian --hosts "$hosts" -o greet.bundle
told=$(./greet.bundle)
echo "$told"
[ "$told" = "hello from a library of our own" ]
