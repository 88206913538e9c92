//! How many programs a token costs, by family of kernels: at these sizes a dispatch takes
//! longer than its arithmetic.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use burn::tensor::Tensor;
use flamingo_kernels::{
    Activation, AttentionShape, ComputeDevice, Finish, Fusion, GpuOptions, KernelFamily,
    KeyValueBuffer, Norm, NormExtent, PackedMatrix, QueryKeyNorm, Rope, RopeScaling, RopeStyle,
    RowPositions, Scale, Spans, TensorType, add_embedding, attention, embed, fused_linear,
    rope_append,
};
use futures_lite::future::block_on;
use harness::{Numbers, matrix, tensor};

const WIDTH: usize = 64;
const SHAPE: AttentionShape = AttentionShape {
    heads: 4,
    kv_heads: 2,
    head_dim: 16,
};

struct Parts {
    device: ComputeDevice,
    numbers: Numbers,
}

impl Parts {
    fn matrix(&mut self, rows: usize, cols: usize) -> PackedMatrix {
        let packed = self.numbers.packed(TensorType::Q4_1, rows, cols);
        matrix(&packed, &self.device)
    }

    fn vector(&mut self, length: usize) -> Tensor<1> {
        tensor(&self.numbers.vec(length), [length], &self.device)
    }
}

/// The product added to `x` through a gate.
fn added<'a>(x: &'a Tensor<2>, scale: Scale<'a, Tensor<1>>) -> Fusion<'a, Tensor<1>, Tensor<2>> {
    Fusion {
        finish: Finish::AddTo { x, scale },
        ..Fusion::default()
    }
}

/// Counts the launches of `operations` on the device.
fn dispatches(device: &ComputeDevice, operations: impl FnOnce()) -> u64 {
    let before = device.dispatches();
    operations();
    device.dispatches() - before
}

/// A layer with all that one can have: biases, norms of queries and keys, a gate.
fn decoder_layer(parts: &mut Parts) -> u64 {
    let query_key_value = parts.matrix(8 * 16, WIDTH);
    let output = parts.matrix(WIDTH, WIDTH);
    let gate_up = parts.matrix(2 * 96, WIDTH);
    let down = parts.matrix(WIDTH, 96);
    let [weight, head_weight, bias, wide_bias] =
        [WIDTH, 16, 8 * 16, 2 * 96].map(|n| parts.vector(n));
    let head_norm = Norm::Rms {
        weight: &head_weight,
        eps: 1e-6,
    };
    let head_norm = QueryKeyNorm::new(NormExtent::Head, head_norm, head_norm);
    let rope = Rope {
        theta: 10_000.0,
        rotary_dims: 16,
        style: RopeStyle::Halves,
        scaling: RopeScaling::None,
    };
    let norm = Some(Norm::Layer {
        weight: &weight,
        bias: None,
        eps: 1e-5,
    });
    let device = parts.device.clone();
    let mut keys = KeyValueBuffer::new(2 * 16, &device);
    let mut values = KeyValueBuffer::new(2 * 16, &device);
    let mut token = |position: u32| {
        let x: Tensor<2> = tensor(&[1.0; WIDTH], [1, WIDTH], &device);
        let fusion = Fusion {
            norm,
            bias: Some(&bias),
            finish: Finish::Sum,
        };
        let rows = fused_linear(x.clone(), &query_key_value, &fusion);
        let query = rope_append(
            rows,
            &SHAPE,
            Some(&head_norm),
            &RowPositions::From(position),
            Some(&rope),
            &mut keys,
            &mut values,
        );
        let spans = Spans::causal(1, position, 0);
        let attended = attention(query, keys.view(), values.view(), &SHAPE, &spans, None);
        let x = fused_linear(attended, &output, &added(&x, Scale::Number(1.0)));
        let fusion = Fusion {
            norm,
            bias: Some(&wide_bias),
            finish: Finish::Gated(Activation::GeluTanh),
        };
        let inner = fused_linear(x.clone(), &gate_up, &fusion);
        fused_linear(inner, &down, &added(&x, Scale::Number(1.0)));
    };
    // The buffers of keys and values are made by the first token.
    token(0);
    dispatches(&device, || token(1))
}

/// A block whose gates are vectors.
fn cross_attention_block(parts: &mut Parts) -> u64 {
    let (query, output) = (parts.matrix(WIDTH, WIDTH), parts.matrix(WIDTH, WIDTH));
    let (up, down) = (parts.matrix(256, WIDTH), parts.matrix(WIDTH, 256));
    let (weight, gate) = (parts.vector(WIDTH), parts.vector(WIDTH));
    let device = &parts.device;
    let norm = Some(Norm::Layer {
        weight: &weight,
        bias: Some(&gate),
        eps: 1e-5,
    });
    let x: Tensor<2> = tensor(&[1.0; WIDTH], [1, WIDTH], device);
    let media: Tensor<2> = tensor(&[1.0; 9 * 32], [9, 32], device);
    let gate = Scale::Columns(&gate);
    dispatches(device, || {
        let fusion = Fusion {
            norm,
            ..Fusion::default()
        };
        let asked = fused_linear(x.clone(), &query, &fusion);
        let spans = Spans::full(1, 9);
        let seen = attention(asked, media.clone(), media, &SHAPE, &spans, None);
        let x = fused_linear(seen, &output, &added(&x, gate));
        let fusion = Fusion {
            norm,
            bias: None,
            finish: Finish::Activation(Activation::SquaredRelu),
        };
        let inner = fused_linear(x.clone(), &up, &fusion);
        fused_linear(inner, &down, &added(&x, gate));
    })
}

/// A token's embedding with that of its position.
fn embedding(parts: &mut Parts) -> u64 {
    let (tokens, positions) = (parts.matrix(50, WIDTH), parts.matrix(20, WIDTH));
    dispatches(&parts.device, || {
        add_embedding(embed(&tokens, &[7]), &positions, &[3]);
    })
}

#[test]
fn a_token_costs_few_dispatches() {
    for kernels in [KernelFamily::Invocations, KernelFamily::Workgroups] {
        let options = GpuOptions {
            kernels: Some(kernels),
            ..GpuOptions::default()
        };
        let device = block_on(ComputeDevice::gpu_with(options)).unwrap();
        assert_eq!(device.kernels(), kernels);
        let mut parts = Parts {
            device,
            numbers: Numbers::new(1),
        };
        let counts = [
            decoder_layer(&mut parts),
            cross_attention_block(&mut parts),
            embedding(&mut parts),
        ];
        assert_eq!(counts, [6, 5, 2], "{kernels:?}");
        block_on(parts.device.check()).unwrap();
    }
}
