//! Protobuf over gRPC, with a bound on the number of fields in a message.

use std::marker::PhantomData;

use prost::{
    Message,
    encoding::{DecodeContext, WireType, decode_key, skip_field},
};
use tonic::{
    Status,
    codec::{self, BufferSettings, DecodeBuf},
};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

/// Maximum number of strings, lists and messages directly in a message. The longest list of the
/// contract, a frame, has 1024 rows.
const MAX_FIELDS: usize = 4096;

/// The codec of the generated services: prost's codec, which additionally refuses a message of too
/// many fields before it allocates memory for them. An empty row is two bytes on the wire and
/// almost a kilobyte decoded, so the size of a message alone bounds neither memory nor time.
pub(crate) struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = Decoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::default().encoder()
    }

    fn decoder(&mut self) -> Self::Decoder {
        Decoder(ProstCodec::<T, U>::default().decoder())
    }
}

/// The decoding half of [`Codec`].
pub(crate) struct Decoder<U>(ProstDecoder<U>);

impl<U: Message + Default> codec::Decoder for Decoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        if exceeds(prost::bytes::Buf::chunk(buffer), MAX_FIELDS) {
            return Err(Status::invalid_argument(format!(
                "a message must have at most {MAX_FIELDS} fields"
            )));
        }
        self.0.decode(buffer)
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.0.buffer_settings()
    }
}

/// Whether a message has more than `most` length-delimited fields. For a malformed message, this
/// counts the part before the error; the decoder then reports the error.
fn exceeds(mut message: &[u8], most: usize) -> bool {
    let mut fields = 0;
    while let Ok((tag, kind)) = decode_key(&mut message) {
        fields += usize::from(kind == WireType::LengthDelimited);
        if fields > most {
            return true;
        }
        if skip_field(kind, tag, &mut message, DecodeContext::default()).is_err() {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::{MAX_FIELDS, exceeds};
    use crate::pb::{SelectFrame, SelectRow};

    fn frame(rows: usize) -> Vec<u8> {
        let row = SelectRow { traceparent: "x".repeat(300), ..SelectRow::default() };
        SelectFrame { frame_id: u64::MAX, rows: vec![row; rows] }.encode_to_vec()
    }

    #[test]
    fn rows_are_counted_without_being_decoded() {
        assert!(!exceeds(&frame(MAX_FIELDS), MAX_FIELDS));
        assert!(exceeds(&frame(MAX_FIELDS + 1), MAX_FIELDS));
        assert!(exceeds(&[0x12, 0].repeat(2_000_000), MAX_FIELDS));
    }

    #[test]
    fn what_is_no_message_is_left_to_the_decoder() {
        for bytes in [&[0x12, 200][..], &[0xff; 20], &[0x07], &[0x00], &[0x13; 500], &[]] {
            assert!(!exceeds(bytes, MAX_FIELDS), "{bytes:?}");
        }
    }
}
