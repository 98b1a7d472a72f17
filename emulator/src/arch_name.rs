//! For serde: a CPU by the project's own name for it. Aliases are for people, not for files.

use std::collections::BTreeMap;

use bundle::Arch;
use serde::de::Error as _;
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

/// A table by names of CPUs; `empty` is what is wrong with one that has no row.
pub(crate) fn by_arch<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
    empty: &str,
) -> Result<BTreeMap<Arch, T>, D::Error> {
    let by_name = BTreeMap::<String, T>::deserialize(from)?;
    if by_name.is_empty() {
        return Err(D::Error::custom(empty));
    }
    by_name.into_iter().map(|(name, row)| Ok((arch_named(&name)?, row))).collect()
}
