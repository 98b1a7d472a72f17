#!/bin/busybox sh
# The first program of a machine that was made from packages: loads what its disk needs, mounts that, and hands
# over. The kernel's words that matter here: `root=UUID=...`, `ro`, `init=PROGRAM`.
b=/bin/busybox
run() { "$b" "$@"; }

run mkdir -p /proc /sys /dev /root
run mount -t proc proc /proc
run mount -t sysfs sys /sys
run mount -t devtmpfs dev /dev 2>/dev/null
# Whoever opens the console before there are devices has none.
exec </dev/console >/dev/console 2>&1

root= mode=rw init=/sbin/init
# shellcheck disable=SC2013 # words
for word in $(run cat /proc/cmdline); do
    case $word in
        root=*) root=${word#root=} ;;
        ro | rw) mode=$word ;;
        init=*) init=${word#init=} ;;
    esac
done

fails() {
    echo "unibin: $1"
    echo 'unibin: this is a shell of the first root; `exit` goes on where it stopped'
    run setsid "$b" cttyhack "$b" sh
}

while read -r module; do
    run insmod "/modules/$module" || echo "unibin: cannot load $module"
done </modules/order

# Devices appear when their drivers are ready, which takes long where there is much to do.
device= tries=300
until case $root in
    UUID=* | LABEL=*) device=$(run findfs "$root" 2>/dev/null) && [ -b "$device" ] ;;
    *) device=$root && [ -b "$device" ] ;;
esac do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || fails "there is no disk with root=$root"
    run usleep 100000
done
until run mount -t ext4 -o "$mode" "$device" /root; do fails "cannot mount $device"; done
for mounted in proc sys dev; do run mount -o move "/$mounted" "/root/$mounted"; done
exec "$b" switch_root /root "$init"
