//! Tells model files apart by a sample of their bytes, which costs next to nothing.

/// Of each this many bytes of the file, the first [`SAMPLE_BYTES`] are hashed: training changes
/// nearly all weights.
const STRIDE_BYTES: u64 = 1 << 16;
const SAMPLE_BYTES: u64 = 64;

/// Hashes a sample of a file that arrives in pieces, by FNV-1a with 64 bits.
pub(super) struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fingerprint {
    /// Takes the bytes of the file from position `at` on.
    pub(super) fn push(&mut self, at: u64, chunk: &[u8]) {
        let end = at + chunk.len() as u64;
        let mut start = at;
        while start < end {
            let into = start % STRIDE_BYTES;
            // The beginning of a file is hashed whole: there are the model's sizes and switches.
            let sampled = match start < STRIDE_BYTES {
                true => STRIDE_BYTES - into,
                false => SAMPLE_BYTES.saturating_sub(into),
            };
            let first = (start - at) as usize;
            let last = (start + sampled).min(end) - at;
            for &byte in &chunk[first..last as usize] {
                self.add(byte);
            }
            start += STRIDE_BYTES - into;
        }
    }

    /// Returns the fingerprint, 16 hexadecimal digits, of the file with the use that is made of it.
    pub(super) fn finish(mut self, usage: &str) -> String {
        usage.bytes().for_each(|byte| self.add(byte));
        format!("{:016x}", self.0)
    }

    fn add(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(file: &[u8], chunk_bytes: usize) -> String {
        let mut fingerprint = Fingerprint::default();
        let mut at = 0;
        for chunk in file.chunks(chunk_bytes) {
            fingerprint.push(at, chunk);
            at += chunk.len() as u64;
        }
        fingerprint.finish("")
    }

    #[test]
    fn the_hash_is_fnv_1a() {
        // The values are of the FNV reference code's test suite.
        assert_eq!(fingerprint(b"", 1), "cbf29ce484222325");
        assert_eq!(fingerprint(b"a", 1), "af63dc4c8601ec8c");
        assert_eq!(fingerprint(b"foobar", 4), "85944171f73967e8");
        let mut begun = Fingerprint::default();
        begun.push(0, b"foo");
        assert_eq!(begun.finish("bar"), "85944171f73967e8");
    }

    #[test]
    fn it_does_not_depend_on_the_pieces_and_changes_with_the_sampled_bytes() {
        let file: Vec<u8> = (0..300_000u32)
            .map(|i| (i.wrapping_mul(i) >> 7) as u8)
            .collect();
        let whole = fingerprint(&file, file.len());
        for chunk_bytes in [1, 63, 64, 4096, 65_537, 131_072] {
            assert_eq!(fingerprint(&file, chunk_bytes), whole, "{chunk_bytes}");
        }
        for at in [0, 40_000, 65_535, 65_536, 131_072 + 63, 262_144] {
            let mut other = file.clone();
            other[at] ^= 1;
            assert_ne!(fingerprint(&other, 4096), whole, "{at}");
        }
    }
}
