//! H.264 access units: taking Annex B apart, and what a sequence parameter set says first.

use bytes::{BufMut, Bytes, BytesMut};

const SPS: u8 = 7;
const PPS: u8 = 8;
const AUD: u8 = 9;

/// The NAL units of an access unit in Annex B form, without their start codes.
pub(super) fn units(data: &[u8]) -> Vec<&[u8]> {
    let mut starts = Vec::new();
    let mut at = 0;
    while at + 3 <= data.len() {
        if data[at..at + 3] == [0, 0, 1] {
            starts.push(at);
            at += 3;
        } else {
            at += 1;
        }
    }
    let mut found = Vec::with_capacity(starts.len());
    for (n, &start) in starts.iter().enumerate() {
        let end = starts.get(n + 1).copied().unwrap_or(data.len());
        // Zero bytes before a start code belong to it, not to the unit before.
        let unit = &data[start + 3..end];
        let length = unit.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        if length > 0 {
            found.push(&unit[..length]);
        }
    }
    found
}

fn kind(unit: &[u8]) -> u8 {
    unit[0] & 0x1f
}

/// Parameter sets of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ParameterSets {
    pub(super) sps: Bytes,
    pub(super) pps: Bytes,
}

impl ParameterSets {
    /// The parameter sets of a key frame's access unit, if it has both.
    pub(super) fn of(data: &[u8]) -> Option<Self> {
        let units = units(data);
        let find = |wanted| units.iter().find(|unit| kind(unit) == wanted).map(|unit| Bytes::copy_from_slice(unit));
        let (sps, pps) = (find(SPS)?, find(PPS)?);
        (sps.len() >= 4).then_some(Self { sps, pps })
    }

    /// What browsers call the stream: profile, constraints and level, RFC 6381.
    pub(super) fn codec(&self) -> String {
        format!("avc1.{:02x}{:02x}{:02x}", self.sps[1], self.sps[2], self.sps[3])
    }
}

/// The access unit with lengths instead of start codes, as MP4 has it, without parameter sets and delimiters.
pub(super) fn with_lengths(data: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(data.len() + 16);
    for unit in units(data) {
        if !matches!(kind(unit), SPS | PPS | AUD) {
            out.put_u32(unit.len() as u32);
            out.put_slice(unit);
        }
    }
    out.freeze()
}

/// Width and height in pixels out of a sequence parameter set; `None`: it cannot be read.
pub(super) fn size(sps: &[u8]) -> Option<(u16, u16)> {
    // Bytes 03 after two zeros were put in so that no start code arises.
    let mut plain = Vec::with_capacity(sps.len());
    let mut zeros = 0;
    for &byte in sps.get(1..)? {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        plain.push(byte);
    }
    let mut bits = Bits { data: &plain, at: 0 };
    let profile = bits.take(8)?;
    bits.take(16)?;
    bits.golomb()?;
    let mut chroma = 1;
    if matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128) {
        chroma = bits.golomb()?;
        if chroma == 3 {
            bits.take(1)?;
        }
        bits.golomb()?;
        bits.golomb()?;
        bits.take(1)?;
        if bits.take(1)? == 1 {
            for list in 0..if chroma == 3 { 12 } else { 8 } {
                if bits.take(1)? == 1 {
                    bits.scaling_list(if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    bits.golomb()?;
    match bits.golomb()? {
        0 => {
            bits.golomb()?;
        }
        1 => {
            bits.take(1)?;
            bits.golomb()?;
            bits.golomb()?;
            for _ in 0..bits.golomb()?.min(255) {
                bits.golomb()?;
            }
        }
        _ => {}
    }
    bits.golomb()?;
    bits.take(1)?;
    let (columns, rows) = (bits.golomb()? + 1, bits.golomb()? + 1);
    let frames_only = bits.take(1)?;
    if frames_only == 0 {
        bits.take(1)?;
    }
    bits.take(1)?;
    let (mut width, mut height) = (columns.checked_mul(16)?, rows.checked_mul(16 * (2 - frames_only))?);
    if bits.take(1)? == 1 {
        let (left, right, top, bottom) = (bits.golomb()?, bits.golomb()?, bits.golomb()?, bits.golomb()?);
        let (across, down) = match chroma {
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        width = width.checked_sub(left.checked_add(right)?.checked_mul(across)?)?;
        height = height.checked_sub(top.checked_add(bottom)?.checked_mul(down * (2 - frames_only))?)?;
    }
    Some((u16::try_from(width).ok()?, u16::try_from(height).ok()?))
}

struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = *self.data.get(self.at / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    /// An unsigned Exp-Golomb number.
    fn golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.take(1)? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.take(zeros)?)
    }

    fn scaling_list(&mut self, length: usize) -> Option<()> {
        let (mut last, mut next) = (8_i64, 8_i64);
        for _ in 0..length {
            if next != 0 {
                let coded = i64::from(self.golomb()?);
                let delta = if coded % 2 == 1 { (coded + 1) / 2 } else { -coded / 2 };
                next = (last + delta).rem_euclid(256);
            }
            if next != 0 {
                last = next;
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_units_come_apart() {
        let data = [0, 0, 0, 1, 9, 16, 0, 0, 1, 0x67, 1, 2, 3, 0, 0, 0, 1, 0x68, 4, 0, 0, 1, 0x65, 5, 0, 7];
        let kinds: Vec<u8> = units(&data).iter().map(|unit| kind(unit)).collect();
        assert_eq!(kinds, [9, 7, 8, 5]);
        assert_eq!(&with_lengths(&data)[..], [0, 0, 0, 4, 0x65, 5, 0, 7]);
        let sets = ParameterSets::of(&data).expect("both are there");
        assert_eq!((sets.codec().as_str(), &sets.pps[..]), ("avc1.010203", &[0x68, 4][..]));
        assert!(ParameterSets::of(&[0, 0, 1, 0x65, 5]).is_none());
        assert!(units(&[]).is_empty() && units(&[0, 0, 1]).is_empty());
    }

    #[test]
    fn nothing_breaks_a_reader_of_parameter_sets() {
        for length in 0..40 {
            for fill in [0x00, 0xff, 0x64, 0x80] {
                let mut sps = vec![0x67];
                sps.resize(length + 1, fill);
                // Whatever comes out, it must come out.
                let _size = size(&sps);
            }
        }
    }
}
