//! Texts of `--help` that are not about one option: examples for each command, exit codes, environment.
//! Examples come before the usage line, since that is what a reader looks for first. Lines fit into 80
//! columns.

/// What a command does, examples, usage, then its options.
pub(crate) const TEMPLATE: &str =
    "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

pub(crate) const UNIBIN: &str = "\
Examples:
  unibin pack ./app                 Pack ./app; writes app.bundle
  unibin pack ./app --libs debian   Add the libraries it needs, from Debian
  unibin pack ./dir --entry bin/app Pack all of a directory, or of an archive
  ./app.bundle                      Run the bundle, on any Linux host
  unibin inspect app.bundle         Show what is inside
  unibin pack --help                All options of `pack`, with more examples";

pub(crate) const UNIBIN_AFTER: &str = "\
Exit codes:
  0  Success
  1  Failure: network, disk or permissions
  2  Usage error
  3  Bad input: not an ELF program, wrong architecture, missing libraries, ...
  4  No emulator exists for a requested host and target
  5  Verification failed: bad signature or digest, damaged bundle
`unibin run` follows env(1): 125 unibin failed, 126 cannot execute, 127 not
found; otherwise the exit code of the program.

Environment:
  UNIBIN_STORE   Emulator store (default: $XDG_DATA_HOME/unibin, else
                 ~/.local/share/unibin)
  UNIBIN_MIRROR  Debian mirror (default: this machine's apt sources)
  UNIBIN_PASSPHRASE  Passphrase of the key for `unibin sign` (default: asked
                 for on the terminal)
  SSH_AUTH_SOCK  Agent that signs, with `--key ssh-agent`";

pub(crate) const PACK: &str = "\
Examples:
  unibin pack ./app                     A static program; writes app.bundle
  unibin pack ./app --libs debian       A dynamic one; libraries from Debian
  unibin pack ./dir --entry bin/app     All of a directory, or of an archive
  unibin pack App.AppImage --libs debian
  unibin pack --deb jq --target riscv64 A Debian package
  unibin pack --system rootfs.tar.xz    A root file system: starts a shell in it
  unibin pack --oci docker://alpine     A container image
  unibin pack --machine --disk debian.qcow2 --target aarch64   A computer
  unibin pack                           What unibin.toml says
  unibin pack ./app --dry-run           Show what would be packed";

pub(crate) const PACK_LONG: &str = "\
Examples:
  Pack a static program; writes app.bundle:
    unibin pack ./app

  Pack a dynamic program with the libraries it needs:
    unibin pack ./app --libs debian
    unibin pack ./app --sysroot /srv/riscv64-rootfs
    unibin pack ./app --library-path ./lib --libs debian

  Pack a whole directory or archive, and start one of its programs:
    unibin pack ./vendor --entry bin/app --libs debian
    unibin pack vendor-1.2.tar.gz --entry bin/app --entry admin=bin/run.sh

  Pack an AppImage, a Python wheel, an npm package, a .deb, an .rpm:
    unibin pack App-riscv64.AppImage --libs debian
    unibin pack ruff-0.17-py3-none-manylinux_2_31_riscv64.whl --libs debian

  Pack a Debian package and its dependencies:
    unibin pack --deb python3 --entry python3=/usr/bin/python3 \\
        --target riscv64 -o python3

  Pack a root file system; the bundle starts a shell in it, or a command:
    unibin pack --system /srv/riscv64-rootfs -o sys
    unibin pack --system rootfs.tar.xz --target riscv64 -o sys

  Pack a container image, for two architectures:
    unibin pack --oci docker://alpine --platform linux/arm64,linux/amd64 \\
        -o alpine

  Build a Debian system for another architecture, with a package of your choice:
    unibin pack --debootstrap trixie --include man-db --target riscv64 -o sys

  Pack a computer of another architecture: from Debian's packages, a cloud image,
  or a kernel:
    unibin pack --machine --debootstrap trixie --include openssh-server \\
        --target riscv64 -o vm
    unibin pack --machine --disk debian.qcow2 --seed seed/ --target aarch64 \\
        -o vm
    unibin pack --machine --kernel vmlinuz --initrd initrd --target s390x -o vm

  Run natively on x86_64, emulated everywhere else:
    unibin pack ./app-riscv64 --native x86_64=./app-x86_64 -o app

  Make a smaller bundle, for two architectures only:
    unibin pack ./app --hosts x86_64,aarch64

  Show what would be packed, and where each library comes from:
    unibin pack ./app --libs debian --dry-run";

pub(crate) const SBOM: &str = "\
Examples:
  unibin sbom app.bundle -o app.cdx.json                CycloneDX 1.6
  unibin sbom app.bundle --format spdx -o app.spdx.json SPDX 2.3";

pub(crate) const SBOM_AFTER: &str = "\
Environment:
  SOURCE_DATE_EPOCH  The time to write into it, in seconds since 1970
                     (default: none in CycloneDX, 1970-01-01 in SPDX)";

pub(crate) const INSPECT: &str = "\
Examples:
  unibin inspect app.bundle            Summary of a bundle
  unibin inspect app.bundle --json     The same for scripts
  unibin inspect app.bundle --notices  Licences and source packages
  unibin inspect app.bundle --hosts    The hosts that it runs on, for scripts
  unibin inspect ./app                 What an ELF file needs, who can run it";

pub(crate) const VERIFY: &str = "\
Examples:
  unibin verify app.bundle                     Is it whole? Who has signed it?
  unibin verify app.bundle --key ann.pub       Has Ann signed it?
  unibin verify app.bundle --allowed-signers signers -I ann@example.org";

pub(crate) const SIGN: &str = "\
Examples:
  unibin sign app.bundle --key ~/.ssh/id_ed25519   A signature inside
  unibin sign app.bundle --key ssh-agent           By the key of an agent
  unibin sign app.bundle --key minisign.key --detach minisign
  unibin sign app.bundle --key ~/.ssh/id_ed25519 --detach ssh
Sign inside first: a signature beside the file covers all of its bytes.";

pub(crate) const EXTRACT: &str = "\
Examples:
  unibin extract app.bundle            Write the app to app.bundle.extracted
  unibin extract app.bundle out --all  Write every part of the bundle to out";

pub(crate) const MERGE: &str = "\
Examples:
  unibin merge app-x86_64 app-aarch64 -o app   Programs, one per architecture
  unibin merge app.bundle app-riscv64 -o app   A bundle, and one more program";

pub(crate) const THIN: &str = "\
Examples:
  unibin thin app --hosts x86_64,aarch64 -o app-small
  unibin thin app --head elf:aarch64 -o app-aarch64   Begins as an ELF file";

pub(crate) const REPLACE: &str = "\
Examples:
  unibin replace app --native x86_64=./build/app -o app";

pub(crate) const CHECK: &str = "\
Examples:
  unibin check app --hosts x86_64,aarch64,riscv64
  unibin check app --native x86_64 && echo native";

pub(crate) const OCI: &str = "\
Examples:
  unibin oci app -o app-image                    Write an OCI layout
  unibin oci app -o app.tar --hosts aarch64      For `docker load`, one host
  unibin oci app --push docker://localhost:5000/app:1.2";

pub(crate) const INIT: &str = "\
Examples:
  unibin init                                  From Cargo.toml, go.mod, ...
  unibin init build/app-x86_64 build/app-arm64  From programs";

pub(crate) const PLAN: &str = "\
Examples:
  unibin plan         What would be built, packed and written
  unibin plan --json  The same for scripts";

pub(crate) const RELEASE: &str = "\
Examples:
  unibin release             Write dist/: bundle, SHA256SUMS, ...
  unibin release --snapshot  A trial release, from any state of the work tree
  cd dist && sha256sum -c SHA256SUMS";

pub(crate) const RUN: &str = "\
Examples:
  unibin run ./app-riscv64 --version       Run a program for riscv64
  unibin run --offline ./app-riscv64       Use an emulator already in the store
  unibin run --oci docker://alpine --platform linux/arm64 uname -m
                                           Run a container image";

pub(crate) const HOSTS: &str = "\
Examples:
  unibin hosts         Hosts, the emulators for them, and known limits
  unibin hosts --json  The same for scripts";

pub(crate) const TARGETS: &str = "\
Examples:
  unibin targets         Targets, and the hosts that can emulate them
  unibin targets --json  The same for scripts";

pub(crate) const BINFMT: &str = "\
Examples:
  sudo unibin binfmt register --target riscv64  Until the next reboot
  unibin binfmt show --target riscv64           Print it in binfmt.d(5) form
  sudo unibin binfmt unregister --all";

pub(crate) const EMULATOR: &str = "\
Examples:
  unibin emulator fetch --target riscv64        Prepare for work offline
  unibin emulator lock --target riscv64         Pin versions in unibin.lock
  unibin emulator export emulators.tar.zst      Copy to another machine ...
  unibin emulator import emulators.tar.zst      ... and read it there
  unibin emulator source --target riscv64 src   Sources, for the GPL";

pub(crate) const CACHE: &str = "\
Examples:
  unibin cache list             What bundles have unpacked here
  unibin cache gc --days 7      Remove entries not used for a week
  unibin cache clear            Remove all entries that are not in use
  unibin cache clear --packed   Remove what `unibin pack` has kept to be faster";
