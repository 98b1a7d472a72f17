//! The harness of the end-to-end tests: it packs real programs with the real `unibin`, runs the bundles as an
//! ordinary user with an empty environment, and reports what this machine cannot test. It mocks nothing.
#![allow(clippy::missing_panics_doc, reason = "a harness panics: that is how a test fails")]

mod binfmt_d;
mod callers;
mod cargo;
mod cpio;
mod deb;
mod fetched;
mod guest;
mod handmade;
mod jail;
mod messages;
mod musl;
mod namespace;
mod needs;
mod neighbours;
mod older;
mod on_cpu;
mod outcome;
mod own_emulators;
mod pack;
mod parts;
mod probes;
mod processes;
mod rpm;
mod said;
mod sandbox;
mod smallest;
mod starters;
mod systems;
mod tar;
mod tell;
mod terminal;
mod tiny_elf;
mod translators;
mod trivy;
mod unibin;
mod until;
mod victim;
mod zig;
mod zip;

pub use binfmt_d::{Handler, binfmt_d};
pub use callers::{Caller, callers, compile_go};
pub use cargo::cargo;
pub use cpio::Cpio;
pub use deb::raw_deb;
pub use guest::{Guest, guest};
pub use handmade::Handmade;
pub use jail::Jail;
pub use messages::{
    documented, keeps_nothing, literals, of_the_stub, says, without_broker, without_its_view,
};
pub use namespace::Namespace;
pub use needs::{NEEDS, Need, attends, has, have, lacks, not_run, say};
pub use older::older_qemu;
pub use on_cpu::on_a;
pub use outcome::Outcome;
pub use own_emulators::{own_emulator, own_program};
pub use pack::{
    OTHER_SUITES, SUITE_BEFORE, bundle_of, busybox, lacking, pack, pack_by_hand, pack_if_there, programs,
    refused, shell, shell_of_debian, shell_on, smallest_bundle, there,
};
pub use parts::Parts;
pub use probes::{TRIVY_INSIDE, TRIVY_PACKAGE};
pub use processes::{Killer, Process, is_ignored, kill};
pub use rpm::{Packed, raw_rpm};
pub use said::{differences, lines};
pub use sandbox::{Sandbox, User, settled};
pub use smallest::{
    CODE_OF_ENDING, CODE_OF_STARTING, OUTSIDE, SAYS, SMALLEST, Smallest, alpha_that_starts, smallest,
};
pub use starters::{CODE_OF_NOT_STARTING, STARTERS, Starter};
pub use systems::{MINBASE, debootstrapped, small_system};
pub use tar::{Header, checksummed, directory, file, header, link, owned, piece, raw_tar};
pub use tell::{Report, caller, emulator_of, tell, tell_bundle};
pub use terminal::Terminal;
pub use translators::{broken_emulator, translator_row};
pub use trivy::Trivy;
pub use unibin::{store, unibin};
pub use until::until;
pub use victim::{neighbour, victim};
pub use zig::{compile, compile_dynamic, compile_for_glibc, compile_musl, compile_unoptimised, own};
pub use zip::{Member, raw_zip};
