//! Packets: three bytes of length, one of sequence, and the payload. A payload of 16 MB or more goes on in the next.

/// The longest payload of one packet. One that is as long goes on in the next packet.
pub(super) const LONGEST: usize = 0xff_ffff;
pub(super) const HEADER: usize = 4;

/// What stands at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Framed {
    /// More bytes are needed.
    Incomplete,
    /// A whole payload, in so many bytes with its headers.
    Whole { length: usize, sequence: u8 },
    /// The payload is longer than allowed.
    TooLong,
    /// The packets of one payload are not numbered one after another.
    Disordered,
}

/// Finds the end of the payload that starts `bytes`.
pub(super) fn framed(bytes: &[u8], limit: usize) -> Framed {
    let (mut at, mut payload, mut first) = (0, 0, None::<u8>);
    loop {
        let Some(header) = bytes.get(at..at + HEADER) else { return Framed::Incomplete };
        let length = length(header);
        payload += length;
        if payload > limit {
            return Framed::TooLong;
        }
        let sequence = *first.get_or_insert(header[3]);
        let number = (at / (HEADER + LONGEST)) % 256;
        if usize::from(header[3].wrapping_sub(sequence)) != number {
            return Framed::Disordered;
        }
        at += HEADER + length;
        if bytes.len() < at {
            return Framed::Incomplete;
        }
        if length < LONGEST {
            return Framed::Whole { length: at, sequence };
        }
    }
}

/// The length in a header.
pub(super) fn length(header: &[u8]) -> usize {
    usize::from(header[0]) | usize::from(header[1]) << 8 | usize::from(header[2]) << 16
}

/// The payload of whole packets. Copies only what spans more than one.
pub(super) fn payload(packets: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    if packets.len() <= HEADER + LONGEST {
        return packets.get(HEADER..).unwrap_or_default().into();
    }
    let pieces = packets.chunks(HEADER + LONGEST).map(|piece| piece.get(HEADER..).unwrap_or_default());
    pieces.collect::<Vec<_>>().concat().into()
}

/// The number that the answer to these packets, numbered from zero, starts with.
pub(super) fn answer_number(packets: &[u8]) -> u8 {
    u8::try_from((packets.len() / (HEADER + LONGEST) + 1) % 256).unwrap_or(1)
}

/// Appends a payload in as many packets as it needs. Gives the sequence number after the last.
pub(super) fn push(out: &mut Vec<u8>, mut sequence: u8, mut payload: &[u8]) -> u8 {
    loop {
        let piece = payload.len().min(LONGEST);
        let length = u32::try_from(piece).unwrap_or(u32::MAX).to_le_bytes();
        out.extend_from_slice(&[length[0], length[1], length[2], sequence]);
        out.extend_from_slice(&payload[..piece]);
        payload = &payload[piece..];
        sequence = sequence.wrapping_add(1);
        if piece < LONGEST {
            return sequence;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn payloads_of_any_length_come_back() {
        for length in [0, 1, 250, LONGEST - 1, LONGEST, LONGEST + 1, 2 * LONGEST] {
            let mut whole = vec![1; length];
            for n in (0..length).step_by(1_000_003) {
                whole[n] = u8::try_from(n % 253).unwrap();
            }
            let mut bytes = Vec::new();
            let next = push(&mut bytes, 255, &whole);
            let packets = length / LONGEST + 1;
            assert_eq!(usize::from(next), (255 + packets) % 256);
            let end = bytes.len();
            bytes.push(7);
            assert_eq!(framed(&bytes, usize::MAX / 2), Framed::Whole { length: end, sequence: 255 });
            assert!(payload(&bytes[..end]) == whole);
            assert_eq!(usize::from(answer_number(&bytes[..end])), packets % 256);
            assert_eq!(framed(&bytes[..end - 1], usize::MAX / 2), Framed::Incomplete);
        }
    }

    #[test]
    fn limits_and_the_order_of_packets_are_kept() {
        assert_eq!(framed(&[5, 0, 0, 0], 4), Framed::TooLong);
        let mut bytes = Vec::new();
        push(&mut bytes, 0, &vec![0; LONGEST + 1]);
        bytes[HEADER + LONGEST + 3] = 2;
        assert_eq!(framed(&bytes, usize::MAX / 2), Framed::Disordered);
    }

    proptest! {
        #[test]
        fn no_bytes_make_framing_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Framed::Whole { length, .. } = framed(&bytes, 1 << 20) {
                let _ = payload(&bytes[..length]);
            }
        }
    }
}
