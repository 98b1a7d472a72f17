#!/bin/sh
# A unibin bundle: a program. UNIBIN_DO=info shows what is inside.
##
## The first blocks of every bundle. Lines that begin with `##` and all indentation are left out of bundles;
## src/stub.rs fills in `@...@`. It must leave no trace in what it starts: names begin with `ub_` and are
## never exported; umask, traps and PATH change in subshells only; stdin is not read. Nothing is read after
## `exec`, so no shell ever reaches the binary part. A warm start does not fork, unless the home is below a
## directory of root's other than /home: then `ls` has to look at that one. The kernel names the architecture: a
## 32-bit userland on a 64-bit kernel is common.
##
## No redirection here opens a file that may be missing: a shell skips what it belongs to. So nothing goes to
## /dev/null, which root would create where it is missing. Of what forks nothing but builtins, `2>&-` takes
## the messages; elsewhere a pipe does.
## The shell may have -e or -u (bash takes both out of SHELLOPTS), and they stay: the app gets that variable.
## bash takes functions out of the environment, and prefers them to these builtins, to special ones too unless
## it is called `sh`. It behaves so while that variable is set: then a function called `unset` is not called.
## Up to 5.0 it then refuses to unset `[` and `:`; so where it is called `sh`, it keeps them (SECURITY.md).
## What else is called below is unset in subshells, since all that is unset here is lost to the app.
case ${BASH_VERSION-} in
?*)
  ub_1=${POSIXLY_CORRECT+x}
  POSIXLY_CORRECT=${POSIXLY_CORRECT-}
  unset -f break command continue exec exit false printf read return set shift test trap unset
  test "$ub_1" || unset POSIXLY_CORRECT
  unset -f '[' : 2>&- || ub_1=
  ;;
esac
## ub_g: this shell knows how it ends. Where it does not, as when it cannot fork, it says what it can; bash,
## ksh93 and mksh try until it can, and would say so when a signal ends them.
ub_g=
[ "${BASH_VERSION-}${KSH_VERSION-}" ] || trap '[ "$ub_g" ] || {
printf "%s\n" "unibin: the shell cannot start a process or has no memory" "hint: ulimit -a shows the limits" >&2
exit 125
}' EXIT
ub_die() {
  ub_g=1
  printf '%s\n' "unibin: $2" "hint: $3" >&2
  exit "$1"
}
case $- in
*s*)
  ub_die 125 "a bundle cannot run from a pipe" 'save it in a file, and run that file'
  ;;
esac
ub_h=
ub_x=
ub_z=-p
ub_b=
## Must not inherit a value from a caller's variable of the same name.
ub_i=
ub_m=
## Where the tools are; the last ones are those of NixOS, Guix and Android. The caller's PATH has its turn where
## they are in none of these, as in a build of Nix or Guix.
ub_0=/usr/bin:/bin:/run/current-system/sw/bin:/run/current-system/profile/bin:/system/bin${PATH:+:$PATH}
## ub_do COMMAND...: in a subshell
ub_do() {
  PATH=$ub_0
  exec "$@"
}
## ub_z: `-O` if this sh supports it, else a test that no directory passes. Nothing is created in a home or
## runtime directory that belongs to somebody else (sudo) or does not exist (`HOME=/nonexistent`).
{
  [ -O "${HOME-}" ] && ub_h=$HOME/.cache/unibin
  [ $? -lt 2 ] && ub_z=-O
  test $ub_z "${XDG_RUNTIME_DIR-}" && ub_x=$XDG_RUNTIME_DIR/unibin
} 2>&-
## In a Slurm job, a directory of the node's own.
[ "${SLURM_JOB_ID-}" ] && ub_b=${SLURM_TMPDIR:+$SLURM_TMPDIR/unibin}
[ -r /proc/sys/kernel/arch ] && read -r ub_m </proc/sys/kernel/arch
## ub_cpu NAME: ub_m becomes the launcher's architecture; ub_d: start of its SHA-256; ub_o: its first block;
## ub_n: its size in bytes.
ub_cpu() {
  case $1 in
@CASES@
*) false ;;
  esac
}
## In a container for another CPU only `uname` says what its programs are built for.
ub_cpu "$ub_m" || {
  ub_u=$(ub_do uname -m)
  ub_m=${ub_m:-$ub_u}
  ub_cpu "$ub_u" ||
    ub_die 126 "this bundle has no launcher for '$ub_m' (it has: @HAS@)" \
      'run it on one of these, or pack it again with --hosts'
}
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
## With a slash or a dot at its end a link would look like its target.
while :; do
  case $ub_a in
  */ | */.) ub_a=${ub_a%?} ;;
  *) break ;;
  esac
done
## ub_own TEST PATH [+]: PATH passes TEST, is not a symlink, is ours; without `+`, a directory that others
## cannot write to
## Only `ls` shows a mode, and the owner if an old sh lacks `-O`. No `exit` in the pipe: ksh and zsh run its
## last part in this shell itself.
ub_own() {
  test "$1" "$2" && [ ! -h "$2" ] || return 1
  [ "${3-}" ] && test $ub_z "$2" && return
  : "${ub_i:=$(ub_do id -u)}"
  (ub_do ls -ldn "$2" 2>&-) | {
    IFS=' ' read -r ub_1 ub_2 ub_3 ub_2
    ## No pattern comes from a variable: zsh takes it literally unless it is called `sh`.
    case ${3-}$ub_3/$ub_1 in
    "+$ub_i/"* | "$ub_i/d"????-??-*) ;;
    *) false ;;
    esac
  }
}
## ub_way DIRECTORY: ub_r becomes its path without links, if nobody but root and us can exchange a part of it
## Each level is root's or ours, and others cannot write to it, unless it is sticky; a group may that is root's
## or has only us. Whoever owns `/` counts as root: in a user namespace root may have no number. One `ls` for
## all: it looks at each once, and what it finds safe stays so. Directories that are the system's on every
## Linux (FHS) are not asked.
ub_way() {
  ub_r=$(
    [ "${BASH_VERSION-}" ] && unset -f cd pwd
    CDPATH=
    cd -P "$1/" 2>&1 && pwd -P
  ) || return
  case $ub_r in
  *'
'*) return 1 ;;
  esac
  ub_r=${ub_r%/}
  ub_1=$ub_r
  set --
  while [ "$ub_1" ]; do
    case $ub_1 in
    /home | /tmp | /var | /var/home | /var/tmp | /dev | /dev/shm | /run | /run/user) ;;
    *) set -- "$ub_1" "$@" ;;
    esac
    ub_1=${ub_1%/*}
  done
  : "${ub_i:=$(ub_do id -u)}"
  (ub_do ls -ldn / "$@" 2>&-) | {
    ub_k=0
    ub_j=
    while IFS=' ' read -r ub_1 ub_2 ub_3 ub_4 ub_2; do
      : "${ub_j:=$ub_3}"
      case $ub_1 in
      d????-??-* | d????????[tT]*) ub_4=0 ;;
      ## An access control list: the group's bits are its mask, and name others than the group.
      d?????????+*) ub_4=- ;;
      d???????-*) ;;
      *) ub_4=- ;;
      esac
      case $ub_4 in
      0 | "$ub_i")
        case $ub_3 in
        0 | "$ub_i" | "$ub_j") ub_k=$((ub_k + 1)) ;;
        esac
        ;;
      esac
    done
    [ "$ub_k" -gt $# ]
  }
}
## ub_see: the launcher is in ub_c, only we can have put it there, and nobody can exchange a directory above;
## its path is ub_l
ub_see() {
  [ -f "$ub_c/$ub_m/launcher-$ub_d" ] || return
  ## `-h` and `-O` are two calls. Where others can create names too (`/tmp`), a single `ls` must answer both.
  ub_p=
  if [ ! "$ub_s" ]; then
    ## Without a fork: below the system's directories nothing but ours, in which nobody else makes names.
    ub_w=
    case $ub_c/ in
    *//* | */./* | */../*) ub_w=1 ;;
    esac
    ub_1=${ub_c%/*}
    until [ "$ub_w" ]; do
      case $ub_1 in
      '' | /home | /var/home | /run/user) break ;;
      esac
      test $ub_z "$ub_1" && [ ! -h "$ub_1" ] && [ ! -k "$ub_1" ] || ub_w=1
      ub_p=+
      ub_1=${ub_1%/*}
    done
    if [ "$ub_w" ]; then
      ub_way "${ub_c%/*}" || return
      ub_c=$ub_r/${ub_c##*/}
      ub_p=
      test $ub_z "$ub_r" && [ ! -k "$ub_r" ] && ub_p=+
    fi
  fi
  ub_q=$ub_c/$ub_m
  ub_l=$ub_q/launcher-$ub_d
  ub_ok
}
## ub_ours: ub_c is a directory of ours. ub_p: nobody else can make names above it
## In a namespace of users everybody without a number there looks like nobody: who has that number himself shows
## that the directory is his by what its owner alone may do. From then on it is in nobody else's hands. Where all
## numbers are those of the machine, they are true, and the directory may be on a read-only file system.
ub_ours() {
  ub_own -d "$ub_c" "$ub_p" || return
  [ "$ub_i" = 65534 ] || return 0
  ub_3=
  [ -r /proc/self/uid_map ] && IFS=' ' read -r ub_1 ub_2 ub_3 </proc/self/uid_map
  [ "$ub_3" = 4294967295 ] || (ub_do touch -hm "$ub_c" 2>&-)
}
## ub_ok: the launcher is in ub_q, and only we can have put it there
## A crash of the machine can leave a file empty (-s). -x fails on a file system mounted noexec.
ub_ok() {
  ub_ours && ub_own -d "$ub_q" + && [ -s "$ub_l" ] && ub_own -x "$ub_l" +
}
## ub_try: make the launcher in ub_c; ub_y gets the reason why that fails
ub_try() {
  ub_e=$(ub_new 2>&1)
  case $? in
  0 | 1) ub_see && return ;;
  124)
    ub_die 125 "'$ub_f' is damaged: its launcher for $ub_m fails its checksum" 'copy the file again'
    ;;
  125)
    ub_g=1
    printf '%s\n' "unibin: ${ub_e#*unibin: }" >&2
    exit 125
    ;;
  *)
    ub_u=$?
    if [ "$ub_u" -gt 128 ]; then ub_g=1; else printf '%s\n' "$ub_e" >&2; fi
    exit "$ub_u"
    ;;
  esac
  ub_y="$ub_y
unibin:   $ub_c: ${ub_e##*
}"
  false
}
## ub_go look|make [ONLY]: find, or create, the launcher in a cache directory, or in ONLY alone; its path
## becomes ub_l
ub_go() {
  ub_s=
  for ub_c in "$ub_a" "$ub_b" "${XDG_CACHE_HOME:+$XDG_CACHE_HOME/unibin}" "$ub_h" "$ub_x" all \
    "${ub_f%/*}/.unibin-" /var/tmp/unibin- /tmp/unibin- /dev/shm/unibin-; do
    [ -z "${2-}" ] || [ "$ub_c" = "${2-}" ] || break
    case $ub_c in
    all)
      ## From here on, everybody may write beside us.
      ub_s=${ub_i:=$(ub_do id -u)}
      ;;
    /* | */.unibin-)
      ub_c=$ub_c$ub_s
      ub_see && return
      if [ "$1" = make ]; then
        ub_try && return
      fi
      ;;
    esac
  done
  false
}
## The directory that the user names comes before any that is already warm. No shell parses what follows
## `exec`.
ub_go look "$ub_a" && ub_g=1 && exec "$ub_l" "$ub_f" "$0" "$@"
## ub_not: why this directory does not serve, as the last line that ub_new prints
ub_not() {
  printf '\n%s\n' "$1"
  exit 1
}
## ub_net DIRECTORY: refuses what is slow for all nodes of a cluster at once: NFS, Lustre, GPFS, SMB, Ceph, AFS,
## BeeGFS (statfs(2))
ub_net() {
  [ "$ub_v" ] && case $(stat -f -c %t "$1") in
  6969 | bd00bd0 | 47504653 | ff534d42 | fe534d42 | c36400 | 5346414f | 19830326)
    ub_not 'it is on a network file system'
    ;;
  esac
}
## ub_new: copy the launcher out, try it, rename it into the cache; prints why it cannot, or what the launcher
## says
## Exits with 0: done, 1: not in this directory, 124 and 125: the bundle is damaged, above 128: a signal.
ub_new() (
  set +e
  [ "${BASH_VERSION-}" ] && unset -f chmod dd stat echo mkdir mv rm sha256sum umask
  PATH=$ub_0
  umask 077
  ub_5='it is, or lies in, a directory that others can write to'
  if [ ! "$ub_s" ]; then
    ## What is there already must be safe before anything is made in it; then level by level, since a default
    ## ACL would replace the umask.
    ub_1=${ub_c%/*}
    ub_6=${ub_c##*/}
    until [ -d "$ub_1/" ]; do
      ub_6=${ub_1##*/}/$ub_6
      ub_1=${ub_1%/*}
    done
    ub_way "$ub_1" || ub_not "$ub_5"
    ub_c=$ub_r
    ub_net "$ub_r/"
    while [ "$ub_6" ]; do
      ub_c=$ub_c/${ub_6%%/*}
      case $ub_6 in
      */*)
        ub_6=${ub_6#*/}
        mkdir -m 700 "$ub_c"
        ;;
      *) ub_6= ;;
      esac
    done
    ub_way "${ub_c%/*}" || exit 1
    ub_c=$ub_r/${ub_c##*/}
  fi
  case $ub_c in
  */.unibin-*) ub_net "${ub_c%/*}/" ;;
  esac
  ub_p=
  mkdir -m 700 "$ub_c"
  ub_ours || {
    [ -e "$ub_c" ] || [ -h "$ub_c" ] || exit 1
    ub_not "$ub_5"
  }
  ub_q=$ub_c/$ub_m
  ub_l=$ub_q/launcher-$ub_d
  mkdir -m 700 "$ub_q"
  ub_own -d "$ub_q" + || exit 1
  ub_ok && exit
  ## A file of that name that is not ours is never used, and stays. One of ours that a crash left empty is
  ## replaced.
  if [ -e "$ub_l" ] || [ -h "$ub_l" ]; then
    ub_own -f "$ub_l" + || ub_not "$ub_5"
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
    mkdir -m 700 "$ub_t"
  do
    ub_k=$((ub_k + 1))
    [ -w "$ub_q" ] && [ "$ub_k" -lt 64 ] || exit 1
  done
  trap 'rm -rf "$ub_t"; [ -z "$ub_r" ] || exit "$ub_r"' EXIT
  ub_e=$ub_t/launcher
  ## On the disk before it has its name: after a power cut it could have its length and hold zeros, and a shell
  ## would run that as a script. Not every dd knows how.
  ub_dd() { dd if="$ub_f" of="$ub_e" bs=4096 skip="$ub_o" count=$(((ub_n + 4095) / 4096)) "$@"; }
  ub_dd conv=fsync || ub_dd || exit 1
  ## Checked before it runs: some shells would run what the kernel refuses (such as an empty file) as a
  ## script.
  case $(dd if="$ub_e" bs="$ub_n" count=1 | sha256sum || echo "$ub_d") in
  "$ub_d"*) [ -s "$ub_e" ] || exit 124 ;;
  ## Another run may have removed the directory, if it cannot see our process.
  *) [ ! -f "$ub_e" ] || exit 124; exit 1 ;;
  esac
  chmod 700 "$ub_e"
  "$ub_e" - "$ub_f" <"$ub_f"
  case $? in
  0) mv -f "$ub_e" "$ub_l" || exit 1 ;;
  125) exit 125 ;;
  *) exit 1 ;;
  esac
)
## ub_old, ub_any: if somebody else has taken our name in every shared directory: one with a name that nobody
## could guess
ub_old() {
  ## Called by its own name, zsh ends where a pattern matches nothing.
  [ ! "${ZSH_VERSION-}" ] || setopt nonomatch
  for ub_c in /var/tmp/unibin-"$ub_s".?????? /tmp/unibin-"$ub_s".?????? /dev/shm/unibin-"$ub_s".??????; do
    ub_see && return
  done
  false
}
ub_any() {
  for ub_1 in /var/tmp/unibin- /tmp/unibin- /dev/shm/unibin-; do
    ub_c=$(ub_do mktemp -d "$ub_1$ub_s.XXXXXX" 2>&1) || continue
    ub_try && return
    (ub_do rmdir "$ub_c" 2>&-)
  done
  false
}
## ub_v: network file systems come last, unless one was named.
ub_v=
ub_y=
{ [ "$ub_a" ] && ub_go make "$ub_a"; } || ub_go look || ub_old || {
  ub_v=1
  ub_go make
} || {
  ub_v=
  ub_y=
  ub_go make
} || ub_any || {
  ## Old proots say to us that we are root, but not to `ls`.
  [ -r /proc/self/status ] && while IFS=' 	' read -r ub_1 ub_2 ub_3 ub_4; do
    [ "$ub_1-$ub_3" = "Uid:-$ub_i" ] || [ "$ub_1" != Uid: ] ||
      ub_die 125 "this process is told to be user $ub_i, but is $ub_3 (proot -0): no directory seems to be its own" \
        'start it without -0, or with a proot that knows statx(2)'
  done </proc/self/status
  ub_die 125 "no usable cache directory:$ub_y" \
    "set UNIBIN_CACHE to a directory that is not mounted noexec, or pack with --head elf:$ub_m"
}
ub_g=1
exec "$ub_l" "$ub_f" "$0" "$@"
