//! Numbers of one to ten bytes: seven bits a byte, lowest first, the top bit set on all but the
//! last (LEB128).

/// Bytes that [`put`] takes for `value`.
pub(crate) fn encoded_bytes(value: u64) -> usize {
    let bits = (u64::BITS - (value | 1).leading_zeros()) as usize;
    bits.div_ceil(7)
}

pub(crate) fn put(buffer: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        buffer.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    buffer.push(value.to_le_bytes()[0]);
}

/// The number that `bytes` begin with, and how many bytes it takes; `None` if they end inside of
/// it or it has more than 64 bits.
pub(crate) fn take(bytes: &[u8]) -> Option<(u64, usize)> {
    // Most numbers of a record are small, and a reader takes a dozen for each change.
    if let Some(&byte) = bytes.first()
        && byte < 0x80
    {
        return Some((u64::from(byte), 1));
    }
    let mut value = 0_u64;
    for (index, &byte) in bytes.iter().take(10).enumerate() {
        let bits = u64::from(byte & 0x7f);
        if index == 9 && bits > 1 {
            return None;
        }
        value |= bits << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_comes_back_and_is_foretold() {
        for bits in 0..=64 {
            let around = 1_u64.checked_shl(bits).unwrap_or(0);
            for value in [around.wrapping_sub(1), around, around.wrapping_add(1)] {
                let mut buffer = Vec::new();
                put(&mut buffer, value);
                assert_eq!(buffer.len(), encoded_bytes(value), "{value}");
                assert_eq!(take(&buffer), Some((value, buffer.len())));
                assert_eq!(take(&buffer[..buffer.len() - 1]), None, "{value} cut short");
            }
        }
    }

    #[test]
    fn more_than_64_bits_are_refused() {
        assert_eq!(take(&[0xff; 10]), None);
        assert_eq!(
            take(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02]),
            None
        );
    }
}
