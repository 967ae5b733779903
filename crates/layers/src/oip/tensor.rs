//! Converts the values of tensors between the wire and the model.

use strata_wire::oip::InferTensorContents;

/// The protocol's name for the datatype of the model's tensors.
pub(super) const FP32: &str = "FP32";

/// Datatypes that can be converted to FP32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Datatype {
    Fp16,
    Fp32,
    Fp64,
}

impl Datatype {
    /// The datatype called `name`, if it can be converted to FP32.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "FP16" => Some(Self::Fp16),
            FP32 => Some(Self::Fp32),
            "FP64" => Some(Self::Fp64),
            _ => None,
        }
    }

    /// The width of one value in bytes.
    fn width(self) -> usize {
        match self {
            Self::Fp16 => 2,
            Self::Fp32 => 4,
            Self::Fp64 => 8,
        }
    }
}

/// Why the model cannot take the values. The text follows the name of the tensor in a message.
pub(super) type Refusal = String;

/// Reads `count` values from little-endian bytes.
pub(super) fn from_raw(
    datatype: Datatype,
    bytes: &[u8],
    count: usize,
) -> Result<Vec<f32>, Refusal> {
    let width = datatype.width();
    if count.checked_mul(width) != Some(bytes.len()) {
        return Err(format!(
            "needs {count} values of {width} bytes, its raw contents have {} bytes",
            bytes.len()
        ));
    }
    match datatype {
        Datatype::Fp16 => {
            let (halves, _) = bytes.as_chunks();
            finite(halves.iter().map(|half| from_half(u16::from_le_bytes(*half))).collect())
        }
        Datatype::Fp32 => {
            let (singles, _) = bytes.as_chunks();
            finite(singles.iter().map(|single| f32::from_le_bytes(*single)).collect())
        }
        Datatype::Fp64 => {
            let (doubles, _) = bytes.as_chunks();
            rounded(doubles.iter().map(|double| f64::from_le_bytes(*double)), count)
        }
    }
}

/// Reads `count` values from the field of their datatype; all other fields must be empty.
pub(super) fn from_contents(
    datatype: Datatype,
    contents: InferTensorContents,
    count: usize,
) -> Result<Vec<f32>, Refusal> {
    let (field, length, others) = match datatype {
        Datatype::Fp16 => return Err("is FP16, which only raw_input_contents can hold".to_owned()),
        Datatype::Fp32 => ("fp32_contents", contents.fp32_contents.len(), values(&contents)),
        Datatype::Fp64 => ("fp64_contents", contents.fp64_contents.len(), values(&contents)),
    };
    if length != others {
        return Err(format!("must have values in {field} only"));
    }
    if length != count {
        return Err(format!("needs {count} values, {field} has {length}"));
    }
    match datatype {
        Datatype::Fp64 => rounded(contents.fp64_contents.into_iter(), count),
        _ => finite(contents.fp32_contents),
    }
}

/// The number of values in all fields.
pub(super) fn values(contents: &InferTensorContents) -> usize {
    contents.bool_contents.len()
        + contents.int_contents.len()
        + contents.int64_contents.len()
        + contents.uint_contents.len()
        + contents.uint64_contents.len()
        + contents.fp32_contents.len()
        + contents.fp64_contents.len()
        + contents.bytes_contents.len()
}

fn finite(values: Vec<f32>) -> Result<Vec<f32>, Refusal> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(values),
        Some(index) => Err(not_finite(index)),
    }
}

/// Rounds each value to the nearest FP32.
fn rounded(values: impl Iterator<Item = f64>, count: usize) -> Result<Vec<f32>, Refusal> {
    let mut singles = Vec::with_capacity(count);
    for (index, value) in values.enumerate() {
        let single = value as f32;
        match (value.is_finite(), single.is_finite()) {
            (true, true) => singles.push(single),
            (true, false) => return Err(format!("value {index} is too large for FP32")),
            (false, _) => return Err(not_finite(index)),
        }
    }
    Ok(singles)
}

fn not_finite(index: usize) -> Refusal {
    format!("value {index} is not finite")
}

/// Converts an IEEE 754 binary16 to binary32, which represents each of its values exactly.
fn from_half(bits: u16) -> f32 {
    /// 2^-24, the unit of the fraction of a subnormal.
    const SUBNORMAL: f32 = 5.960_464_5e-8;
    let sign = u32::from(bits >> 15) << 31;
    let exponent = u32::from(bits >> 10 & 0x1f);
    let fraction = u32::from(bits & 0x3ff);
    let magnitude = match exponent {
        0 => (fraction as f32 * SUBNORMAL).to_bits(),
        31 => 0x7f80_0000 | fraction << 13,
        // The biases of the exponents are 15 and 127.
        _ => (exponent + 112) << 23 | fraction << 13,
    };
    f32::from_bits(sign | magnitude)
}

/// Writes FP32 values as little-endian bytes.
pub(super) fn to_raw(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn halves_are_what_ieee_754_says() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x8000, -0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x7bff, 65504.0),
            (0x0001, 2f32.powi(-24)),
            (0x83ff, -1023.0 * 2f32.powi(-24)),
            (0x0400, 2f32.powi(-14)),
        ] {
            assert_eq!(from_half(bits).to_bits(), f32::to_bits(value), "{bits:04x}");
        }
        assert_eq!(from_half(0x7c00), f32::INFINITY);
        assert_eq!(from_half(0xfc00), f32::NEG_INFINITY);
        assert!(from_half(0x7e01).is_nan() && from_half(0xfc01).is_nan());
    }

    #[test]
    fn doubles_are_rounded_and_never_become_infinite() {
        let contents = |values: &[f64]| InferTensorContents {
            fp64_contents: values.to_vec(),
            ..Default::default()
        };
        let read = |values| from_contents(Datatype::Fp64, contents(values), values.len());
        assert_eq!(read(&[0.1, -1e-60]), Ok(vec![0.1f32, -0.0]));
        assert!(read(&[0.0, 1e39]).unwrap_err().contains("value 1 is too large"));
        assert!(read(&[f64::NAN]).unwrap_err().contains("value 0 is not finite"));
    }

    #[test]
    fn values_stand_in_the_field_of_their_datatype_only() {
        let both = InferTensorContents {
            fp32_contents: vec![1.0],
            int_contents: vec![1],
            ..Default::default()
        };
        assert!(from_contents(Datatype::Fp32, both, 1).unwrap_err().contains("only"));
        let other = InferTensorContents { fp64_contents: vec![1.0], ..Default::default() };
        assert!(from_contents(Datatype::Fp32, other, 1).unwrap_err().contains("fp32_contents"));
        let half = InferTensorContents::default();
        assert!(from_contents(Datatype::Fp16, half, 0).unwrap_err().contains("raw"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_finite_values_or_a_refusal(
            bytes in proptest::collection::vec(any::<u8>(), 0..256),
            count in prop_oneof![0usize..130, any::<usize>()],
            datatype in prop_oneof![
                Just(Datatype::Fp16), Just(Datatype::Fp32), Just(Datatype::Fp64)
            ],
        ) {
            if let Ok(values) = from_raw(datatype, &bytes, count) {
                prop_assert_eq!(values.len() * datatype.width(), bytes.len());
                prop_assert!(values.iter().all(|value| value.is_finite()));
            }
        }

        #[test]
        fn finite_values_arrive_as_they_were_sent(
            values in proptest::collection::vec(proptest::num::f32::NORMAL, 0..64),
        ) {
            let raw = from_raw(Datatype::Fp32, &to_raw(&values), values.len());
            prop_assert_eq!(raw.as_ref(), Ok(&values));
            let typed = InferTensorContents { fp32_contents: values.clone(), ..Default::default() };
            prop_assert_eq!(&from_contents(Datatype::Fp32, typed, values.len()), &raw);
            let doubles: Vec<f64> = values.iter().copied().map(f64::from).collect();
            let bytes: Vec<u8> = doubles.iter().flat_map(|value| value.to_le_bytes()).collect();
            prop_assert_eq!(&from_raw(Datatype::Fp64, &bytes, values.len()), &raw);
        }
    }
}
