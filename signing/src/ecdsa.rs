//! ECDSA on the curves of NIST as SSH has it (RFC 5656), checked only. The only file that uses `p256`, `p384`
//! and `p521`. A point is written without compression, as OpenSSH wants it.

use p256::ecdsa::signature::hazmat::PrehashVerifier as _;

use crate::digest;

/// A curve, and with it the hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    /// By SSH's name for it.
    pub(crate) fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.name().as_bytes() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::P256 => "nistp256",
            Self::P384 => "nistp384",
            Self::P521 => "nistp521",
        }
    }

    /// Bytes of a number of its field.
    pub(crate) fn length(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// Whether `point` is one of the curve.
    pub(crate) fn has(self, point: &[u8]) -> bool {
        // 4: both coordinates follow.
        point.first() == Some(&4)
            && match self {
                Self::P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(point).is_ok(),
                Self::P384 => p384::ecdsa::VerifyingKey::from_sec1_bytes(point).is_ok(),
                Self::P521 => p521::ecdsa::VerifyingKey::from_sec1_bytes(point).is_ok(),
            }
    }

    /// Whether `numbers`, both at their full length, are a signature of `message` by the key `point`.
    pub(crate) fn signed(self, point: &[u8], message: &[u8], numbers: &[u8]) -> bool {
        let checked = match self {
            Self::P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(point).and_then(|key| {
                let signature = p256::ecdsa::Signature::from_slice(numbers)?;
                key.verify_prehash(&digest::sha256(message), &signature)
            }),
            Self::P384 => p384::ecdsa::VerifyingKey::from_sec1_bytes(point).and_then(|key| {
                let signature = p384::ecdsa::Signature::from_slice(numbers)?;
                key.verify_prehash(&digest::sha384(message), &signature)
            }),
            Self::P521 => p521::ecdsa::VerifyingKey::from_sec1_bytes(point).and_then(|key| {
                let signature = p521::ecdsa::Signature::from_slice(numbers)?;
                key.verify_prehash(&digest::sha512(message), &signature)
            }),
        };
        checked.is_ok()
    }
}
