//! CBOR as authenticators write it (CTAP 2.2 §8, RFC 8949 §5.6): lengths are said, no map has a key twice, nothing is nested
//! deeply. The library takes what it can make sense of (attacks WR-11).

use std::collections::HashSet;

/// Attestation statements with certificates have three levels.
const DEPTH: usize = 8;

const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;

/// The first item, if it is sound, and what follows it.
pub(super) fn first(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = after(bytes, DEPTH)?;
    bytes.split_at_checked(bytes.len() - rest.len())
}

/// Whether this is one map and no more.
pub(super) fn is_map(bytes: &[u8]) -> bool {
    first(bytes).is_some_and(|(item, rest)| rest.is_empty() && item[0] >> 5 == MAP)
}

/// What follows the first item. Each takes a byte at least, so a count that is a lie ends with the bytes.
fn after(bytes: &[u8], depth: usize) -> Option<&[u8]> {
    let depth = depth.checked_sub(1)?;
    let (kind, count, mut rest) = head(bytes)?;
    match kind {
        BYTES | TEXT => rest = rest.get(usize::try_from(count).ok()?..)?,
        ARRAY => {
            for _ in 0..count {
                rest = after(rest, depth)?;
            }
        }
        MAP => {
            let mut keys = HashSet::new();
            for _ in 0..count {
                let value = after(rest, depth)?;
                // However many bytes the key's head has.
                if !keys.insert(head(&rest[..rest.len() - value.len()])?) {
                    return None;
                }
                rest = after(value, depth)?;
            }
        }
        TAG => return None,
        _ => {}
    }
    Some(rest)
}

/// The kind of an item and its number, which is a value or a count. A length that is not said is no number.
fn head(bytes: &[u8]) -> Option<(u8, u64, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (kind, short) = (first >> 5, first & 0x1F);
    let size = match short {
        0..=23 => return Some((kind, short.into(), rest)),
        24..=27 => 1 << (short - 24),
        _ => return None,
    };
    let (number, rest) = rest.split_at_checked(size)?;
    Some((kind, number.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)), rest))
}
