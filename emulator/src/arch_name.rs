//! For serde: a CPU by the project's own name for it. Aliases are for people, not for files.

use bundle::Arch;
use serde::{Deserialize, Deserializer, Serializer};

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
pub(crate) fn serialize<S: Serializer>(arch: &Arch, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(arch.name())
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arch, D::Error> {
    arch_named(&String::deserialize(from)?)
}

/// The CPU with exactly this name.
pub(crate) fn arch_named<E: serde::de::Error>(name: &str) -> Result<Arch, E> {
    Arch::ALL
        .iter()
        .copied()
        .find(|arch| arch.name() == name)
        .ok_or_else(|| E::custom(format!("`{name}` is not a known architecture")))
}
