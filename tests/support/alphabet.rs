//! Spells bytes as byte-level vocabularies do.

/// Returns the character that GPT-2's alphabet has for `byte`, a visible one for each byte.
pub fn visible(byte: u8) -> char {
    let code = match byte {
        0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => u32::from(byte),
        0x00..=0x20 => 0x100 + u32::from(byte),
        0x7f..=0xa0 => 0x121 + u32::from(byte - 0x7f),
        0xad => 0x143,
    };
    char::from_u32(code).expect("a character")
}
