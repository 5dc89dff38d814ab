//! Writing that survives a power cut, and hashes.

use std::{
    fs::{self, File},
    io::{self, Read, Write as _},
    path::Path,
};

use sha2::{Digest as _, Sha256};

/// SHA-256, hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 64 bytes out of 128 hexadecimal digits.
pub(super) fn unhex(text: &str) -> Option<[u8; 64]> {
    let mut bytes = [0; 64];
    if text.len() != 128 || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// Copies all of `from` into `to` if given; length and SHA-256 of what was read.
pub(super) fn copy_hashed(mut from: impl Read, mut to: Option<&mut File>) -> io::Result<(u64, String)> {
    let (mut hash, mut length, mut chunk) = (Sha256::new(), 0, vec![0; 1 << 16]);
    loop {
        let read = match from.read(&mut chunk) {
            Ok(0) => return Ok((length, hex(&hash.finalize()))),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hash.update(&chunk[..read]);
        length += read as u64;
        if let Some(to) = &mut to {
            to.write_all(&chunk[..read])?;
        }
    }
}

/// Writes a new file and syncs it.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Puts `bytes` in place of `path` in one step, synced. They are written to `aside` first, on the same file system: a
/// crash leaves that file behind, so it must be where nobody takes it for evidence.
pub(super) fn replace(path: &Path, bytes: &[u8], aside: &Path) -> io::Result<()> {
    let mut file = File::create(aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(aside, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Makes names in a folder last.
pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
