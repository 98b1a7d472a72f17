#!/bin/sh
# Builds QEMU's user-mode emulators for one host, inside the root of root.toml:
#
#     [ONLY="TARGET..."] sh /build/recipe/build.sh HOST TARGET...
#
# HOST is unibin's name of an architecture, a TARGET is QEMU's. All targets of hosts.toml, in its order, are
# configured, since what is configured beside a program shows in it; ONLY names those to compile, else all.
# In: /build/recipe, this directory, and /build/source, the files of the source package. Out:
# /build/out/qemu-TARGET, stripped; /build/out/linked, the libraries of which something is in one of them;
# /build/log. All paths are fixed, since some get into the programs. Variable JOBS is the number of compilers
# that run at a time, else all processors are used.
set -eu
umask 022
export LC_ALL=C TZ=UTC HOME=/tmp PYTHONDONTWRITEBYTECODE=1
# scripts/decodetree.py writes code in the order of a set, which is another one in each process.
export PYTHONHASHSEED=0

host=$1
shift

# The kernels of all hosts but this one may have pages of 64 KiB, and a segment must begin on a page.
page=0x10000
cross=
case $host in
    x86_64) page=0x1000 ;;
    aarch64 | riscv64 | s390x | loongarch64) cross=$host-linux-gnu- ;;
    ppc64le) cross=powerpc64le-linux-gnu- ;;
    *) echo "build.sh: no host '$host'" >&2; exit 2 ;;
esac

# What a step is goes to the caller, what its commands print goes to the log.
exec 3>&1 >/build/log 2>&1
step() {
    echo "== $*"
    echo "$*" >&3
}

# Names that Debian's packages get from their maintainer scripts, which do not run here.
mkdir -p /build/bin /build/out /build/maps /build/work
ln -sf /usr/bin/mawk /build/bin/awk
ln -sf /usr/bin/gcc /build/bin/cc
export PATH=/build/bin:/usr/bin:/bin
if [ -n "$cross" ]; then
    # The libraries of the host, and none of the machine that builds.
    export PKG_CONFIG=/usr/bin/pkg-config
    export PKG_CONFIG_LIBDIR="/usr/lib/${cross%-}/pkgconfig:/usr/share/pkgconfig"
fi

sh /build/recipe/source.sh /build/source /build/recipe /build/qemu 3>&3

# The date of Debian's version, wherever a date is asked for.
date=$(sed -n '/^ -- /{s/^ -- .*>  //p;q}' /build/qemu/debian/changelog)
SOURCE_DATE_EPOCH=$(date -d "$date" +%s)
export SOURCE_DATE_EPOCH

step "configure"
list=
for target in "$@"; do
    list=$list${list:+,}$target-linux-user
done
# The two options about initial values and registers after a call undo a part of Debian's and upstream's
# hardening of the machine's own emulators; it costs 6 % of the time of translation. With a section for each
# function and object the linker leaves out what nothing uses. PROVIDE_STUBS_FOR_STATIC is Debian's: no lookup
# of users in a static program.
cd /build/work
/build/qemu/configure \
    --target-list="$list" \
    --cross-prefix="$cross" \
    --with-pkgversion="unibin $(cat /build/recipe/revision)" \
    --without-default-features --enable-tcg --enable-attr --static --disable-pie \
    --disable-system --disable-tools --disable-docs --disable-capstone --disable-plugins \
    --disable-install-blobs --disable-debug-info --disable-download --enable-trace-backends=nop \
    --extra-cflags="-O2 -ffunction-sections -fdata-sections -ftrivial-auto-var-init=uninitialized
        -fzero-call-used-regs=skip -DPROVIDE_STUBS_FOR_STATIC -ffile-prefix-map=/build/qemu/=" \
    --extra-ldflags="-Wl,--gc-sections -Wl,-z,max-page-size=$page -Wl,--build-id=none
        -Wl,-Map=/build/maps" || {
    tail -n 50 meson-logs/meson-log.txt
    exit 1
}

only=${ONLY:-$*}
step "compile for $host: $only"
programs=
for target in $only; do
    programs="$programs qemu-$target"
done
# The names are words.
# shellcheck disable=SC2086
ninja ${JOBS:+-j "$JOBS"} $programs

step "strip"
for target in $only; do
    "${cross}strip" -o "/build/out/qemu-$target" "/build/work/qemu-$target"
done

# In the linker's map, a line for each piece: section, address, size, file; the name of a long section has a
# line of its own. What was left out has the address 0.
for target in $only; do
    awk '/^Linker script and memory map/ { placed = 1 }
        placed && match($NF, /^\/usr\/.*\.a\(/) && $(NF - 2) !~ /^0x0*$/ && $(NF - 1) !~ /^0x0*$/ {
            print substr($NF, 1, RLENGTH - 1)
        }' "/build/maps/qemu-$target.map"
done | sort -u >/build/out/linked
