//! Who has signed a bundle, inside and beside it, and who may: keys, agents, passphrases, allowed signers.

mod agent;
pub(crate) mod detached;
pub(crate) mod passphrase;
pub(crate) mod signer;
pub(crate) mod trust;
