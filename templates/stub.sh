#!/bin/sh
# A unibin bundle: this text, a launcher for each CPU, then the app.
# Run it like any program. UNIBIN_DO=info shows what is inside.
##
## The first block of every bundle. Lines that begin with `##` and all indentation are left out of bundles;
## src/stub.rs fills in `@...@`. It must leave no trace in what it starts: names begin with `ub_` and are
## never exported; umask, traps and PATH change in subshells only; stdin is not read. Nothing is read after
## `exec`, so no shell ever reaches the binary part. A warm start does not fork. The kernel names the
## architecture: a 32-bit userland on a 64-bit kernel is common.
ub_die() {
  printf '%s\n' "unibin: $2" "hint: $3" >&2
  exit "$1"
}
ub_h=
ub_x=
ub_z=-p
## Must not inherit a value from a caller's variable of the same name.
ub_i=
## ub_z: `-O` if this sh supports it, else a test that no directory passes. Nothing is created in a home or
## runtime directory that belongs to somebody else (sudo) or does not exist (`HOME=/nonexistent`). One
## redirection for all: each costs six calls.
{
  read -r ub_m </proc/sys/kernel/arch || ub_m=$(uname -m)
  [ -O "${HOME-}" ] && ub_h=$HOME/.cache/unibin
  [ $? -lt 2 ] && ub_z=-O
  test $ub_z "${XDG_RUNTIME_DIR-}" && ub_x=$XDG_RUNTIME_DIR/unibin
} 2>/dev/null
## ub_m becomes the launcher's architecture; ub_d: start of its SHA-256; ub_o: its first block; ub_n: its size
## in bytes.
case $ub_m in
@CASES@
*)
  ub_die 126 "this bundle has no launcher for '$ub_m' (it has: @HAS@)" \
    'run it on one of these, or pack it again with --hosts'
  ;;
esac
## ub_f: this file, in a form that no tool mistakes for an option or looks up in PATH.
case $0 in
-*) ub_f=./$0 ;;
*/*) ub_f=$0 ;;
*) if [ -f "./$0" ]; then ub_f=./$0; else ub_f=$(command -v "$0"); fi ;;
esac
ub_a=${UNIBIN_CACHE-}
case $ub_a in
'' | /*) ;;
*)
  ub_die 125 "unknown value for UNIBIN_CACHE: '$ub_a'" 'it takes the absolute path of a directory'
  ;;
esac
## ub_own TEST PATH [+]: PATH passes TEST, is not a symlink, is ours; without `+`, a directory that others
## cannot write to
## Only `ls` shows a mode, and the owner if an old sh lacks `-O`. No `exit` in the pipe: ksh and zsh run its
## last part in this shell itself.
ub_own() {
  test "$1" "$2" && [ ! -h "$2" ] || return 1
  [ "$3" ] && test $ub_z "$2" && return
  : "${ub_i:=$(id -u)}"
  ls -ldn "$2" 2>/dev/null | {
    IFS=' ' read -r ub_1 ub_2 ub_3 ub_2
    ## No pattern comes from a variable: zsh takes it literally unless it is called `sh`.
    case $3$ub_3/$ub_1 in
    "+$ub_i/"* | "$ub_i/d"????-??-*) ;;
    *) false ;;
    esac
  }
}
## ub_ok: the cache has the launcher, and only we can have put it there
## A crash of the machine can leave a file empty (-s). -x fails on a file system mounted noexec.
ub_ok() {
  ub_own -d "$ub_c" "$ub_p" && ub_own -d "$ub_q" + &&
    [ -f "$ub_l" ] && [ -s "$ub_l" ] && ub_own -x "$ub_l" +
}
## ub_go look|make [ONLY]: find, or create, the launcher in a cache directory, or in ONLY alone; its path
## becomes ub_l
ub_go() {
  ub_s=
  ub_v=-p
  for ub_c in "$ub_a" "${XDG_CACHE_HOME:+$XDG_CACHE_HOME/unibin}" "$ub_h" "$ub_x" all \
    "${ub_f%/*}/.unibin-" /var/tmp/unibin- /tmp/unibin- /dev/shm/unibin-; do
    [ -z "$2" ] || [ "$ub_c" = "$2" ] || break
    case $ub_c in
    all)
      ## From here on, everybody may write beside us.
      ub_s=${ub_i:=$(id -u)}
      ub_v=
      ;;
    /* | */.unibin-)
      ub_c=$ub_c$ub_s
      ## `-h` and `-O` are two calls. Where others can create names too (`/tmp`), a single `ls` must answer
      ## both.
      ub_p=
      [ ! "$ub_s" ] && test $ub_z "${ub_c%/*}" && [ ! -k "${ub_c%/*}" ] && ub_p=+
      ub_q=$ub_c/$ub_m
      ub_l=$ub_q/launcher-$ub_d
      ub_ok && return
      if [ "$1" = make ]; then
        ub_y="$ub_y $ub_c"
        ub_new
        case $? in
        0 | 1) ub_ok && return ;;
        124)
          ub_die 125 "'$ub_f' is damaged: its launcher for $ub_m fails its checksum" 'copy the file again'
          ;;
        *) exit $? ;;
        esac
      fi
      ;;
    esac
  done
  false
}
## The directory that the user names comes before any that is already warm. No shell parses what follows
## `exec`.
ub_go look "$ub_a" && exec "$ub_l" "$ub_f" "$0" "$@"
## ub_new: copy the launcher out, try it, rename it into the cache
## Exits with 0: done, 1: not in this directory, 124 and 125: the bundle is damaged, above 128: a signal.
ub_new() (
  {
    umask 077
    PATH=/usr/bin:/bin${PATH:+:$PATH}
    mkdir $ub_v "$ub_c"
    ub_own -d "$ub_c" "$ub_p" || exit 1
    mkdir "$ub_q"
    ub_own -d "$ub_q" + || exit 1
    ub_ok && exit
    ## A file of that name that is not ours is never used, and stays. One of ours that a crash left empty is
    ## replaced.
    if [ -e "$ub_l" ] || [ -h "$ub_l" ]; then
      ub_own -f "$ub_l" + || exit 1
    fi
    ## mksh forgets the status of an `exit` in a signal's trap if the EXIT trap runs a command: hence ub_r.
    ub_r=
    for ub_1 in 1 2 15; do
      trap "exit \${ub_r:=$((ub_1 + 128))}" $ub_1
    done
    ## Containers that share a cache have the same pids: hence the counter.
    ub_k=0
    until
      ub_t=$ub_q/.new-launcher-$$-$ub_k
      mkdir "$ub_t"
    do
      ub_k=$((ub_k + 1))
      [ -w "$ub_q" ] && [ "$ub_k" -lt 64 ] || exit 1
    done
    trap 'rm -rf "$ub_t"; [ -z "$ub_r" ] || exit "$ub_r"' EXIT
    ub_e=$ub_t/launcher
    dd if="$ub_f" of="$ub_e" bs=4096 skip="$ub_o" count=$(((ub_n + 4095) / 4096)) || exit 1
    ## Checked before it runs: some shells would run what the kernel refuses (such as an empty file) as a
    ## script.
    case $(dd if="$ub_e" bs="$ub_n" count=1 | sha256sum || echo "$ub_d") in
    "$ub_d"*) [ -s "$ub_e" ] || exit 124 ;;
    ## Another run may have removed the directory, if it cannot see our process.
    *) [ ! -f "$ub_e" ] || exit 124; exit 1 ;;
    esac
    chmod 700 "$ub_e"
    "$ub_e" - "$ub_f" </dev/null >/dev/null
  } 2>/dev/null
  case $? in
  0) mv -f "$ub_e" "$ub_l" 2>/dev/null || exit 1 ;;
  ## Once more, for its message: the first time it was lost together with those of the shell.
  125) "$ub_e" - "$ub_f" </dev/null >/dev/null || exit 125 ;;
  *) exit 1 ;;
  esac
)
{ [ "$ub_a" ] && ub_go make "$ub_a"; } || ub_go look || {
  ub_y=
  ub_go make
} ||
  ub_die 125 "no usable cache directory (tried:$ub_y)" \
    'set UNIBIN_CACHE to a directory on a file system mounted without noexec'
exec "$ub_l" "$ub_f" "$0" "$@"
