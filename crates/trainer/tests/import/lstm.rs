//! The LSTM against PyTorch's definition, written out.

use std::collections::HashMap;

use super::*;

type Weights = HashMap<String, Vec<f32>>;

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `torch.nn.LSTM`: gates i, f, g, o, each W_ih x + b_ih + W_hh h + b_hh, from a zero state.
fn lstm(weights: &Weights, prefix: &str, steps: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let of = |name: &str| &weights[&format!("{prefix}.{name}_l0")];
    let (w_ih, w_hh) = (of("weight_ih"), of("weight_hh"));
    let (b_ih, b_hh) = (of("bias_ih"), of("bias_hh"));
    let size = b_ih.len() / 4;
    let (mut h, mut c) = (vec![0.0; size], vec![0.0; size]);
    let mut states = Vec::new();
    for x in steps {
        let gate = |row: usize, h: &[f64]| -> f64 {
            let dot = |w: &[f32], v: &[f64]| -> f64 {
                let row = &w[row * v.len()..(row + 1) * v.len()];
                row.iter().zip(v).map(|(w, v)| f64::from(*w) * v).sum()
            };
            dot(w_ih, x) + f64::from(b_ih[row]) + dot(w_hh, h) + f64::from(b_hh[row])
        };
        let before = h.clone();
        for unit in 0..size {
            let [i, f, g, o] = [0, 1, 2, 3].map(|part| gate(part * size + unit, &before));
            c[unit] = sigmoid(f) * c[unit] + sigmoid(i) * g.tanh();
            h[unit] = sigmoid(o) * c[unit].tanh();
        }
        states.push(h.clone());
    }
    states
}

fn linear(weights: &Weights, prefix: &str, x: &[f64]) -> Vec<f64> {
    let bias = &weights[&format!("{prefix}.bias")];
    let rows = weights[&format!("{prefix}.weight")].chunks(x.len()).zip(bias);
    rows.map(|(row, bias)| {
        f64::from(*bias) + row.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum::<f64>()
    })
    .collect()
}

#[test]
fn an_imported_lstm_follows_pytorchs_definition() {
    let network = network(DecisionLayer::Operational);
    let fixture = Fixture::new();
    let file = fixture.dir.path().join("lstm.pt");
    checkpoints::write_pt(&file, &tensors(network.as_ref()), "model_state_dict");
    fixture.import(DecisionLayer::Operational, &file, &scaler(DecisionLayer::Operational)).unwrap();
    let rows = input(network.as_ref(), 4);
    let served = fixture.serve(DecisionLayer::Operational, &rows).remove(0);

    let weights: Weights =
        tensors(network.as_ref()).into_iter().map(|(name, _, values)| (name, values)).collect();
    let scales = numbers(&scaler(DecisionLayer::Operational));
    for (window, found) in rows.chunks(12 * 5).zip(served.chunks(3)) {
        let scaled = |step: &[f32]| -> Vec<f64> {
            let columns = step.iter().zip(&scales);
            columns.map(|(x, [center, scale])| f64::from((x - center) / scale)).collect()
        };
        let steps: Vec<Vec<f64>> = window.chunks(5).map(scaled).collect();
        let wide = lstm(&weights, "lstm1", &steps);
        let narrow = lstm(&weights, "lstm2", &wide);
        let mut hidden = linear(&weights, "fc.0", narrow.last().unwrap());
        hidden.iter_mut().for_each(|x| *x = x.max(0.0));
        let y = linear(&weights, "fc.3", &hidden);
        let y: Vec<f64> = y.into_iter().map(|y| y.clamp(0.0, 1.0)).collect();
        let wanted = [(y[0] * f64::from(LOG_SPAN)).exp() - 1.0, y[1], y[2]];
        assert!(wanted.iter().any(|y| *y > 0.0), "nothing is compared: {wanted:?}");
        assert_close(found, &wanted.map(|y| y as f32));
    }
}
