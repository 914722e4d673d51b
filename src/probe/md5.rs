//! MD5 (RFC 1321), for the digest of a page as `genhash` of keepalived prints it: it tells one page from another, and
//! keeps no secret.

/// Bytes that are digested in one go.
const BLOCK_BYTES: usize = 64;

/// How far each round turns its word (RFC 1321 §3.4).
const TURNS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// The whole part of 2³² times the absolute sine of 1, 2, … 64 (RFC 1321 §3.4).
const SINES: [u32; 64] = [
    0xd76a_a478,
    0xe8c7_b756,
    0x2420_70db,
    0xc1bd_ceee,
    0xf57c_0faf,
    0x4787_c62a,
    0xa830_4613,
    0xfd46_9501,
    0x6980_98d8,
    0x8b44_f7af,
    0xffff_5bb1,
    0x895c_d7be,
    0x6b90_1122,
    0xfd98_7193,
    0xa679_438e,
    0x49b4_0821,
    0xf61e_2562,
    0xc040_b340,
    0x265e_5a51,
    0xe9b6_c7aa,
    0xd62f_105d,
    0x0244_1453,
    0xd8a1_e681,
    0xe7d3_fbc8,
    0x21e1_cde6,
    0xc337_07d6,
    0xf4d5_0d87,
    0x455a_14ed,
    0xa9e3_e905,
    0xfcef_a3f8,
    0x676f_02d9,
    0x8d2a_4c8a,
    0xfffa_3942,
    0x8771_f681,
    0x6d9d_6122,
    0xfde5_380c,
    0xa4be_ea44,
    0x4bde_cfa9,
    0xf6bb_4b60,
    0xbebf_bc70,
    0x289b_7ec6,
    0xeaa1_27fa,
    0xd4ef_3085,
    0x0488_1d05,
    0xd9d4_d039,
    0xe6db_99e5,
    0x1fa2_7cf8,
    0xc4ac_5665,
    0xf429_2244,
    0x432a_ff97,
    0xab94_23a7,
    0xfc93_a039,
    0x655b_59c3,
    0x8f0c_cc92,
    0xffef_f47d,
    0x8584_5dd1,
    0x6fa8_7e4f,
    0xfe2c_e6e0,
    0xa301_4314,
    0x4e08_11a1,
    0xf753_7e82,
    0xbd3a_f235,
    0x2ad7_d2bb,
    0xeb86_d391,
];

/// A digest of bytes that are still coming.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Md5 {
    state: [u32; 4],
    /// What has come since the last whole block.
    block: [u8; BLOCK_BYTES],
    /// Bytes that have come.
    len: u64,
}

impl Md5 {
    /// Nothing has come yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { state: [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476], block: [0; BLOCK_BYTES], len: 0 }
    }

    /// One more byte.
    pub fn take(&mut self, byte: u8) {
        let at = (self.len % BLOCK_BYTES as u64) as usize;
        if let Some(place) = self.block.get_mut(at) {
            *place = byte;
        }
        self.len = self.len.wrapping_add(1);
        if at == BLOCK_BYTES - 1 {
            self.digest_block();
        }
    }

    /// The digest of all that has come.
    #[must_use]
    pub fn digest(mut self) -> [u8; 16] {
        let bits = self.len.wrapping_mul(8);
        self.take(0x80);
        while self.len % BLOCK_BYTES as u64 != 56 {
            self.take(0);
        }
        for byte in bits.to_le_bytes() {
            self.take(byte);
        }
        let mut digest = [0; 16];
        for (place, word) in digest.chunks_exact_mut(4).zip(self.state) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        digest
    }

    fn digest_block(&mut self) {
        let mut words = [0; 16];
        for (word, bytes) in words.iter_mut().zip(self.block.as_chunks().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        let [mut a, mut b, mut c, mut d] = self.state;
        for (step, sine) in SINES.iter().enumerate() {
            let round = step / 16 % 4;
            let (mixed, word_at) = match round {
                0 => (b & c | !b & d, step),
                1 => (d & b | !d & c, 5 * step + 1),
                2 => (b ^ c ^ d, 3 * step + 5),
                _ => (c ^ (b | !d), 7 * step),
            };
            let turn = TURNS.get(round).and_then(|turns| turns.get(step % 4)).copied().unwrap_or(0);
            let word = words.get(word_at % 16).copied().unwrap_or(0);
            let sum = a.wrapping_add(mixed).wrapping_add(*sine).wrapping_add(word);
            (a, d, c, b) = (d, c, b, b.wrapping_add(sum.rotate_left(turn)));
        }
        for (word, add) in self.state.iter_mut().zip([a, b, c, d]) {
            *word = word.wrapping_add(add);
        }
    }
}

impl Default for Md5 {
    fn default() -> Self {
        Self::new()
    }
}

/// A digest from its 32 hexadecimal digits, in either case.
#[must_use]
pub fn from_hex(text: &[u8]) -> Option<[u8; 16]> {
    let mut digest = [0; 16];
    if text.len() != 32 {
        return None;
    }
    for (byte, [high, low]) in digest.iter_mut().zip(text.as_chunks().0) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = (digit(*high)? << 4 | digit(*low)?) as u8;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    fn hex(bytes: &[u8]) -> String {
        let mut md5 = Md5::new();
        bytes.iter().for_each(|byte| md5.take(*byte));
        let digest = md5.digest();
        let text: String = digest.iter().map(|byte| std::format!("{byte:02x}")).collect();
        assert_eq!(from_hex(text.as_bytes()), Some(digest));
        assert_eq!(from_hex(text.to_uppercase().as_bytes()), Some(digest));
        text
    }

    /// RFC 1321 §A.5.
    #[test]
    fn the_test_suite_of_the_rfc_is_digested_as_there() {
        let alphabet = "abcdefghijklmnopqrstuvwxyz";
        for (text, expected) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("a", "0cc175b9c0f1b6a831c399e269772661"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            (alphabet, "c3fcd3d76192e4007dfb496cca67e13b"),
            (
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
                "d174ab98d277d9f5a5611c2c9f419d9f",
            ),
            (
                "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                "57edf4a22be3c955ac49da2e2107b67a",
            ),
        ] {
            assert_eq!(hex(text.as_bytes()), expected, "{text}");
        }
    }

    /// As `md5sum` has them: around the end of a block, where the length has room in it or not.
    #[test]
    fn every_length_has_its_padding() {
        for (len, expected) in [
            (55, "ef1772b6dff9a122358552954ad0df65"),
            (56, "3b0c8ac703f828b04c6c197006d17218"),
            (63, "b06521f39153d618550606be297466d5"),
            (64, "014842d480b571495a4a0363793f7367"),
            (65, "c743a45e0d2e6a95cb859adae0248435"),
            (1000, "cabe45dcc9ae5b66ba86600cca6b8ba8"),
        ] {
            assert_eq!(hex(&std::vec![b'a'; len]), expected, "{len}");
        }
    }

    #[test]
    fn what_is_no_digest_is_none() {
        for text in ["", "d41d8cd98f00b204e9800998ecf8427", "d41d8cd98f00b204e9800998ecf8427e0"] {
            assert_eq!(from_hex(text.as_bytes()), None);
        }
        assert_eq!(from_hex(b"d41d8cd98f00b204e9800998ecf8427g"), None);
    }
}
