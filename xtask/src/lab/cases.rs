//! What is run on every machine: a table of name, script and the exact output that is expected. A script runs
//! as root in mounts of its own, with the words of `guest/case-head`; what it is about is run by `user`, uid
//! 1000 with nothing installed.
//!
//! A new case is a new row. `@HOST@` is the machine's CPU by our name, `@UNAME@` by the kernel's.

use bundle::Arch;
use emulator::Catalogue;

use super::abis;
use super::machines::{self, Machine};
use super::power;

/// Where a case can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// On a booted machine and under user-mode emulation.
    Cpu,
    /// On a booted machine alone: it is about the kernel.
    Kernel,
    /// On one whose kernel lets everybody have handlers of his own for foreign programs: since Linux 6.7.
    PrivateHandlers,
}

/// One case.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    /// Its name, and its column in the table.
    pub(crate) name: &'static str,
    /// Where it can be shown.
    pub(crate) needs: Needs,
    /// The CPU whose programs it runs; on a host of that CPU there is nothing to emulate and the case is left
    /// out.
    pub(crate) target: Option<Arch>,
    /// What is run.
    pub(crate) script: &'static str,
    /// What it prints, and nothing else.
    pub(crate) expected: &'static str,
}

impl Case {
    /// Whether this machine has something to show; on one that is emulated itself, `booted` is false.
    pub(crate) fn applies(&self, machine: &Machine, booted: bool) -> bool {
        // User-mode emulation offers the vector extension, and with that QEMU 10.0's own code for riscv64
        // runs aarch64 programs wrongly.
        if (machine.host, self.target) == (Arch::Riscv64, Some(Arch::Aarch64)) && !booted {
            return false;
        }
        // QEMU 7.2, the last for hosts of 32 bits, ends in SIGFPE when it begins with that program.
        if matches!(self.name, "pages" | "large-pages") && machine.host.class() == bundle::Class::Elf32 {
            return false;
        }
        if self.name == "both-abis" && abis::of(machine.host).next().is_none() {
            return false;
        }
        let can = match self.needs {
            Needs::Cpu => true,
            Needs::Kernel => booted,
            Needs::PrivateHandlers => booted && has_private_handlers(machine),
        };
        self.target != Some(machine.host) && can
    }

    /// The script for a machine.
    pub(crate) fn script_on(&self, machine: &Machine) -> String {
        self.filled(self.script, machine)
    }

    /// The output that is expected of a machine.
    pub(crate) fn expected_on(&self, machine: &Machine) -> String {
        self.filled(self.expected, machine)
    }

    fn filled(&self, text: &str, machine: &Machine) -> String {
        let other = emulated_on(machine.host);
        let target = self.target.unwrap_or(other);
        text.trim_start_matches('\n')
            .replace("@HOST@", machine.host.name())
            .replace("@UNAME@", machine.host.uname_names()[0])
            .replace("@WAY@", self.name.trim_start_matches("children-"))
            .replace("@PAGES@", &pages_on(machine))
            .replace("@BYTES@", &(machine.page * 1024).to_string())
            .replace("@SAYS@", if machine.page == 4 { "did not say" } else { "said" })
            .replace("@LIMITED@", if machine.page == 4 { "0" } else { "126" })
            .replace("@ABIS@", &abis::expected(machine.host))
            .replace("@INSIDE@", if runs_children_untraced(machine) { "0" } else { "refused" })
            .replace("@UNTRACED@", if runs_children_untraced(machine) { "@TARGET_UNAME@" } else { "refused" })
            .replace("@TARGET@", target.name())
            .replace("@TARGET_UNAME@", target.uname_names()[0])
    }
}

/// Whether its kernel is of Linux 6.7 or newer.
fn has_private_handlers(machine: &Machine) -> bool {
    machine.suite != machines::OLDEST
}

/// Whether children run where nobody may trace: by private handlers, or by an emulator of unibin's own.
fn runs_children_untraced(machine: &Machine) -> bool {
    let is_own = |catalogue: Catalogue| {
        let own = catalogue.built(machine.host);
        own.is_some_and(|own| own.members.contains_key(&emulated_on(machine.host)))
    };
    has_private_handlers(machine) || Catalogue::embedded().is_ok_and(is_own)
}

/// The CPU whose programs stand for all foreign ones: riscv64, and on that s390x.
pub(crate) fn emulated_on(host: Arch) -> Arch {
    if host == Arch::Riscv64 { Arch::S390x } else { Arch::Riscv64 }
}

/// What `guest/pages.c` can do under the emulator that a bundle has for this machine. QEMU has no page
/// smaller than the host's to give: it copies what does not fit, and protects what it can.
fn pages_on(machine: &Machine) -> String {
    let lines = [
        ("a file from its second page", true),
        ("a file over one page of memory", true),
        ("a shared, writable file over one page", machine.page == 4),
        ("a guard page is allowed", true),
        ("its neighbours stay usable", true),
        ("it guards", machine.page == 4),
        ("one page grows to three", true),
    ];
    lines.map(|(what, works)| format!("{what}: {}\n", if works { "yes" } else { "no" })).concat()
}

const fn case(name: &'static str, script: &'static str, expected: &'static str) -> Case {
    Case { name, needs: Needs::Cpu, target: None, script, expected }
}

const fn of_the_kernel(name: &'static str, script: &'static str, expected: &'static str) -> Case {
    Case { name, needs: Needs::Kernel, target: None, script, expected }
}

/// A program of `target` with arguments, exit code and pipeline, and the route that it took.
const fn emulates(name: &'static str, target: Arch) -> Case {
    const SCRIPT: &str = r#"
with="$with UNIBIN_LOG=1"
told /bundles/@TARGET@/busybox sh -c 'echo "$0|$1|$UNIBIN_HOST|$UNIBIN_TARGET"; exit 7' 'a b' ''
said 'route: emulated (host @HOST@, target @TARGET@)'
with=HOME=/home/user
told /bundles/@TARGET@/busybox uname -m
echo 3 words here | told /bundles/@TARGET@/busybox wc -w
left /home/user
"#;
    const EXPECTED: &str = "a b||@HOST@|@TARGET@\nexit 7\nsaid: route: emulated (host @HOST@, target @TARGET@)\n\
                            @TARGET_UNAME@\nexit 0\n3\nexit 0\n";
    Case { name, needs: Needs::Cpu, target: Some(target), script: SCRIPT, expected: EXPECTED }
}

/// Programs that the app starts: of its own CPU, of the host's, through a pipe and a script. `@WAY@` is who
/// attends to them. The host's program is a copy in a directory that the app's tree has no part in: where the
/// tree lies over the root, `/bin/busybox` is the tree's.
const CHILDREN: &str = r#"
with="$with UNIBIN_DO=extract UNIBIN_TO=/home/user/x"
told /bundles/@TARGET@/busybox
x=/home/user/x/usr/bin/busybox
printf '#!%s sh\nexec %s uname -m\n' "$x" "$x" >/home/user/script
chmod 755 /home/user/script
cp /bin/busybox /home/user/busybox-of-the-host
script="$x uname -m; echo one two | $x wc -w; /home/user/script; /home/user/busybox-of-the-host uname -m; $x sh -c 'exit 7'; echo \$?"
with="HOME=/home/user UNIBIN_CHILDREN=none"
told /bundles/@TARGET@/busybox sh -c "$x uname -m 2>/dev/null || echo refused"
with="HOME=/home/user UNIBIN_LOG=1 UNIBIN_CHILDREN=@WAY@"
told /bundles/@TARGET@/busybox sh -c "$script"
said 'children: attended to by'
sleep 1
! ps | grep "[u]nibin-broker"
"#;

/// What comes of [`CHILDREN`].
const CHILDREN_DO: &str = "unibin: extracted into /home/user/x\nexit 0\nrefused\nexit 0\n@TARGET_UNAME@\n2\n@TARGET_UNAME@\n@UNAME@\n7\nexit 0\n\
                           said: children: attended to by\n";

/// The cases, in the order they run.
pub(crate) const CASES: &[Case] = &[
    // The first, since it goes on with what the machine has printed in its first life.
    of_the_kernel(power::CASE, power::AFTER, power::EXPECTED),
    case(
        "native",
        r#"
with="$with UNIBIN_LOG=1"
told /bundles/native/busybox sh -c 'echo "$0|$1|$UNIBIN_HOST|$UNIBIN_TARGET"; exit 7' 'a b' ''
said 'route: native'
with=HOME=/home/user
told /bundles/native/busybox uname -m
left /home/user
"#,
        "a b||@HOST@|@HOST@\nexit 7\nsaid: route: native\n@UNAME@\nexit 0\n",
    ),
    emulates("riscv64", Arch::Riscv64),
    emulates("aarch64", Arch::Aarch64),
    emulates("x86_64", Arch::X86_64),
    emulates("armv7", Arch::Armv7),
    emulates("s390x", Arch::S390x),
    Case {
        name: "children-broker",
        needs: Needs::Kernel,
        target: None,
        script: CHILDREN,
        expected: CHILDREN_DO,
    },
    Case {
        name: "children-binfmt",
        needs: Needs::PrivateHandlers,
        target: None,
        script: CHILDREN,
        expected: CHILDREN_DO,
    },
    of_the_kernel(
        "both-abis",
        // Each program starts one of the app's: by itself, by the app without a broker, and with one. What
        // the kernel does not run, the helper `as` cannot become: 102.
        r#"
with="$with UNIBIN_DO=extract UNIBIN_TO=/home/user/x"
told /bundles/@TARGET@/busybox
for program in /lab/other/*; do
  with=HOME=/home/user
  user "$program" 2>/dev/null
  code=$?
  if [ "$code" = 102 ]; then
    echo "${program##*/}: not run by this kernel"
    continue
  fi
  echo "${program##*/}: exit $code"
  for way in none broker; do
    with="HOME=/home/user UNIBIN_CHILDREN=$way"
    told /bundles/@TARGET@/busybox sh -c "$program"
  done
done
"#,
        "unibin: extracted into /home/user/x\nexit 0\n@ABIS@",
    ),
    of_the_kernel(
        "alpha",
        // An Alpha program becomes a riscv32 program, which says so and ends with a code of its own. Many
        // times, since where the emulator's heap lies is up to chance: on a host of 32 bits it was in the
        // program's way at one start in seven.
        r#"
number=0
while [ "$number" -lt 20 ]; do
  number=$((number + 1))
  told /bundles/alpha/alpha
done | sort | uniq
"#,
        "exit 42\nran\n",
    ),
    case(
        "dynamic",
        r"
told /bundles/hello/hello -g 'through its own loader'
",
        "through its own loader\nexit 0\n",
    ),
    case(
        "dynamic-native",
        r#"
with="$with UNIBIN_ROUTE=native"
told /bundles/hello-native/hello -g 'natively'
"#,
        "natively\nexit 0\n",
    ),
    case(
        "variants",
        r#"
with="$with UNIBIN_LOG=1"
told /bundles/variants/busybox sh -c 'echo "$UNIBIN_HOST|$UNIBIN_TARGET"'
said 'route: native'
"#,
        "@HOST@|@HOST@\nexit 0\nsaid: route: native\n",
    ),
    case(
        "warm",
        r#"
tree() { find /home/user/.cache -exec ls -dlin {} + | awk '{ print $1, $2, $NF }' | sort; }
told /bundles/@TARGET@/busybox uname -m
tree >/run/cold
[ -s /run/cold ] || echo "nothing was unpacked"
told /bundles/@TARGET@/busybox uname -m
tree >/run/warm
cmp /run/cold /run/warm && echo "nothing was made twice"
"#,
        "@TARGET_UNAME@\nexit 0\n@TARGET_UNAME@\nexit 0\nnothing was made twice\n",
    ),
    case(
        "concurrent",
        r#"
for number in 1 2 3 4 5 6 7 8; do
  (user /bundles/@TARGET@/busybox uname -m >"/run/first-$number" 2>&1; echo "exit $?" >>"/run/first-$number") &
done
wait
# On a slow machine, those that wait for another one say so.
cat /run/first-* | grep -v 'unibin: waiting for another start' | sort | uniq -c | sed 's/^ *//'
echo "$(find /home/user/.cache -name complete | wc -l) slots"
left /home/user
"#,
        "8 exit 0\n8 @TARGET_UNAME@\n3 slots\n",
    ),
    case(
        "noexec",
        r#"
for place in /home/user /tmp; do mount -o remount,noexec "$place"; done
told /bundles/@TARGET@/busybox uname -m
for place in /var/tmp /dev/shm; do mount -t tmpfs -o mode=1777,noexec case "$place"; done
told /bundles/@TARGET@/busybox uname -m
said 'no usable cache directory'
said 'set UNIBIN_CACHE to a directory that is not mounted noexec'
"#,
        "@TARGET_UNAME@\nexit 0\nexit 125\nsaid: no usable cache directory\n\
         said: set UNIBIN_CACHE to a directory that is not mounted noexec\n",
    ),
    case(
        "read-only",
        r#"
for place in /home/user /tmp /var/tmp; do umount "$place"; done
mount -o bind / /jail
mount -o remount,bind,ro /jail
for place in /bundles /dev /proc; do mount -o rbind "$place" "/jail$place"; done
root=/jail
user /bin/sh -c ': >/home/user/x; : >/tmp/x; : >/var/tmp/x' 2>/dev/null
told /bundles/@TARGET@/busybox uname -m
user /bin/rm -rf "/dev/shm/unibin-$uid"
"#,
        "@TARGET_UNAME@\nexit 0\n",
    ),
    case(
        "no-home",
        r#"
with=A=1
told /bundles/@TARGET@/busybox uname -m
with=HOME=/nonexistent
told /bundles/@TARGET@/busybox uname -m
[ ! -e /nonexistent ] || echo "a home was made"
"#,
        "@TARGET_UNAME@\nexit 0\n@TARGET_UNAME@\nexit 0\n",
    ),
    case(
        "no-proc",
        r"
jail
mkdir /jail/bin
cp /bin/busybox /jail/bin/
/bin/busybox --install -s /jail/bin
cp /bundles/@TARGET@/busybox /jail/
root=/jail
told /busybox uname -m
",
        "@TARGET_UNAME@\nexit 0\n",
    ),
    case(
        "no-sys",
        r"
mount -t tmpfs none /sys
told /bundles/@TARGET@/busybox uname -m
",
        "@TARGET_UNAME@\nexit 0\n",
    ),
    case(
        "no-sh",
        r"
jail
cp /bundles/head/busybox /jail/
root=/jail
told /busybox uname -m
told /bin/sh -c true
",
        "@TARGET_UNAME@\nexit 0\nexit 102\n",
    ),
    case(
        "full-disk",
        r"
mount -t tmpfs -o size=2m,mode=1777 full /home/user
told /bundles/@TARGET@/busybox uname -m
left /home/user
",
        "@TARGET_UNAME@\nexit 0\n",
    ),
    case(
        "no-passwd",
        r#"
uid=4242
with=HOME=/
told /bundles/@TARGET@/busybox sh -c 'echo "$(id -u)"; whoami 2>/dev/null; uname -m'
"#,
        "4242\n@TARGET_UNAME@\nexit 0\n",
    ),
    of_the_kernel(
        "no-userns",
        r#"
before=$(cat /proc/sys/user/max_user_namespaces)
echo 0 >/proc/sys/user/max_user_namespaces
user /bin/unshare -U true 2>/dev/null && echo "there are user namespaces"
told /bundles/@TARGET@/busybox uname -m
echo "$before" >/proc/sys/user/max_user_namespaces
"#,
        "@TARGET_UNAME@\nexit 0\n",
    ),
    of_the_kernel(
        "memory",
        r#"
awk '/^MemTotal:/ { print ($2 <= 524288) ? "at most 512 MiB" : $2 " KiB" }' /proc/meminfo
told /bundles/all/busybox uname -m
"#,
        "at most 512 MiB\ns390x\nexit 0\n",
    ),
    case(
        "shared-home",
        r#"
# This home is on a disk that goes from machine to machine.
mount -o bind /shared /home/user
chown 1000:1000 /home/user
others() { (cd /home/user/.cache/unibin 2>/dev/null && find . -path ./@HOST@ -prune -o -type f -exec ls -ln {} + | sort); }
others >/run/before
told /bundles/all/busybox uname -m
others >/run/after
cmp /run/before /run/after && echo "what others unpacked is as it was"
ls /home/user/.cache/unibin | grep -x @HOST@
ls /home/user/.cache/unibin >&2
"#,
        "s390x\nexit 0\nwhat others unpacked is as it was\n@HOST@\n",
    ),
    Case {
        name: "pages",
        needs: Needs::Kernel,
        target: Some(Arch::X86_64),
        script: "told /bundles/pages/pages\n",
        expected: "@PAGES@exit 0\n",
    },
    // The bundle `limited` has the same emulator, of which it says that it serves pages of 8192 bytes at
    // most.
    Case {
        name: "large-pages",
        needs: Needs::Kernel,
        target: Some(Arch::X86_64),
        script: r#"
with="$with UNIBIN_LOG=1"
told /bundles/pages/pages >/run/printed
tail -n 1 /run/printed
said 'pages of @BYTES@ bytes'
with=HOME=/home/user
told /bundles/limited/limited >/run/printed
tail -n 1 /run/printed
said "does not work with this kernel's pages of @BYTES@ bytes (at most 8192)"
"#,
        expected: "exit 0\n@SAYS@: pages of @BYTES@ bytes\nexit @LIMITED@\n\
                   @SAYS@: does not work with this kernel's pages of @BYTES@ bytes (at most 8192)\n",
    },
    // A root of its own, changes that stay and changes that do not, and a program that its shell starts; as
    // root inside, and nobody outside. No line of it needs a program of the host's.
    of_the_kernel(
        "system",
        r#"
# Files in memory take no attributes of users before Linux 6.6, and owners are kept in such.
mkdir /shared/systems
chown 1000:1000 /shared/systems
for system in /bundles/system/system /bundles/system-native/system-native; do
  with="HOME=/home/user UNIBIN_CACHE=/shared/systems"
  told $system sh -c 'read -r name </etc/name; echo "$name"; echo x >/etc/kept; [ -e /bundles ] || echo "no host"'
  told $system sh -c '[ -s /etc/kept ] && echo kept; /bin/busybox id -u 2>/dev/null || echo refused'
  with="$with UNIBIN_KEEP=none"
  told $system sh -c '[ -e /etc/kept ] || echo "not kept"; echo x >/etc/kept; exit 7'
  told $system sh -c '[ -e /etc/kept ] || echo "thrown away"'
done
[ ! -e /etc/kept ] || echo "the host was changed"
"#,
        "a system for @TARGET@\nno host\nexit 0\nkept\n@INSIDE@\nexit 0\nnot kept\nexit 7\nthrown away\nexit 0\n\
         a system for @HOST@\nno host\nexit 0\nkept\n0\nexit 0\nnot kept\nexit 7\nthrown away\nexit 0\n",
    ),
    // With the scopes 2 and 3 no user can trace: another way serves, where there is one. Last: the highest
    // scope stays until the machine is switched off.
    of_the_kernel(
        "yama",
        r#"
with="$with UNIBIN_DO=extract UNIBIN_TO=/home/user/x"
told /bundles/@TARGET@/busybox
with=HOME=/home/user
for scope in 0 1 2 3; do
  echo $scope >/proc/sys/kernel/yama/ptrace_scope
  echo "scope $(cat /proc/sys/kernel/yama/ptrace_scope)"
  told /bundles/@TARGET@/busybox sh -c 'echo it runs; /home/user/x/usr/bin/busybox uname -m 2>/dev/null || echo refused'
done
"#,
        "unibin: extracted into /home/user/x\nexit 0\n\
         scope 0\nit runs\n@TARGET_UNAME@\nexit 0\nscope 1\nit runs\n@TARGET_UNAME@\nexit 0\n\
         scope 2\nit runs\n@UNTRACED@\nexit 0\nscope 3\nit runs\n@UNTRACED@\nexit 0\n",
    ),
];
