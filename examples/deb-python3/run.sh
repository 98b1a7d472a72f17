#!/bin/sh
# See README.md.
set -eu
unibin=${UNIBIN:-unibin}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

"$unibin" pack --deb python3 --entry python3=/usr/bin/python3 --target riscv64 --hosts "$(uname -m)" -o python3
cat >script.py <<'END'
import ctypes, decimal, hashlib, platform, sqlite3, ssl, sys
answer = sqlite3.connect(":memory:").execute("select 6*7").fetchone()[0]
print(platform.machine(), answer, sys.argv[1], hashlib.sha256(b"abc").hexdigest()[:8])
END
told=$(./python3 script.py word)
echo "$told"
[ "$told" = "riscv64 42 word ba7816bf" ]
