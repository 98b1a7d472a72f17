//! SHA-256 by the CPU's own instructions, where it has them: 1 to 2 GB/s in place of 0.2.
//!
//! Whether it has them is asked once, and only when there is something to gain: on a virtual machine CPUID
//! takes longer than to hash a manifest.

#[cfg(target_arch = "aarch64")]
use core::arch::aarch64 as cpu;
#[cfg(target_arch = "x86")]
use core::arch::x86 as cpu;
#[cfg(target_arch = "x86_64")]
use core::arch::x86_64 as cpu;
use core::sync::atomic::AtomicU8;
use core::sync::atomic::Ordering::Relaxed;

/// Bytes that are hashed at once.
const BLOCK: usize = 64;

/// With fewer blocks there is nothing to gain.
const WORTH_IT: usize = 64;

/// The first words of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2).
static WORDS: [u32; 64] = [
    0x428a_2f98,
    0x7137_4491,
    0xb5c0_fbcf,
    0xe9b5_dba5,
    0x3956_c25b,
    0x59f1_11f1,
    0x923f_82a4,
    0xab1c_5ed5,
    0xd807_aa98,
    0x1283_5b01,
    0x2431_85be,
    0x550c_7dc3,
    0x72be_5d74,
    0x80de_b1fe,
    0x9bdc_06a7,
    0xc19b_f174,
    0xe49b_69c1,
    0xefbe_4786,
    0x0fc1_9dc6,
    0x240c_a1cc,
    0x2de9_2c6f,
    0x4a74_84aa,
    0x5cb0_a9dc,
    0x76f9_88da,
    0x983e_5152,
    0xa831_c66d,
    0xb003_27c8,
    0xbf59_7fc7,
    0xc6e0_0bf3,
    0xd5a7_9147,
    0x06ca_6351,
    0x1429_2967,
    0x27b7_0a85,
    0x2e1b_2138,
    0x4d2c_6dfc,
    0x5338_0d13,
    0x650a_7354,
    0x766a_0abb,
    0x81c2_c92e,
    0x9272_2c85,
    0xa2bf_e8a1,
    0xa81a_664b,
    0xc24b_8b70,
    0xc76c_51a3,
    0xd192_e819,
    0xd699_0624,
    0xf40e_3585,
    0x106a_a070,
    0x19a4_c116,
    0x1e37_6c08,
    0x2748_774c,
    0x34b0_bcb5,
    0x391c_0cb3,
    0x4ed8_aa4a,
    0x5b9c_ca4f,
    0x682e_6ff3,
    0x748f_82ee,
    0x78a5_636f,
    0x84c8_7814,
    0x8cc7_0208,
    0x90be_fffa,
    0xa450_6ceb,
    0xbef9_a3f7,
    0xc671_78f2,
];

/// What is known of this CPU: nothing yet, that it has no such instructions, or that it has.
static KNOWN: AtomicU8 = AtomicU8::new(UNKNOWN);
const UNKNOWN: u8 = 0;
const NO: u8 = 1;
const YES: u8 = 2;

/// What the kernel says of the CPU (`AT_HWCAP`).
#[cfg(all(feature = "bare", target_arch = "aarch64"))]
pub(super) fn learn(hwcap: usize) {
    // HWCAP_SHA2 (arch/arm64/include/uapi/asm/hwcap.h).
    KNOWN.store(if hwcap & 1 << 6 == 0 { NO } else { YES }, Relaxed);
}

/// Adds whole blocks to a hash. `false` where the CPU has no instructions for that, or there are too few.
pub fn compress(state: &mut [u32; 8], blocks: &[[u8; BLOCK]]) -> bool {
    if blocks.len() < WORTH_IT {
        return false;
    }
    let mut known = KNOWN.load(Relaxed);
    if known == UNKNOWN {
        known = if ask() { YES } else { NO };
        KNOWN.store(known, Relaxed);
    }
    if known == YES {
        // SAFETY: the CPU has the instructions.
        unsafe { compress_by_cpu(state, blocks) };
    }
    known == YES
}

#[cfg(target_arch = "aarch64")]
fn ask() -> bool {
    // Told at the start of a launcher, and not worth another way elsewhere.
    false
}

/// SHA, and what is used beside it: SSSE3 and SSE4.1.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn ask() -> bool {
    let (highest, first) = (cpu::__cpuid(0).eax, cpu::__cpuid(1).ecx);
    let needed = 1 << 9 | 1 << 19;
    highest >= 7 && first & needed == needed && cpu::__cpuid_count(7, 0).ebx & 1 << 29 != 0
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
fn compress_by_cpu(state: &mut [u32; 8], blocks: &[[u8; BLOCK]]) {
    use cpu::{
        _mm_add_epi32, _mm_alignr_epi8, _mm_blend_epi16, _mm_loadu_si128, _mm_set_epi32, _mm_setzero_si128,
        _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8,
        _mm_shuffle_epi32, _mm_storeu_si128,
    };
    // The bytes of each word the other way round.
    let order = _mm_set_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
    // SAFETY: the address of 16 bytes, which need not be aligned.
    let load = |from: &[u8; 16]| unsafe { _mm_loadu_si128(from.as_ptr().cast()) };
    // SAFETY: likewise.
    let words = |from: &[u32; 4]| unsafe { _mm_loadu_si128(from.as_ptr().cast()) };
    let (halves, _) = state.as_chunks_mut::<4>();
    let [first, second] = halves else { return };
    // The instructions want a, b, e, f in one register and c, d, g, h in the other.
    let (cdab, efgh) = (_mm_shuffle_epi32(words(first), 0xB1), _mm_shuffle_epi32(words(second), 0x1B));
    let mut abef = _mm_alignr_epi8(cdab, efgh, 8);
    let mut cdgh = _mm_blend_epi16(efgh, cdab, 0xF0);
    for block in blocks {
        let before = (abef, cdgh);
        let [mut one, mut two, mut three, mut four] = [_mm_setzero_si128(); 4];
        for (to, from) in [&mut one, &mut two, &mut three, &mut four].into_iter().zip(block.as_chunks().0) {
            *to = _mm_shuffle_epi8(load(from), order);
        }
        for constants in WORDS.as_chunks().0 {
            let sum = _mm_add_epi32(one, words(constants));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0E));
            let next = _mm_add_epi32(_mm_sha256msg1_epu32(one, two), _mm_alignr_epi8(four, three, 4));
            (one, two, three, four) = (two, three, four, _mm_sha256msg2_epu32(next, four));
        }
        abef = _mm_add_epi32(abef, before.0);
        cdgh = _mm_add_epi32(cdgh, before.1);
    }
    let (feba, dchg) = (_mm_shuffle_epi32(abef, 0x1B), _mm_shuffle_epi32(cdgh, 0xB1));
    let (abcd, efgh) = (_mm_blend_epi16(feba, dchg, 0xF0), _mm_alignr_epi8(dchg, feba, 8));
    // SAFETY: as above, to write.
    unsafe { _mm_storeu_si128(first.as_mut_ptr().cast(), abcd) };
    // SAFETY: likewise.
    unsafe { _mm_storeu_si128(second.as_mut_ptr().cast(), efgh) };
}

#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon,sha2")]
fn compress_by_cpu(state: &mut [u32; 8], blocks: &[[u8; BLOCK]]) {
    use cpu::{
        vaddq_u32, vld1q_u8, vld1q_u32, vreinterpretq_u32_u8, vrev32q_u8, vsha256h2q_u32, vsha256hq_u32,
        vsha256su0q_u32, vsha256su1q_u32, vst1q_u32,
    };
    // SAFETY: the address of 16 bytes.
    let load = |from: &[u8; 16]| unsafe { vld1q_u8(from.as_ptr()) };
    // SAFETY: the address of four words.
    let words = |from: &[u32; 4]| unsafe { vld1q_u32(from.as_ptr()) };
    let (halves, _) = state.as_chunks_mut::<4>();
    let [first, second] = halves else { return };
    let (mut abcd, mut efgh) = (words(first), words(second));
    for block in blocks {
        let before = (abcd, efgh);
        let [mut one, mut two, mut three, mut four] = [abcd; 4];
        for (to, from) in [&mut one, &mut two, &mut three, &mut four].into_iter().zip(block.as_chunks().0) {
            *to = vreinterpretq_u32_u8(vrev32q_u8(load(from)));
        }
        for constants in WORDS.as_chunks().0 {
            let sum = vaddq_u32(one, words(constants));
            let this = abcd;
            abcd = vsha256hq_u32(abcd, efgh, sum);
            efgh = vsha256h2q_u32(efgh, this, sum);
            let next = vsha256su1q_u32(vsha256su0q_u32(one, two), three, four);
            (one, two, three, four) = (two, three, four, next);
        }
        abcd = vaddq_u32(abcd, before.0);
        efgh = vaddq_u32(efgh, before.1);
    }
    // SAFETY: as above, to write.
    unsafe { vst1q_u32(first.as_mut_ptr(), abcd) };
    // SAFETY: likewise.
    unsafe { vst1q_u32(second.as_mut_ptr(), efgh) };
}
