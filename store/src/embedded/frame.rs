//! ClickHouse's own framing of compressed data (`compress=1`, `decompress=1`): a run of blocks, each
//! `CityHash128 (16 bytes) | method (1) | size with these 9 bytes (4) | size unpacked (4) | data`, little-endian.
//! Source: ClickHouse's `CompressedReadBufferBase.cpp`.

use super::reply::Failure;

const LZ4: u8 = 0x82;
const NONE: u8 = 0x02;
const CHECKSUM: usize = 16;
const HEADER: usize = 9;
/// ClickHouse itself takes no longer blocks (DBMS_MAX_COMPRESSED_SIZE).
const MOST: usize = 1 << 30;
/// Unpacked bytes in a block of ours.
const BLOCK: usize = 1 << 20;

/// Takes all blocks apart. `most` bounds the sum of what comes out.
pub(super) fn unpack(mut packed: &[u8], most: usize) -> Result<Vec<u8>, Failure> {
    let broken = |reason: &str| Failure::new(271, "CANNOT_DECOMPRESS", format_args!("compressed body: {reason}"));
    let mut out = Vec::new();
    while !packed.is_empty() {
        let Some((checksum, rest)) = packed.split_first_chunk::<CHECKSUM>() else { return Err(broken("cut off")) };
        let Some((header, _)) = rest.split_first_chunk::<HEADER>() else { return Err(broken("cut off")) };
        let [method, a, b, c, d, e, f, g, h] = *header;
        let (size, unpacked) = (u32::from_le_bytes([a, b, c, d]) as usize, u32::from_le_bytes([e, f, g, h]) as usize);
        if !(HEADER..=MOST).contains(&size) || unpacked > MOST || out.len() + unpacked > most {
            return Err(broken("a block's size is out of bounds"));
        }
        let Some((block, rest)) = rest.split_at_checked(size) else { return Err(broken("cut off")) };
        if hash(block) != *checksum {
            return Err(Failure::new(40, "CHECKSUM_DOESNT_MATCH", "compressed body: a block's checksum is wrong"));
        }
        let data = &block[HEADER..];
        match method {
            LZ4 => {
                let at = out.len();
                out.resize(at + unpacked, 0);
                let done = lz4_flex::block::decompress_into(data, &mut out[at..]);
                if done.map_err(|error| broken(&error.to_string()))? != unpacked {
                    return Err(broken("a block is shorter than it says"));
                }
            }
            NONE => out.extend_from_slice(data),
            other => {
                let message = format_args!("compression method {other:#04x} is not taken; send LZ4");
                return Err(Failure::new(89, "UNKNOWN_COMPRESSION_METHOD", message));
            }
        }
        packed = rest;
    }
    Ok(out)
}

/// Puts data into blocks.
pub(super) fn pack(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in data.chunks(BLOCK) {
        let packed = lz4_flex::block::compress(chunk);
        let mut block = Vec::with_capacity(HEADER + packed.len());
        block.push(LZ4);
        for size in [HEADER + packed.len(), chunk.len()] {
            block.extend(u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes());
        }
        block.extend(packed);
        out.extend(hash(&block));
        out.extend(block);
    }
    out
}

/// CityHash 1.0.2 as ClickHouse stores it: the high half first.
fn hash(block: &[u8]) -> [u8; CHECKSUM] {
    cityhash_rs::cityhash_102_128(block).rotate_left(64).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_back_and_faults_are_found() {
        let data: Vec<u8> = (0..3_000_000_u32).map(|n| (n / 7) as u8).collect();
        let packed = pack(&data);
        assert!(packed.len() < data.len() / 2);
        assert_eq!(unpack(&packed, 1 << 30).unwrap(), data);
        assert_eq!(unpack(&[], 0).unwrap(), b"");
        let mut wrong = packed.clone();
        wrong[40] ^= 1;
        assert!(format!("{:?}", unpack(&wrong, 1 << 30).unwrap_err()).contains("CHECKSUM_DOESNT_MATCH"));
        assert!(unpack(&packed[..packed.len() - 1], 1 << 30).is_err(), "cut off");
        assert!(unpack(&packed, 1000).is_err(), "no bomb");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..100)) {
            let _any = unpack(&bytes, 1 << 20);
        }
    }
}
