//! Fragmented MP4 (ISO/IEC 14496-12) of one H.264 stream: an initialisation segment, then a fragment a picture.

use bytes::{BufMut, Bytes, BytesMut};

use super::nal::ParameterSets;

/// Ticks a second.
pub(super) const TIMESCALE: u32 = 1_000_000;

fn boxed(out: &mut BytesMut, name: &[u8; 4], inside: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_u32(0);
    out.put_slice(name);
    inside(out);
    let length = (out.len() - start) as u32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// A box with version and flags.
fn full(out: &mut BytesMut, name: &[u8; 4], version: u8, flags: u32, inside: impl FnOnce(&mut BytesMut)) {
    boxed(out, name, |out| {
        out.put_u32(u32::from(version) << 24 | flags);
        inside(out);
    });
}

fn matrix(out: &mut BytesMut) {
    for value in [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000] {
        out.put_u32(value);
    }
}

/// What a player needs before the first picture.
pub(super) fn initialisation(sets: &ParameterSets, (width, height): (u16, u16)) -> Bytes {
    let mut out = BytesMut::with_capacity(1024);
    boxed(&mut out, b"ftyp", |out| {
        out.put_slice(b"iso5");
        out.put_u32(512);
        out.put_slice(b"iso5iso6mp41");
    });
    boxed(&mut out, b"moov", |out| {
        full(out, b"mvhd", 0, 0, |out| {
            out.put_slice(&[0; 8]);
            out.put_u32(TIMESCALE);
            out.put_u32(0);
            out.put_u32(0x1_0000);
            out.put_u16(0x100);
            out.put_slice(&[0; 10]);
            matrix(out);
            out.put_slice(&[0; 24]);
            out.put_u32(2);
        });
        boxed(out, b"trak", |out| {
            full(out, b"tkhd", 0, 7, |out| {
                out.put_slice(&[0; 8]);
                out.put_u32(1);
                out.put_slice(&[0; 8]);
                out.put_slice(&[0; 8]);
                out.put_slice(&[0; 8]);
                matrix(out);
                out.put_u32(u32::from(width) << 16);
                out.put_u32(u32::from(height) << 16);
            });
            boxed(out, b"mdia", |out| media(out, sets, (width, height)));
        });
        boxed(out, b"mvex", |out| {
            full(out, b"trex", 0, 0, |out| {
                for value in [1, 1, 0, 0, 0] {
                    out.put_u32(value);
                }
            });
        });
    });
    out.freeze()
}

fn media(out: &mut BytesMut, sets: &ParameterSets, (width, height): (u16, u16)) {
    full(out, b"mdhd", 0, 0, |out| {
        out.put_slice(&[0; 8]);
        out.put_u32(TIMESCALE);
        out.put_u32(0);
        // No language said.
        out.put_u16(0x55c4);
        out.put_u16(0);
    });
    full(out, b"hdlr", 0, 0, |out| {
        out.put_u32(0);
        out.put_slice(b"vide");
        out.put_slice(&[0; 12]);
        out.put_slice(b"stopline\0");
    });
    boxed(out, b"minf", |out| {
        full(out, b"vmhd", 0, 1, |out| out.put_slice(&[0; 8]));
        boxed(out, b"dinf", |out| {
            full(out, b"dref", 0, 0, |out| {
                out.put_u32(1);
                full(out, b"url ", 0, 1, |_| {});
            });
        });
        boxed(out, b"stbl", |out| {
            full(out, b"stsd", 0, 0, |out| {
                out.put_u32(1);
                boxed(out, b"avc1", |out| sample_entry(out, sets, (width, height)));
            });
            for name in [b"stts", b"stsc", b"stco"] {
                full(out, name, 0, 0, |out| out.put_u32(0));
            }
            full(out, b"stsz", 0, 0, |out| out.put_u64(0));
        });
    });
}

fn sample_entry(out: &mut BytesMut, sets: &ParameterSets, (width, height): (u16, u16)) {
    out.put_slice(&[0; 6]);
    out.put_u16(1);
    out.put_slice(&[0; 16]);
    out.put_u16(width);
    out.put_u16(height);
    out.put_u32(0x48_0000);
    out.put_u32(0x48_0000);
    out.put_u32(0);
    out.put_u16(1);
    out.put_slice(&[0; 32]);
    out.put_u16(24);
    out.put_u16(0xffff);
    boxed(out, b"avcC", |out| {
        out.put_u8(1);
        out.put_slice(&sets.sps[1..4]);
        // Lengths of 4 bytes; one set of each.
        out.put_u8(0xff);
        out.put_u8(0xe1);
        out.put_u16(sets.sps.len() as u16);
        out.put_slice(&sets.sps);
        out.put_u8(1);
        out.put_u16(sets.pps.len() as u16);
        out.put_slice(&sets.pps);
    });
}

/// One picture. `at` and `lasts` are in [`TIMESCALE`].
pub(super) fn fragment(out: &mut BytesMut, number: u32, at: u64, lasts: u32, key: bool, sample: &[u8]) {
    let begin = out.len();
    let mut offset_at = 0;
    boxed(out, b"moof", |out| {
        full(out, b"mfhd", 0, 0, |out| out.put_u32(number));
        boxed(out, b"traf", |out| {
            // The default base is the fragment itself.
            full(out, b"tfhd", 0, 0x2_0000, |out| out.put_u32(1));
            full(out, b"tfdt", 1, 0, |out| out.put_u64(at));
            // Data offset, and of the sample: duration, size, flags.
            full(out, b"trun", 0, 0x1 | 0x100 | 0x200 | 0x400, |out| {
                out.put_u32(1);
                offset_at = out.len();
                out.put_u32(0);
                out.put_u32(lasts);
                out.put_u32(sample.len() as u32);
                // Depends on no other; or depends on others and is no place to begin.
                out.put_u32(if key { 0x200_0000 } else { 0x101_0000 });
            });
        });
    });
    let offset = (out.len() - begin + 8) as u32;
    out[offset_at..offset_at + 4].copy_from_slice(&offset.to_be_bytes());
    boxed(out, b"mdat", |out| out.put_slice(sample));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and lengths of the boxes of a level, which must fill it.
    fn boxes(mut data: &[u8]) -> Vec<(String, usize)> {
        let mut found = Vec::new();
        while !data.is_empty() {
            let length = u32::from_be_bytes(data[..4].try_into().expect("four")) as usize;
            found.push((String::from_utf8_lossy(&data[4..8]).into_owned(), length));
            data = &data[length..];
        }
        found
    }

    #[test]
    fn lengths_add_up() {
        let sets =
            ParameterSets { sps: Bytes::from_static(&[0x67, 66, 0, 30, 9]), pps: Bytes::from_static(&[0x68, 1]) };
        let names = |data: &[u8]| boxes(data).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        let init = initialisation(&sets, (640, 360));
        assert_eq!(names(&init), ["ftyp", "moov"]);
        let moov = boxes(&init)[0].1;
        assert_eq!(names(&init[moov + 8..]), ["mvhd", "trak", "mvex"]);
        let mut out = BytesMut::new();
        fragment(&mut out, 1, 40_000, 40_000, true, &[1, 2, 3]);
        assert_eq!(names(&out), ["moof", "mdat"]);
        let moof = boxes(&out)[0].1;
        assert_eq!(&out[moof + 8..], [1, 2, 3], "the sample lies where the offset says");
    }
}
