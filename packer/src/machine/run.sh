#!/bin/sh
# Runs a machine: qemu-system as a child, with the terminal, the signals and the directories around it. It is
# started by the busybox beside it, and uses nothing of the host but the shell's own kernel. Values are checked
# before anything is started. It refuses to write outside of its own directory.
set -uf
tree=${0%/machine/run}
busybox=$tree/usr/bin/busybox
here=$tree/machine
. "$here/settings"

say() { printf 'unibin: %s\n' "$1" >&2; }
hint() { printf 'hint: %s\n' "$1" >&2; }
log() { case ${UNIBIN_LOG-} in '' | 0) ;; *) say "$1" ;; esac }
fail() {
    say "$1"
    [ -z "${2-}" ] || hint "$2"
    exit 125
}
run() { "$busybox" "$@"; }

# Whether all of it are digits, few enough to count with, and it is at least one.
number() { case $1 in '' | 0* | *[!0-9]* | ?????????*) return 1 ;; esac }

# Seconds that nobody sets back.
clock() {
    read -r up _ </proc/uptime || up=$(run date +%s)
    echo "${up%%.*}"
}

# A value of an option of qemu-system: commas twice.
value() { printf '%s' "${1//,/,,}"; }

#### Where everything is

# Whether nobody but root and us can exchange a part of the way to a directory: each level is root's or ours, and
# closed to the writing of others, or sticky; a group may write that is root's, or has our number. Whoever owns `/`
# counts as root, and directories that are the system's on every Linux (FHS) are not asked: in a namespace of users
# root may have no number. A disk that somebody else puts into ours could name any file of ours as its own.
ours() {
    level=$(run realpath "$1/") && us=$(run id -u) && root=$(run stat -c %u /) || return 1
    while [ -n "${level#/}" ]; do
        case $level in
            /home | /tmp | /var | /var/home | /var/tmp | /dev | /dev/shm | /run | /run/user) ;;
            *)
                # shellcheck disable=SC2046 # three numbers
                set -- $(run stat -c '%u %g 0x%f' "$level")
                [ "$#" -eq 3 ] || return 1
                case $1 in 0 | "$us" | "$root") ;; *) return 1 ;; esac
                case $2 in 0 | "$us") open=2 ;; *) open=18 ;; esac
                [ $(($3 & 512)) -ne 0 ] || [ $(($3 & open)) -eq 0 ] || return 1
                ;;
        esac
        level=${level%/*}
    done
}

directories() {
    umask 077
    state=${XDG_DATA_HOME-}
    case $state in /*) ;; *) state=${HOME:+$HOME/.local/share} ;; esac
    case $state in /*) ;; *) fail 'neither HOME nor XDG_DATA_HOME says where machines are kept' 'set HOME' ;; esac
    state=$state/unibin/machines/$id
    # What is there already must be ours before anything is made in it.
    own=$state
    until [ -d "$own/" ]; do own=${own%/*}; done
    ours "$own" || fail "$state is not yours" 'set XDG_DATA_HOME to a directory of your own'
    # Links on the way may be somebody else's.
    state=$(run realpath "$own/")${state#"$own"}
    run mkdir -p "$state/running" "$state/kept" 2>/dev/null ||
        fail "cannot write $state" 'set XDG_DATA_HOME to a directory of your own'
    state=$(run realpath "$state/") || fail "cannot find $state" 'set XDG_DATA_HOME to a directory of your own'
    # A key and disks are in it: nobody else's business.
    # shellcheck disable=SC3067 # busybox has it
    [ -O "$state" ] && run chmod 700 "$state" 2>/dev/null && ours "$state" ||
        fail "$state is not yours" 'set XDG_DATA_HOME to a directory of your own'
    # Where a number means the same process: other hosts and containers may share the directory.
    read -r mark 2>/dev/null </proc/sys/kernel/random/boot_id || mark=
    mark=$(printf '%s' "$mark-$(run readlink /proc/self/ns/pid)" | run tr -cd '0-9a-z-')
    keep=${UNIBIN_KEEP-}
    case $keep in
        none) keep= ;;
        .* | *[!A-Za-z0-9._-]*)
            fail "unknown value for UNIBIN_KEEP: $keep" 'use letters, digits, `.`, `_` and `-`' ;;
    esac
}

# The words of a process.
words() { { run tr '\0' ' ' <"/proc/$1/cmdline"; } 2>/dev/null; }

# Whether the process that a running machine's directory is of still runs it, from wherever it was unpacked to.
lives() {
    kill -0 "${1##*-}" 2>/dev/null || return 1
    case $(words "${1##*-}") in '' | */machine/run*) ;; *) return 1 ;; esac
}

each_running() {
    set +f
    set -- "$state/running/$mark"-*
    set -f
    for one in "$@"; do
        [ -d "$one" ] || continue
        if lives "$one"; then "$each" "$one"; else run rm -rf "$one"; fi
    done
}

#### ./vm

accelerated() {
    why=
    [ "${UNIBIN_KVM-}" != 0 ] || why='UNIBIN_KVM is 0'
    [ -z "$why" ] || return 1
    case $UNIBIN_HOST in
        "$cpu") ;;
        x86_64) [ "$cpu" = i686 ] || why="this machine's CPU is $UNIBIN_HOST" ;;
        *) why="this machine's CPU is $UNIBIN_HOST" ;;
    esac
    [ -n "$why" ] || (: <>/dev/kvm) 2>/dev/null || why='/dev/kvm cannot be opened'
    [ -z "$why" ]
}

checked() {
    memory=${UNIBIN_MEMORY:-$memory}
    number "${memory%[MG]}" || fail "unknown value for UNIBIN_MEMORY: $memory" 'use a number of MiB, or with M or G behind it'
    cpus=${UNIBIN_CPUS:-}
    if [ -z "$cpus" ]; then
        cpus=$(run nproc 2>/dev/null) || cpus=1
        [ "$cpus" -lt 2 ] || cpus=2
    fi
    number "$cpus" || fail "unknown value for UNIBIN_CPUS: $cpus" 'use a number'
    display=${UNIBIN_DISPLAY:-none}
    case $display in
        none) ;;
        vnc:?*) number "1${display#vnc:}" || fail "unknown value for UNIBIN_DISPLAY: $display" 'use none or vnc:N' ;;
        *) fail "unknown value for UNIBIN_DISPLAY: $display" 'use none or vnc:N' ;;
    esac
    case ${UNIBIN_KVM-} in '' | 0 | 1) ;; *) fail "unknown value for UNIBIN_KVM: $UNIBIN_KVM" 'use 0 or 1' ;; esac
    share=${UNIBIN_SHARE-} access=
    # Also where there is a directory of the whole name: who says `:ro` means it.
    case $share in *:ro) share=${share%:ro} access=,readonly=on ;; esac
    [ -z "$share$access" ] || [ -d "$share" ] ||
        fail "UNIBIN_SHARE is not a directory: $share" 'name a directory, with `:ro` behind it if the machine may only read it'
    forwards=
    rest=${UNIBIN_FORWARD-},
    while [ -n "$rest" ]; do
        one=${rest%%,*}
        rest=${rest#*,}
        [ -z "$one" ] || forward "$one"
    done
    # For `ssh`: at a port that the kernel chooses.
    forwards=$forwards,hostfwd=tcp:127.0.0.1:0-:22
}

forward() {
    protocol=tcp to=$1 address=127.0.0.1
    case $to in */udp) protocol=udp to=${to%/udp} ;; */tcp) to=${to%/tcp} ;; esac
    guest=${to##*:}
    from=${to%:*}
    case $from in *:*) address=${from%:*} from=${from##*:} ;; esac
    case $address in *[!0-9.]* | '') address= ;; esac
    [ -n "$address" ] && [ "$to" != "$guest" ] && number "$from" && number "$guest" &&
        [ "$from" -lt 65536 ] && [ "$guest" -lt 65536 ] ||
        fail "unknown value for UNIBIN_FORWARD: $1" 'use PORT:PORT, of this machine and of the one inside, or ADDRESS:PORT:PORT'
    forwards=$forwards,hostfwd=$protocol:$address:$from-:$guest
}

# Of two first starts one makes a file. Not every file system has links.
only_one() {
    run ln "$1.$$" "$1" 2>/dev/null || run mv -n "$1.$$" "$1" 2>/dev/null
    run rm -f "$1.$$"
}

# The key by which `ssh` is let in, and the disk that tells the machine so.
seeded() {
    seed=
    [ ! -e "$here/seed.iso" ] || seed=$here/seed.iso
    # An image of the user's own has no room for a key.
    [ -n "$key_place" ] || return 0
    seed=$mine/seed.iso
    key=$state/key
    if [ ! -e "$key" ]; then
        "$tree/usr/bin/dropbearkey" -t ed25519 -f "$key.$$" >/dev/null 2>&1 ||
            fail "cannot make a key in $state" 'free some space'
        only_one "$key"
    fi
    [ -s "$key" ] && public=$("$tree/usr/bin/dropbearkey" -y -f "$key" 2>/dev/null | run grep '^ssh-') &&
        [ -n "$public" ] || fail "$key is no key" 'free some space, and remove it'
    run cp "$here/seed.iso" "$seed" && run chmod 600 "$seed" &&
        printf 'public-keys:\n- "%s"\n#' "${public% *} unibin" |
        run dd of="$seed" bs=1 seek="$key_place" conv=notrunc 2>/dev/null ||
        fail "cannot write $seed" 'free some space'
}

# The disk that changes go to: qemu-system itself locks it.
kept() {
    changes=$state/kept/$keep.qcow2
    if [ ! -e "$changes" ]; then
        run cp "$here/changes.qcow2" "$changes.$$" && run chmod 600 "$changes.$$" ||
            fail "cannot write $changes" 'free some space'
        only_one "$changes"
    fi
    [ -s "$changes" ] || fail "cannot write $changes" 'free some space'
}

same() {
    [ "$(run cat "$1/keep" 2>/dev/null)" != "$keep" ] ||
        fail "this machine runs already, as process ${1##*-}, and keeps its changes as $keep" \
            'another UNIBIN_KEEP is another machine'
}

# A terminal is the machine's only while this is in its foreground: a job in the background would be stopped.
foreground() {
    [ -t 0 ] || return 1
    read -r stat <"/proc/$$/stat" || return 1
    set -- ${stat##*) }
    [ "$3" = "$6" ]
}

start() {
    checked
    if [ -n "$keep" ]; then
        [ -e "$here/disk.qcow2" ] || fail 'UNIBIN_KEEP is set, and this machine has no disk' 'unset it'
        each=same
        each_running
    fi
    mine=$state/running/$mark-$$
    run rm -rf "$mine"
    run mkdir "$mine" && run mkfifo "$mine/life" "$mine/monitor.in" "$mine/monitor.out" ||
        fail "cannot write $mine" 'set XDG_DATA_HOME to a directory of your own'
    printf '%s\n' "$keep" >"$mine/keep"
    saved=
    exec 3<&0
    terminal=
    if foreground; then
        terminal=yes
        saved=$(run stty -g <&3 2>/dev/null)
    fi
    # It ends with us, however we end.
    exec 9<>"$mine/life"
    # In a session of its own, as qemu-system is: Ctrl-C and what ends a whole group reach us alone.
    "$busybox" setsid "$busybox" sh "$0" guard "${mine##*/}" "$saved" &
    guard=$!
    seeded
    [ -z "$keep" ] || kept

    set -- "$tree/usr/bin/$program" -nodefaults -no-user-config -name "unibin" -L "$tree/usr/share/qemu" \
        -L "$tree/usr/share/seabios"
    if accelerated; then
        log 'the machine runs by KVM'
        set -- "$@" -accel kvm -accel tcg $machine -cpu max
    else
        log "the machine is emulated: $why"
        set -- "$@" -accel tcg $machine $model
    fi
    set -- "$@" -m "$memory" -smp "$cpus" -device "virtio-rng-$bus"
    [ ! -e "$here/firmware.fd" ] || set -- "$@" -bios "$here/firmware.fd"
    if [ -e "$here/kernel" ]; then
        append=$(run cat "$here/append")
        set -- "$@" -kernel "$here/kernel" -append "$append"
        [ ! -e "$here/initrd" ] || set -- "$@" -initrd "$here/initrd"
    fi
    if [ -e "$here/disk.qcow2" ]; then
        [ -n "${TMPDIR-}" ] || [ -w /var/tmp ] || export TMPDIR="$mine"
        disk=$(value "$here/disk.qcow2")
        # What is not kept goes to a file without a name.
        how="file.filename=$(value "$here/changes.qcow2"),snapshot=on"
        [ -z "$keep" ] || how="file.filename=$(value "$changes"),discard=unmap"
        # On x86 a kernel that is given is what is booted first, and nothing else may be.
        first=,bootindex=0
        [ ! -e "$here/kernel" ] || first=
        how=$how,backing.driver=qcow2,backing.read-only=on,backing.file.filename=$disk
        set -- "$@" -drive "if=none,id=disk,driver=qcow2,$how" -device "virtio-blk-$bus,drive=disk$first"
    fi
    if [ -n "$seed" ]; then
        set -- "$@" -drive "if=none,id=seed,format=raw,readonly=on,file=$(value "$seed")" \
            -device "virtio-blk-$bus,drive=seed"
    fi
    case $bus in pci) rom=,romfile= ;; *) rom= ;; esac
    set -- "$@" -netdev "user,id=net$forwards" -device "virtio-net-$bus,netdev=net$rom"
    if [ -n "$share" ]; then
        set -- "$@" -fsdev "local,id=share,security_model=none,path=$(value "$share")$access" \
            -device "virtio-9p-$bus,fsdev=share,mount_tag=share"
    fi
    case $display in
        none) set -- "$@" -display none ;;
        *) set -- "$@" -vnc "127.0.0.1:${display#vnc:}" $graphics ;;
    esac
    console=$(value "$mine/console")
    if [ -n "$terminal" ] || [ ! -t 0 ]; then
        set -- "$@" -chardev "stdio,id=console,mux=on,signal=off,logfile=$console" -mon chardev=console
    else
        say "not in the foreground: the console is in $mine/console"
        set -- "$@" -chardev "file,id=console,path=$console"
        exec 3</dev/null
    fi
    set -- "$@" -serial chardev:console -chardev "pipe,id=control,path=$(value "$mine/monitor")" -mon chardev=control
    asked=
    trap ask TERM INT HUP
    # Debian's looks for modules and firmware where they are installed, whatever lies beside it.
    set +f
    for QEMU_MODULE_DIR in "$tree"/usr/lib/*/qemu; do export QEMU_MODULE_DIR; done
    set -f
    # By a shell that says who it is first, so that whatever kills us here, the guard knows whom to end.
    # Not by a function: a shell would wait for it, and hold what must be closed.
    "$busybox" setsid "$busybox" sh -c 'echo "$$" >"$0"; exec "$@"' "$mine/qemu" "$@" <&3 3<&- 9>&- &
    qemu=$!
    (
        exec 3<&- 9>&-
        find_port
    ) &
    while :; do
        wait "$qemu"
        code=$?
        kill -0 "$qemu" 2>/dev/null || break
    done
    [ -z "$asked" ] || [ "$code" -ne 143 ] || code=0
    exec 9>&-
    wait "$guard"
    exit "$code"
}

# Ends what is left of a machine when its runner has ended, and makes the terminal as it was.
guard() {
    trap '' HUP INT QUIT TERM TTOU
    number "${1#"$mark-"}" || exit 125
    mine=$state/running/$1
    saved=$2
    # Opened before ours is closed: else nobody might be at the other end any more, and the opening would wait.
    exec 8<"$mine/life" 9>&-
    read -r _ <&8
    qemu=
    [ ! -e "$mine/qemu" ] || read -r qemu <"$mine/qemu"
    [ -z "$qemu" ] || end "$qemu"
    [ -z "$saved" ] || run stty "$saved" <&3 2>/dev/null
    # Whoever waits there for the other end.
    : <>"$mine/monitor.out"
    run rm -rf "$mine"
    exit 0
}

# It may close its images and make the terminal as it was, for 2 seconds.
end() {
    left=100
    while case $(words "$1") in *"$mine"*) ;; *) false ;; esac; do
        case $left in
            100) kill -TERM "$1" 2>/dev/null ;;
            0) kill -KILL "$1" 2>/dev/null ;;
        esac
        [ "$left" -eq 0 ] || left=$((left - 1))
        run usleep 20000
    done
}

# The first time the machine is asked to shut down, the second time it is ended.
# What ends a whole group, as `timeout` does, and a terminal that closes may send a signal twice at once.
ask() {
    now=$(clock)
    if [ -z "$asked" ]; then
        asked=$now
        say 'the machine is asked to shut down; once more ends it'
        printf 'system_powerdown\n' >"$mine/monitor.in"
    elif [ "$now" -gt $((asked + 1)) ]; then
        kill -TERM "$qemu" 2>/dev/null
    fi
}

# Where `ssh` finds the machine.
find_port() {
    trap '' INT HUP
    # Both ends of one, so that nobody is waited for; of the other the end that qemu-system's end ends.
    exec 7<>"$mine/monitor.in" 8<"$mine/monitor.out"
    printf 'info usernet\n' >&7
    while read -r line <&8; do
        case $line in
            *TCP\[HOST_FORWARD\]*)
                # PROTOCOL HANDLE ADDRESS PORT, and ADDRESS PORT of the machine.
                set -- ${line#"${line%TCP\[HOST_FORWARD\]*}"}
                [ "${6-}" = 22 ] && [ "$3" = 127.0.0.1 ] || continue
                printf '%s\n' "$4" >"$mine/port.new"
                run mv "$mine/port.new" "$mine/port"
                ;;
        esac
        [ ! -e "$mine/port" ] || break
    done
}

#### ./vm ssh

candidate() {
    if [ -n "${UNIBIN_KEEP-}" ] && [ "$(run cat "$1/keep" 2>/dev/null)" != "$keep" ]; then return; fi
    count=$((count + 1))
    machine=$1
}

# What it waits for: once where nobody watches, else in one line.
waits() {
    if [ -t 2 ]; then
        printf '\r\033[Kunibin: %s' "$1" >&2
        shown=yes
    elif [ "$1" != "${waited-}" ]; then
        say "$1"
    fi
    waited=$1
}

last_line() {
    run tail -c 4000 "$machine/console" 2>/dev/null | run tr -d '\000-\011\013-\037\177' | run grep . | run tail -n "$1"
}

gives_up() {
    [ -z "${shown-}" ] || echo >&2
    say "$1"
    [ -z "${machine-}" ] || last_line 8 | run sed 's/^/  | /' >&2
    exit 125
}

ssh() {
    [ -z "$server" ] || fail 'this machine has nothing that answers to ssh' 'pack it with `--include openssh-server`, or use its console'
    [ -n "$key_place" ] || fail 'this machine was packed without a seed that tells it of a key' 'pack it with `--seed DIR`, or log in through UNIBIN_FORWARD'
    limit=${UNIBIN_WAIT:-300}
    number "$limit" || fail "unknown value for UNIBIN_WAIT: $limit" 'use a number of seconds'
    case ${UNIBIN_USER-} in
        -* | *[!A-Za-z0-9._-]*) fail "unknown value for UNIBIN_USER: $UNIBIN_USER" 'use letters, digits, `.`, `_` and `-`' ;;
    esac
    each=candidate
    begun=$(clock)
    while :; do
        seconds=$(($(clock) - begun))
        count=0 machine=
        each_running
        [ "$count" -lt 2 ] || fail "$count machines of this bundle run" 'name one with UNIBIN_KEEP=NAME'
        if [ "$count" -eq 0 ]; then
            [ "$seconds" -lt 10 ] && [ "$seconds" -lt "$limit" ] || gives_up 'no machine of this bundle runs here'
            waits 'waiting for a machine of this bundle to be started'
        elif [ ! -e "$machine/port" ]; then
            waits 'waiting for the machine to be made'
        else
            read -r port <"$machine/port"
            # Its network answers for it before it does: only what it says counts.
            if [ "$(run timeout 5 "$busybox" nc -w 1 127.0.0.1 "$port" </dev/null 2>/dev/null | run head -c 4)" = SSH- ]; then
                # The first time it is believed who it is, and not again.
                trial=$((limit - seconds))
                [ "$trial" -gt 1 ] || trial=1
                [ "$trial" -lt 60 ] || trial=60
                if client -y true </dev/null >/dev/null 2>&1; then break; fi
                waits 'waiting for the machine to accept the key'
            elif [ -t 2 ]; then
                waits "waiting for the machine to answer: $(last_line 1 | run head -c 60)"
            else
                waits 'waiting for the machine to answer'
            fi
        fi
        [ "$seconds" -lt "$limit" ] || gives_up "the machine does not answer after $limit seconds; its console said last:"
        run sleep 1
    done
    [ -z "${shown-}" ] || printf '\r\033[K' >&2
    client "$@"
    exit
}

client() {
    sure=
    within=
    case ${1-} in -y) sure=-y within="timeout $trial" && shift ;; esac
    HOME=$machine ${within:+"$busybox"} $within "$tree/usr/bin/dbclient" -q $sure -i "$state/key" -p "$port" "${UNIBIN_USER:-$user}@127.0.0.1" "$@"
}

directories
case ${1-} in
    '') start ;;
    guard)
        shift
        guard "${1-}" "${2-}"
        ;;
    ssh)
        shift
        ssh "$@"
        ;;
    *) fail "unknown word: $1" 'a machine is started without arguments; `ssh [CMD]` runs a command in it' ;;
esac
