//! Frames of the control stream: `{kind: u16, flags: u8, length: u32}` big-endian, then the body.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Bytes in front of each body.
pub const HEADER_BYTES: usize = 7;
/// Longest body. Checked before memory is set aside; larger things travel on streams of their own.
pub const MAX_FRAME_BYTES: usize = 1024 * 1024;
/// Flag of a message that a peer which does not know its kind may skip.
pub const OPTIONAL: u8 = 1;

/// One message, still encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Number of the message type.
    pub kind: u16,
    /// [`OPTIONAL`] or nothing.
    pub flags: u8,
    /// postcard of the message.
    pub body: Bytes,
}

/// The peer broke the framing or sent what cannot be read; the connection is of no more use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// More than [`MAX_FRAME_BYTES`].
    #[error("message kind {kind} announces {length} bytes, the limit is {MAX_FRAME_BYTES}")]
    TooLong {
        /// Number of the message type.
        kind: u16,
        /// What its header announced.
        length: usize,
    },
    /// A kind this side does not know, and which may not be skipped.
    #[error("message kind {0} is not known to this version and may not be skipped; update this side")]
    Unknown(u16),
    /// The body is not what its kind promises.
    #[error("message kind {kind} cannot be read: {source}")]
    Malformed {
        /// Number of the message type.
        kind: u16,
        /// What postcard says.
        source: postcard::Error,
    },
}

impl Frame {
    /// Appends header and body to `out`.
    pub fn encode(&self, out: &mut BytesMut) {
        out.reserve(HEADER_BYTES + self.body.len());
        out.put_u16(self.kind);
        out.put_u8(self.flags);
        out.put_u32(u32::try_from(self.body.len()).unwrap_or(u32::MAX));
        out.put_slice(&self.body);
    }
}

/// Puts frames together from bytes that arrive cut anywhere.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: BytesMut,
}

impl Decoder {
    /// Takes in bytes as they came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, if there is one.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        if self.buffer.len() < HEADER_BYTES {
            return Ok(None);
        }
        let mut header = &self.buffer[..HEADER_BYTES];
        let (kind, flags, length) = (header.get_u16(), header.get_u8(), header.get_u32() as usize);
        if length > MAX_FRAME_BYTES {
            return Err(FrameError::TooLong { kind, length });
        }
        if self.buffer.len() < HEADER_BYTES + length {
            return Ok(None);
        }
        self.buffer.advance(HEADER_BYTES);
        Ok(Some(Frame { kind, flags, body: self.buffer.split_to(length).freeze() }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn frames_survive_any_cut(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..8),
            chunk in 1usize..50,
        ) {
            let frames: Vec<Frame> = bodies.iter().zip(1..).map(|(body, kind)| Frame {
                kind, flags: 0, body: body.clone().into(),
            }).collect();
            let mut bytes = BytesMut::new();
            frames.iter().for_each(|frame| frame.encode(&mut bytes));
            let (mut decoder, mut seen) = (Decoder::default(), Vec::new());
            for part in bytes.chunks(chunk) {
                decoder.push(part);
                while let Some(frame) = decoder.next_frame().unwrap() {
                    seen.push(frame);
                }
            }
            prop_assert_eq!(seen, frames);
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut decoder = Decoder::default();
            decoder.push(&bytes);
            while let Ok(Some(_)) = decoder.next_frame() {}
        }
    }

    #[test]
    fn a_long_frame_is_refused_before_it_arrives() {
        let mut decoder = Decoder::default();
        decoder.push(&[0, 1, 0, 0xff, 0xff, 0xff, 0xff]);
        assert!(matches!(decoder.next_frame(), Err(FrameError::TooLong { kind: 1, .. })));
    }
}
