#!/bin/sh
# Makes the tree that is built: Debian's source package, its patches, then ours, then our files.
#
#     sh source.sh SOURCE RECIPE TREE
#
# SOURCE holds the files of the source package, RECIPE is this directory, TREE is made; all three are absolute
# paths. Steps are told on descriptor 3 where that is open.
set -eu
source=$1 recipe=$2 tree=$3
{ true >&3; } 2>/dev/null || exec 3>&1

step() {
    echo "== $*"
    echo "$*" >&3
}

apply() {
    # No fuzz: a patch that only nearly fits is to be looked at by somebody.
    patch --directory="$tree" --strip=1 --fuzz=0 --no-backup-if-mismatch --force --input="$1" || {
        step "patch $2 does not apply"
        exit 1
    }
}

step "unpack the source"
mkdir -p "$tree"
tar --extract --no-same-owner --strip-components=1 --directory="$tree" --file="$(ls "$source"/*.orig.tar.xz)"
tar --extract --no-same-owner --directory="$tree" --file="$(ls "$source"/*.debian.tar.xz)"

step "apply Debian's patches"
sed 's/#.*//' "$tree/debian/patches/series" | while read -r name; do
    [ -z "$name" ] || apply "$tree/debian/patches/$name" "debian/patches/$name"
done

step "apply our patches and add our files"
for patch in "$recipe"/patches/*.patch; do
    [ ! -e "$patch" ] || apply "$patch" "${patch##*/}"
done
if [ -d "$recipe/files" ]; then
    cp -R "$recipe/files/." "$tree/"
fi
