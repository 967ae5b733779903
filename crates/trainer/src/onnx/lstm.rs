//! LSTM weights between PyTorch's layout and ONNX's.
//!
//! PyTorch stacks the gates as input, forget, cell, output and keeps two bias vectors. ONNX stacks
//! them as input, output, forget, cell and concatenates both biases in one tensor. Both layouts
//! hold `4 * hidden` rows.

use anyhow::{Result, ensure};

/// Gates of an LSTM: input, forget, cell, output.
const GATES: usize = 4;
/// For each gate of ONNX (i, o, f, c), its position in PyTorch's order (i, f, g, o).
const TORCH_OF_ONNX: [usize; GATES] = [0, 3, 1, 2];
/// For each gate of PyTorch (i, f, g, o), its position in ONNX's order (i, o, f, c).
const ONNX_OF_TORCH: [usize; GATES] = [0, 2, 3, 1];

/// Reorders the rows of a PyTorch weight [4 * hidden, columns] or bias [4 * hidden] for ONNX.
///
/// # Errors
/// When the number of values is not a multiple of four.
pub(crate) fn gates_to_onnx(values: &[f32]) -> Result<Vec<f32>> {
    reorder(values, TORCH_OF_ONNX)
}

/// The inverse of [`gates_to_onnx`].
///
/// # Errors
/// When the number of values is not a multiple of four.
pub(crate) fn gates_to_torch(values: &[f32]) -> Result<Vec<f32>> {
    reorder(values, ONNX_OF_TORCH)
}

/// Joins both PyTorch biases [4 * hidden] into the one ONNX bias [8 * hidden].
///
/// # Errors
/// When a length is not a multiple of four.
pub(crate) fn biases_to_onnx(input: &[f32], recurrent: &[f32]) -> Result<Vec<f32>> {
    Ok([gates_to_onnx(input)?, gates_to_onnx(recurrent)?].concat())
}

/// The inverse of [`biases_to_onnx`]: returns the input bias and the recurrent bias.
///
/// # Errors
/// When the length is not a multiple of eight.
pub(crate) fn biases_to_torch(joined: &[f32]) -> Result<[Vec<f32>; 2]> {
    let (input, recurrent) = joined.split_at(joined.len() / 2);
    ensure!(input.len() == recurrent.len(), "an LSTM bias holds two halves of equal length");
    Ok([gates_to_torch(input)?, gates_to_torch(recurrent)?])
}

fn reorder(values: &[f32], sources: [usize; GATES]) -> Result<Vec<f32>> {
    ensure!(values.len().is_multiple_of(GATES), "{} values are not four gates", values.len());
    let gate = values.len() / GATES;
    Ok(sources.iter().flat_map(|s| &values[s * gate..(s + 1) * gate]).copied().collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn gates_move_from_ifgo_to_iofc() {
        // Two rows per gate: i = 0 1, f = 2 3, g = 4 5, o = 6 7.
        let torch: Vec<f32> = (0..8u8).map(f32::from).collect();
        let onnx = gates_to_onnx(&torch).unwrap();
        assert_eq!(onnx, [0.0, 1.0, 6.0, 7.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(gates_to_torch(&onnx).unwrap(), torch);
    }

    #[test]
    fn biases_join_and_part_again() {
        let input = [1.0, 2.0, 3.0, 4.0];
        let recurrent = [5.0, 6.0, 7.0, 8.0];
        let joined = biases_to_onnx(&input, &recurrent).unwrap();
        assert_eq!(joined, [1.0, 4.0, 2.0, 3.0, 5.0, 8.0, 6.0, 7.0]);
        assert_eq!(biases_to_torch(&joined).unwrap(), [input.to_vec(), recurrent.to_vec()]);
    }

    #[test]
    fn a_length_that_is_not_four_gates_is_refused() {
        assert!(gates_to_onnx(&[0.0; 6]).is_err());
        assert!(biases_to_torch(&[0.0; 7]).is_err());
    }
}
