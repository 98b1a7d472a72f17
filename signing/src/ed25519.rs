//! Ed25519 (RFC 8032), checked strictly, and the only file that uses `ed25519-dalek`: one encoding of every
//! value, no keys of small order. So whoever checks a signature by another strict implementation agrees.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use crate::digest;
use crate::encoding;
use crate::wire::Writer;

/// A public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// Whether `signature` is a valid signature of `message` by this key.
    pub fn signed(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let Ok(key) = VerifyingKey::from_bytes(&self.0) else { return false };
        // Strict about the order of both points, the scalar and the signature's point; the key's own
        // encoding is left to its caller.
        is_canonical(&self.0) && key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }

    /// The fingerprint, as `ssh-keygen -l` and `ssh-add -l` show it.
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", encoding::without_padding(&digest::sha256(&self.wire())))
    }

    /// The key in SSH's wire format (RFC 8709, section 4).
    pub fn wire(&self) -> Vec<u8> {
        Writer::default().string(b"ssh-ed25519").string(&self.0).done()
    }

    /// The first two words of its `.pub` file: type and key.
    pub fn line(&self) -> String {
        format!("ssh-ed25519 {}", encoding::encode(&self.wire()))
    }
}

/// Whether the y coordinate is below p = 2^255 - 19: all but 19 numbers of 255 bits are.
fn is_canonical(key: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = key;
    !(*first >= 0xed && middle.iter().all(|byte| *byte == 0xff) && last & 0x7f == 0x7f)
}

/// A secret key; its memory is overwritten when it is dropped.
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// The secret key with this seed (RFC 8032).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The public key that belongs to it.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `message`. The same message always gets the same signature.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKey({})", self.public().fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order of the group, little-endian (RFC 8032, section 5.1).
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];

    fn key() -> SecretKey {
        SecretKey::from_seed(&[7; 32])
    }

    #[test]
    fn the_first_example_of_the_rfc_is_signed_as_it_says() {
        // RFC 8032, section 7.1, TEST 1.
        let hex = |text: &str| -> Vec<u8> {
            (0..text.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex"))
                .collect()
        };
        let seed = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let key = SecretKey::from_seed(&seed.try_into().expect("32 bytes"));
        assert_eq!(
            key.public().0.to_vec(),
            hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
        );
        let signature = hex(
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        );
        assert_eq!(key.sign(b"").to_vec(), signature);
        assert!(key.public().signed(b"", &key.sign(b"")));
    }

    #[test]
    fn every_changed_bit_is_seen() {
        let (public, signature) = (key().public(), key().sign(b"text"));
        assert!(public.signed(b"text", &signature));
        assert!(!public.signed(b"texts", &signature));
        for bit in 0..512 {
            let mut bad = signature;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!public.signed(b"text", &bad), "bit {bit} of the signature");
        }
        for bit in 0..256 {
            let mut bad = public;
            bad.0[bit / 8] ^= 1 << (bit % 8);
            assert!(!bad.signed(b"text", &signature), "bit {bit} of the key");
        }
    }

    #[test]
    fn a_scalar_that_is_not_reduced_is_refused() {
        let mut signature = key().sign(b"text");
        let mut carry = 0;
        for (byte, of_l) in signature[32..].iter_mut().zip(L) {
            let sum = u16::from(*byte) + u16::from(of_l) + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        assert_eq!(carry, 0, "s + L fits");
        assert!(!key().public().signed(b"text", &signature), "the same signature in other bytes");
    }

    #[test]
    fn a_key_of_small_order_signs_nothing() {
        // The points of small order, in each encoding that a lax decoder takes. With R the neutral element
        // and s = 0, the plain equation holds of any message for the neutral element, and of some for the
        // others.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let mut minus_one = [0xff; 32];
        (minus_one[0], minus_one[31]) = (0xec, 0x7f);
        let mut wrapped = minus_one;
        wrapped[0] = 0xee; // p + 1, once more the neutral element
        let order_8 = [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
            0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ];
        for key in [neutral, minus_one, wrapped, order_8, [0; 32]] {
            for negative in [0, 0x80] {
                let mut key = key;
                key[31] |= negative;
                let mut signature = [0; 64];
                signature[..32].copy_from_slice(&neutral);
                for number in 0..64u8 {
                    assert!(!PublicKey(key).signed(&[number], &signature), "{key:x?}");
                }
            }
        }
        assert!(!is_canonical(&wrapped) && is_canonical(&minus_one) && is_canonical(&neutral));
    }
}
