#!/bin/sh
# See README.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
release=$here/../release
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir bin
ln -s "$(command -v "${UNIBIN:-unibin}")" bin/unibin
PATH=$work/bin:$PATH
export PATH

# The jobs of a matrix: each uploads its program, and an archive of artifacts keeps no modes.
mkdir artifacts
for cpu in riscv64 x86_64 aarch64; do
    mkdir "job-$cpu"
    cp "$release/greet.c" "job-$cpu"
    (cd "job-$cpu" && "$release/build.sh" "$cpu" 1.2.0)
    tar -C "job-$cpu/build" --mode=0644 -cf "artifacts/build-$cpu.tar" .
done

# The project of the last job: its builds have no commands, they are fetched.
last() {
    mkdir -p "$1/build"
    grep -v '^command' "$release/unibin.toml" > "$1/unibin.toml"
    for archive in artifacts/*.tar; do
        tar -C "$1/build" -xf "$archive"
    done
    [ ! -x "$1/build/greet-x86_64" ]
}

# What the action runs, as the runner would.
last github
sed -n '/^      run: |$/,$ { /run: |/d; s/^        //; p }' "$here/github/action.yml" > action.sh
(
    cd github
    UNIBIN_VERSION=0.1.0 DIST=dist SNAPSHOT=false SCRIPT=$here/github/../release.sh GITHUB_OUTPUT=$work/outputs \
        sh -e "$work/action.sh"
)
grep -qx "dist=$work/github/dist" outputs

# What the template runs, line by line as the runner would.
last gitlab
sed -n '/^  script:$/,/^  artifacts:$/ s/^    - //p' "$here/gitlab.yml" > template.sh
[ "$(wc -l < template.sh)" = 4 ]
(cd gitlab && UNIBIN_VERSION=0.1.0 DIST=dist SNAPSHOT=false sh -e "$work/template.sh")
diff -r github/dist gitlab/dist

# The hook behind each build, which end at the same time.
mkdir goreleaser
cp github/unibin.toml goreleaser
for cpu in riscv64 x86_64 aarch64; do
    (cd goreleaser && "$here/goreleaser-hook.sh" "$work/job-$cpu/build/greet-$cpu" "greet-$cpu") > "hook-$cpu" 2>&1 &
done
wait
cat hook-*
diff -r github/dist goreleaser/unibin-dist

# A bundle that has lost its executable bit.
cp github/dist/greet downloaded
chmod 644 downloaded
case $(uname -m) in
    x86_64 | aarch64 | riscv64) [ "$(sh ./downloaded)" = "greetings from 1.2.0, built for $(uname -m)" ] ;;
esac
echo 'the action, the template and the hook gave the same release'
