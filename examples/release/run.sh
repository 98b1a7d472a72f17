#!/bin/sh
# See README.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
unibin=${UNIBIN:-unibin}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# A repository with a tagged version, and two clones of it.
mkdir forge
cp "$here/greet.c" "$here/build.sh" "$here/unibin.toml" forge
printf 'build\ndist\n' > forge/.gitignore
git -C forge init -q
git -C forge add .
git -C forge -c user.name=greet -c user.email=greet@example.org commit -qm 'greet 1.2.0'
git -C forge tag v1.2.0
git clone -q forge one
git clone -q forge another/and/longer
(cd one && umask 022 && LC_ALL=C TZ=UTC "$unibin" plan && "$unibin" release)
(cd another/and/longer && umask 077 && LC_ALL=C.UTF-8 TZ=Asia/Tokyo "$unibin" release)
diff -r one/dist another/and/longer/dist
echo 'both clones gave the same dist/'

cd one/dist
sha256sum -c SHA256SUMS
"$unibin" check greet --hosts x86_64,aarch64,riscv64 --native x86_64,aarch64,riscv64
case $(uname -m) in
    x86_64 | aarch64 | riscv64)
        told=$(./greet)
        echo "$told"
        [ "$told" = "greetings from 1.2.0, built for $(uname -m)" ]
        [ "$("./greet-$(uname -m)")" = "$told" ]
        ;;
esac

# The way of a matrix: programs of several machines, put together by the last.
cd ../build
"$unibin" merge greet-riscv64 greet-x86_64 greet-aarch64 -o greet
"$unibin" thin greet --hosts aarch64 -o greet-thin
[ "$("$unibin" inspect --hosts greet-thin)" = aarch64 ]

# What differs from the commit is not released under its name.
cd ..
echo '/* later */' >> greet.c
if "$unibin" release 2> refused; then exit 1; fi
grep -q 'differ from the commit that would be released: greet.c' refused
"$unibin" release --snapshot --dist try
grep -q '"version": "1.2.0-snapshot"' try/artifacts.json
