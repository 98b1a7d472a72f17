#!/bin/sh
# See README.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
unibin=${UNIBIN:-unibin}
zig=${ZIG:-python3 -m ziglang}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

mkdir shipped newer
cc="$zig cc -target arm-linux-gnueabihf.2.31 -O1 -s -fwrapv"
$cc -shared -fPIC -Wl,-soname,libengine.so.1 "$here/engine.c" -o shipped/libengine.so.1
$cc -shared -fPIC -Wl,-soname,libengine.so.1 -DNEWER "$here/engine.c" -o newer/libengine.so.1
$cc "$here/old.c" shipped/libengine.so.1 -o shipped/old
hosts=$(uname -m)

"$unibin" pack shipped/old --libs debian --hosts "$hosts" -o as-shipped
"$unibin" pack shipped/old --library-path newer --libs debian --hosts "$hosts" -o repaired
told="$(./as-shipped)
$(./repaired)
$(UNIBIN_LIBRARY_PATH=$PWD/newer ./as-shipped)"
echo "$told"
[ "$told" = "engine 1: the average is wrong
engine 2: the average is right
engine 2: the average is right" ]
