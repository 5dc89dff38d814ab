//! Random tokens. Only their hash is ever stored, so that a copy of the database opens no door.

use sha2::{Digest, Sha256};

use crate::IdentityError;

/// 256 random bits, written as 64 hexadecimal digits.
#[derive(Clone, Copy)]
pub(crate) struct Secret([u8; 32]);

impl Secret {
    pub(crate) fn random() -> Result<Self, IdentityError> {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits).map_err(|_| IdentityError::Random)?;
        Ok(Self(bits))
    }

    /// From its text; `None` when it cannot be one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let mut bits = [0; 32];
        for (byte, at) in bits.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
        }
        Some(Self(bits))
    }

    pub(crate) fn text(&self) -> String {
        hex(&self.0)
    }

    pub(crate) fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}
