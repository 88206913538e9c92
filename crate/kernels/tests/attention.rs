//! Attention, rotary embedding and the KV buffer against the reference.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use flamingo_kernels::reference::Reference;
use flamingo_kernels::{
    Alibi, AttentionShape, AttentionTask, ComputeDevice, Kernels, KeyValueBuffer, Norm, NormExtent,
    NormTask, QueryKeyNorm, Rope, RopeScaling, RopeStyle, RopeTask, RowPositions, Spans, attention,
    attention_weights, rope, rope_append,
};
use futures_lite::future::block_on;
use harness::{Numbers, assert_close, devices, tensor, values};

/// Values are of the order of 1; softmax weights sum to 1.
const TOLERANCE: f32 = 5e-6;

fn check(shape: AttentionShape, keys: usize, spans: &Spans, alibi: Option<Alibi>) -> Vec<f32> {
    let queries = spans.queries();
    let (width, kv_width) = (
        shape.heads * shape.head_dim,
        shape.kv_heads * shape.head_dim,
    );
    let mut numbers = Numbers::new((queries * 31 + keys) as u64);
    let q = numbers.vec(queries * width);
    let k = numbers.vec(keys * kv_width);
    let v = numbers.vec(keys * kv_width);
    let task = AttentionTask {
        shape: &shape,
        keys,
        spans,
        alibi,
    };
    let expected = Reference.attention(&q, &k, &v, &task);
    for device in devices() {
        let result = attention(
            tensor(&q, [queries, width], &device),
            tensor(&k, [keys, kv_width], &device),
            tensor(&v, [keys, kv_width], &device),
            &shape,
            spans,
            alibi,
        );
        assert_eq!(result.dims(), [queries, width]);
        let what = format!(
            "{shape:?}, {queries} queries, {keys} keys on {:?}",
            device.kernels()
        );
        assert_close(&what, &values(result), &expected, TOLERANCE);
    }
    expected
}

fn shape(heads: usize, kv_heads: usize, head_dim: usize) -> AttentionShape {
    AttentionShape {
        heads,
        kv_heads,
        head_dim,
    }
}

#[test]
fn causal_with_grouped_heads() {
    check(shape(9, 3, 64), 40, &Spans::causal(40, 0, 0), None);
    check(shape(9, 3, 64), 57, &Spans::causal(1, 56, 0), None);
    check(shape(4, 4, 64), 20, &Spans::causal(5, 15, 3), None);
}

#[test]
fn full_over_the_latents() {
    check(shape(6, 6, 64), 113, &Spans::full(32, 113), None);
    check(shape(8, 8, 64), 32, &Spans::full(7, 32), None);
}

#[test]
fn heads_of_any_width() {
    for head_dim in [4, 8, 20, 68, 96, 128, 200, 256] {
        check(shape(2, 1, head_dim), 9, &Spans::full(3, 9), None);
    }
}

#[test]
fn more_keys_than_a_chunk() {
    check(shape(2, 1, 32), 2500, &Spans::causal(2, 2498, 0), None);
    check(shape(1, 1, 16), 8192, &Spans::full(1, 8192), None);
}

#[test]
fn linear_biases_in_mpts_order() {
    for heads in [4, 6, 8] {
        let alibi = Some(Alibi { max_bias: 8.0 });
        check(
            shape(heads, heads, 16),
            30,
            &Spans::causal(12, 18, 2),
            alibi,
        );
    }
}

#[test]
fn an_empty_span_gives_exact_zeros() {
    let spans = Spans::from_pairs(&[(0, 0), (0, 4), (4, 8), (9, 9), (5, 3), (0, 12)]);
    let expected = check(shape(2, 2, 32), 12, &spans, None);
    for empty in [0, 3, 4] {
        assert!(expected[empty * 64..][..64].iter().all(|&x| x == 0.0));
    }
    for device in devices() {
        let x = tensor(&Numbers::new(3).vec(6 * 64), [6, 64], &device);
        let kv = tensor(&Numbers::new(4).vec(12 * 64), [12, 64], &device);
        let result = values(attention(x, kv.clone(), kv, &shape(2, 2, 32), &spans, None));
        for (row, result) in result.chunks_exact(64).enumerate() {
            let zero = result.iter().all(|&x| x.to_bits() == 0);
            assert_eq!(zero, [0, 3, 4].contains(&row), "row {row}");
        }
    }
}

/// A branch is what a sequence of its own would be: the same keys in the same order.
#[test]
fn branches_are_sequences_of_their_own() {
    let shared = [2u32, 3, 4];
    let branches: [&[u32]; 4] = [&[5, 8], &[6], &[], &[7, 9, 11, 10]];
    let spans = Spans::branching(2, 5, &branches);
    let (shape, keys) = (shape(4, 2, 16), 12);
    for alibi in [None, Some(Alibi { max_bias: 8.0 })] {
        let together = check(shape, keys, &spans, alibi);
        let mut numbers = Numbers::new((branches.len() * 31 + keys) as u64);
        let q = numbers.vec(branches.len() * 64);
        let k = numbers.vec(keys * 32);
        let v = numbers.vec(keys * 32);
        for (i, branch) in branches.iter().enumerate() {
            let rows: Vec<u32> = shared.iter().chain(*branch).copied().collect();
            let gather = |x: &[f32]| -> Vec<f32> {
                rows.iter()
                    .flat_map(|&row| x[row as usize * 32..][..32].to_vec())
                    .collect()
            };
            let task = AttentionTask {
                shape: &shape,
                keys: rows.len(),
                spans: &Spans::full(1, rows.len() as u32),
                alibi,
            };
            let query = &q[i * 64..][..64];
            let alone = Reference.attention(query, &gather(&k), &gather(&v), &task);
            assert_eq!(together[i * 64..][..64], alone, "branch {i}");
        }
    }
}

#[test]
fn branches_of_nothing_share_all_they_see() {
    check(
        shape(2, 1, 32),
        9,
        &Spans::branching(1, 9, &[&[], &[]]),
        None,
    );
    check(
        shape(2, 1, 32),
        9,
        &Spans::branching(0, 0, &[&[3], &[8, 0]]),
        None,
    );
}

#[test]
#[should_panic(expected = "a span ends at 10")]
fn a_branch_past_the_keys_is_refused() {
    let device = ComputeDevice::cpu();
    let q = tensor(&[0.0; 64], [1, 64], &device);
    let kv = tensor(&[0.0; 9 * 32], [9, 32], &device);
    let spans = Spans::branching(0, 2, &[&[9]]);
    attention(q, kv.clone(), kv, &shape(2, 1, 32), &spans, None);
}

#[test]
fn no_keys_at_all_give_zeros() {
    let expected = check(shape(2, 1, 16), 0, &Spans::full(3, 0), None);
    assert_eq!(expected, [0.0; 3 * 32]);
}

#[test]
fn left_padding_sees_nothing() {
    let expected = check(shape(2, 1, 16), 8, &Spans::causal(8, 0, 3), None);
    assert!(expected[..3 * 32].iter().all(|&x| x == 0.0));
    assert!(expected[3 * 32..].iter().any(|&x| x != 0.0));
}

/// Scores of ±3000 overflow an exponential that is not shifted.
#[test]
fn large_scores_do_not_overflow() {
    let shape = shape(1, 1, 4);
    let q = [3000.0, 0.0, 0.0, 0.0];
    let k = [2.0, 0.0, 0.0, 0.0, -2.0, 0.0, 0.0, 0.0];
    let v = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
    for device in devices() {
        let result = attention(
            tensor(&q, [1, 4], &device),
            tensor(&k, [2, 4], &device),
            tensor(&v, [2, 4], &device),
            &shape,
            &Spans::full(1, 2),
            None,
        );
        assert_close("large scores", &values(result), &v[..4], 1e-6);
    }
}

#[test]
#[should_panic(expected = "a span ends at 5, but there are 4 keys")]
fn a_span_past_the_keys_is_refused() {
    let device = flamingo_kernels::ComputeDevice::cpu();
    let x = tensor(&[0.0; 16], [4, 4], &device);
    let spans = Spans::from_pairs(&[(0, 4), (0, 5), (0, 1), (0, 1)]);
    attention(x.clone(), x.clone(), x, &shape(1, 1, 4), &spans, None);
}

/// None, and the others where they change slow, middling and fast pairs.
const SCALINGS: [RopeScaling; 3] = [
    RopeScaling::None,
    RopeScaling::Linear { factor: 4.0 },
    RopeScaling::Llama3 {
        factor: 8.0,
        low_frequency_factor: 1.0,
        high_frequency_factor: 4.0,
        original_positions: 512.0,
    },
];

#[test]
fn rotary_embedding_in_both_styles() {
    for (style, scaling) in [RopeStyle::Pairs, RopeStyle::Halves]
        .into_iter()
        .flat_map(|style| SCALINGS.map(|scaling| (style, scaling)))
    {
        for (heads, head_dim, rotary_dims, positions, rows) in [
            (9, 64, 64, RowPositions::From(0), 5),
            (3, 64, 64, RowPositions::From(700), 1),
            (2, 32, 8, RowPositions::From(8191), 1),
            (2, 20, 10, RowPositions::From(3), 4),
            (1, 6, 0, RowPositions::From(3), 2),
            (9, 64, 64, RowPositions::Each([7, 7, 300, 8, 0].into()), 5),
        ] {
            let embedding = Rope {
                theta: 10_000.0,
                rotary_dims,
                style,
                scaling,
            };
            let task = RopeTask {
                rows,
                heads,
                head_dim,
                positions: positions.clone(),
                rope: embedding,
            };
            let width = heads * head_dim;
            let x = Numbers::new(heads as u64 + rows as u64).vec(rows * width);
            let expected = Reference.rope(&x, &task);
            for device in devices() {
                let x = tensor(&x, [rows, width], &device);
                let result = rope(x, heads, &positions, &embedding);
                assert_close(&format!("{task:?}"), &values(result), &expected, 1e-6);
            }
        }
    }
}

/// The scaling of Llama 3.2, whose frequencies are here as `transformers` computes them.
#[test]
fn frequencies_are_scaled_as_in_llama_3() {
    const EXPECTED: [(usize, f64); 5] = [
        (0, 1.0),
        (10, 0.016560440080994446),
        (14, 0.003211445994752591),
        (16, 0.00042955679655936815),
        (31, 9.41830672543491e-08),
    ];
    let rope = Rope {
        theta: 500_000.0,
        rotary_dims: 64,
        style: RopeStyle::Halves,
        scaling: RopeScaling::Llama3 {
            factor: 32.0,
            low_frequency_factor: 1.0,
            high_frequency_factor: 4.0,
            original_positions: 8192.0,
        },
    };
    // At position 1 of (1, 0) the second number is the sine of the angle.
    let x: Vec<f32> = (0..64).map(|dim| f32::from(u8::from(dim < 32))).collect();
    for device in devices() {
        let x = tensor(&x, [1, 64], &device);
        let result = values(self::rope(x, 1, &RowPositions::From(1), &rope));
        for (pair, frequency) in EXPECTED {
            let sine = f64::from(result[32 + pair]);
            assert!(
                (sine / frequency.sin() - 1.0).abs() < 1e-6,
                "pair {pair} on {:?}: {sine}, expected {frequency}",
                device.kernels()
            );
        }
    }
}

/// Which norms queries and keys go through.
#[derive(Clone, Copy, Debug)]
enum Normed {
    Not,
    Rms(NormExtent),
    Layer { extent: NormExtent, bias: bool },
}

/// Queries, keys and values from one row each, normalised or not, rotated or not, behind
/// rows that are there.
fn check_append(shape: AttentionShape, normed: Normed, embedding: Option<Rope>) {
    const EPS: f32 = 1e-5;
    let head_dim = shape.head_dim;
    let (query_width, key_width) = (shape.heads * head_dim, shape.kv_heads * head_dim);
    let width = query_width + 2 * key_width;
    let extent = match normed {
        Normed::Not => None,
        Normed::Rms(extent) | Normed::Layer { extent, .. } => Some(extent),
    };
    let groups = [query_width, key_width].map(|width| match extent {
        Some(NormExtent::Row) => width,
        _ => head_dim,
    });
    let mut numbers = Numbers::new(31);
    let weights = groups.map(|group| numbers.vec(group));
    let biases = groups.map(|group| numbers.vec(group));
    for device in devices() {
        let mut numbers = Numbers::new(5);
        let vector = |values: &Vec<f32>| tensor(values, [values.len()], &device);
        let [weights_there, biases_there] =
            [&weights, &biases].map(|pair| pair.each_ref().map(vector));
        let norm = extent.map(|extent| {
            let [query, key] = [0, 1].map(|side| match normed {
                Normed::Layer { bias, .. } => Norm::Layer {
                    weight: &weights_there[side],
                    bias: bias.then_some(&biases_there[side]),
                    eps: EPS,
                },
                _ => Norm::Rms {
                    weight: &weights_there[side],
                    eps: EPS,
                },
            });
            QueryKeyNorm::new(extent, query, key)
        });
        let mut buffers = [0, 1].map(|_| KeyValueBuffer::new(key_width, &device));
        let mut expected: [Vec<f32>; 2] = Default::default();
        let mut held = 0;
        for (rows, listed) in [(3, false), (1, false), (300, false), (4, true), (1, false)] {
            let positions = match listed {
                true => RowPositions::Each([9, 4, 4, 700].into()),
                false => RowPositions::From(held),
            };
            // Away from zero, so that a mean which is not taken away shows.
            let x: Vec<f32> = numbers.vec(rows * width).iter().map(|x| x + 0.5).collect();
            let columns = |from: usize, heads: usize| -> Vec<f32> {
                x.chunks_exact(width)
                    .flat_map(|row| row[from..][..heads * head_dim].to_vec())
                    .collect()
            };
            let entered = |from: usize, heads: usize, side: usize| {
                let mut columns = columns(from, heads);
                let task = NormTask {
                    rows: columns.len() / groups[side],
                    width: groups[side],
                    eps: EPS,
                };
                columns = match normed {
                    Normed::Not => columns,
                    Normed::Rms(_) => Reference.rms_norm(&columns, &weights[side], task),
                    Normed::Layer { bias, .. } => {
                        let bias = bias.then_some(&biases[side][..]);
                        Reference.layer_norm(&columns, &weights[side], bias, task)
                    }
                };
                match embedding {
                    None => columns,
                    Some(rope) => Reference.rope(
                        &columns,
                        &RopeTask {
                            rows,
                            heads,
                            head_dim,
                            positions: positions.clone(),
                            rope,
                        },
                    ),
                }
            };
            expected[0].extend(entered(query_width, shape.kv_heads, 1));
            expected[1].extend(columns(query_width + key_width, shape.kv_heads));
            let there = tensor(&x, [rows, width], &device);
            let [keys, held_values] = &mut buffers;
            let query = rope_append(
                there,
                &shape,
                norm.as_ref(),
                &positions,
                embedding.as_ref(),
                keys,
                held_values,
            );
            assert_eq!(query.dims(), [rows, query_width]);
            let what = format!(
                "{rows} rows behind {held}, {normed:?}, {embedding:?} on {:?}",
                device.kernels()
            );
            let tolerance = if extent.is_some() { 1e-5 } else { 1e-6 };
            assert_close(
                &what,
                &values(query),
                &entered(0, shape.heads, 0),
                tolerance,
            );
            for (buffer, expected) in buffers.iter().zip(&expected) {
                assert_close(&what, &values(buffer.view()), expected, tolerance);
            }
            held += rows as u32;
        }
        block_on(device.check()).unwrap();
    }
}

#[test]
fn keys_and_values_are_appended_where_queries_are_rotated() {
    for style in [RopeStyle::Pairs, RopeStyle::Halves] {
        let embedding = Rope {
            theta: 10_000.0,
            rotary_dims: 16,
            style,
            scaling: RopeScaling::None,
        };
        check_append(shape(6, 2, 20), Normed::Not, Some(embedding));
    }
    check_append(shape(6, 2, 20), Normed::Not, None);
}

#[test]
fn queries_and_keys_are_normalised_before() {
    for (index, extent) in [NormExtent::Head, NormExtent::Row].into_iter().enumerate() {
        for (normed, style, scaling) in [
            (Normed::Rms(extent), RopeStyle::Halves, SCALINGS[index]),
            (
                Normed::Layer {
                    extent,
                    bias: false,
                },
                RopeStyle::Pairs,
                SCALINGS[2],
            ),
            (
                Normed::Layer { extent, bias: true },
                RopeStyle::Halves,
                SCALINGS[1],
            ),
        ] {
            for (head_dim, rotary_dims) in [(20, 20), (72, 16)] {
                let embedding = Rope {
                    theta: 10_000.0,
                    rotary_dims,
                    style,
                    scaling,
                };
                check_append(shape(6, 2, head_dim), normed, Some(embedding));
            }
            check_append(shape(3, 3, 16), normed, None);
        }
    }
}

#[test]
#[should_panic(expected = "the norms of queries and of keys are of two kinds")]
fn norms_of_two_kinds_are_refused() {
    let weight = tensor(&[1.0; 16], [16], &ComputeDevice::cpu());
    let query = Norm::Rms {
        weight: &weight,
        eps: 1e-5,
    };
    let key = Norm::Layer {
        weight: &weight,
        bias: None,
        eps: 1e-5,
    };
    QueryKeyNorm::new(NormExtent::Head, query, key);
}

#[test]
#[should_panic(expected = "lengths of the weights of queries and keys")]
fn a_norm_of_another_extent_is_refused() {
    let device = ComputeDevice::cpu();
    let weight = tensor(&[1.0; 16], [16], &device);
    let norm = Norm::Rms {
        weight: &weight,
        eps: 1e-5,
    };
    let norm = QueryKeyNorm::new(NormExtent::Row, norm, norm);
    let [mut keys, mut values] = [0, 1].map(|_| KeyValueBuffer::new(16, &device));
    let x = tensor(&[0.0; 64], [1, 64], &device);
    let positions = RowPositions::From(0);
    let shape = shape(2, 1, 16);
    rope_append(
        x,
        &shape,
        Some(&norm),
        &positions,
        None,
        &mut keys,
        &mut values,
    );
}

#[test]
fn the_buffer_grows_truncates_and_keeps_its_rows() {
    const WIDTH: usize = 48;
    for device in devices() {
        let mut numbers = Numbers::new(77);
        let mut buffer = KeyValueBuffer::new(WIDTH, &device);
        let mut expected: Vec<f32> = Vec::new();
        assert!(buffer.is_empty());
        assert_eq!(buffer.view().dims(), [0, WIDTH]);
        for rows in [3, 1, 250, 1, 1, 1, 700, 1] {
            let appended = numbers.vec(rows * WIDTH);
            buffer.append(tensor(&appended, [rows, WIDTH], &device));
            expected.extend(&appended);
            assert_eq!(buffer.len() * WIDTH, expected.len());
            assert_eq!(values(buffer.view()), expected, "after {rows} more rows");
        }
        buffer.truncate(10_000);
        assert_eq!(buffer.len() * WIDTH, expected.len());
        buffer.truncate(5);
        expected.truncate(5 * WIDTH);
        assert_eq!(values(buffer.view()), expected);
        let appended = numbers.vec(2 * WIDTH);
        buffer.append(tensor(&appended, [2, WIDTH], &device));
        expected.extend(&appended);
        assert_eq!(values(buffer.view()), expected);
    }
}

/// A view is an operand like any other, however much larger its buffer is.
#[test]
fn attention_reads_a_view() {
    let shape = shape(2, 1, 24);
    for device in devices() {
        let mut numbers = Numbers::new(12);
        let (q, kv) = (numbers.vec(48), numbers.vec(7 * 24));
        let mut buffer = KeyValueBuffer::new(24, &device);
        buffer.append(tensor(&kv, [7, 24], &device));
        let spans = Spans::causal(1, 6, 0);
        let task = AttentionTask {
            shape: &shape,
            keys: 7,
            spans: &spans,
            alibi: None,
        };
        let expected = Reference.attention(&q, &kv, &kv, &task);
        let q = tensor(&q, [1, 48], &device);
        let result = attention(q, buffer.view(), buffer.view(), &shape, &spans, None);
        assert_close("view", &values(result), &expected, TOLERANCE);
    }
}

/// The mean of the heads' softmax, in f64, with more keys than a head is wide, as many,
/// and fewer.
#[test]
fn attention_tells_its_weights() {
    for (heads, kv_heads, head_dim, queries, keys) in [
        (6, 6, 64, 32, 113),
        (8, 8, 64, 1, 32),
        (4, 2, 8, 3, 8),
        (1, 1, 4, 2, 1),
        // Blocks of a head's width: several, as many as it has room for, and more.
        (2, 1, 8, 3, 61),
        (2, 2, 4, 5, 16),
        (4, 2, 4, 3, 45),
    ] {
        let shape = shape(heads, kv_heads, head_dim);
        let mut numbers = Numbers::new((queries * keys) as u64);
        let q = numbers.vec(queries * heads * head_dim);
        let k = numbers.vec(keys * kv_heads * head_dim);
        let mut expected = vec![0.0; queries * keys];
        for (query, row) in expected.chunks_exact_mut(keys).enumerate() {
            for head in 0..heads {
                let q = &q[(query * heads + head) * head_dim..][..head_dim];
                let scores = (0..keys).map(|key| {
                    let place = key * kv_heads + head * kv_heads / heads;
                    let k = &k[place * head_dim..][..head_dim];
                    let product: f64 = q.iter().zip(k).map(|(&q, &k)| f64::from(q * k)).sum();
                    (product / (head_dim as f64).sqrt()).exp()
                });
                let scores: Vec<f64> = scores.collect();
                let sum: f64 = scores.iter().sum();
                for (weight, score) in row.iter_mut().zip(scores) {
                    *weight += (score / sum / heads as f64) as f32;
                }
            }
        }
        for device in devices() {
            let q = tensor(&q, [queries, heads * head_dim], &device);
            let k = tensor(&k, [keys, kv_heads * head_dim], &device);
            let result = values(attention_weights(q, k, &shape));
            let what = format!("{heads} heads, {keys} keys on {:?}", device.kernels());
            assert_close(&what, &result, &expected, 1e-5);
        }
    }
}
