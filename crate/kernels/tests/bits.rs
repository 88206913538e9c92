//! The CPU kernels give the same bits on every machine and in wasm: a digest of
//! their results is kept here. A machine without AVX-512, without AVX2, or a
//! compiler that fuses a product with a sum would change it, if any of the
//! kernels let it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use flamingo_kernels::cpu::Cpu;
use flamingo_kernels::{
    Activation, AttentionShape, AttentionTask, Conv2dShape, Kernels, LinearShape, NormTask, Rope,
    RopeScaling, RopeStyle, RopeTask, RowPositions, Scale, Spans, TensorType,
};
use harness::Numbers;

/// Of one, three and 33 rows with weights of each type.
const PRODUCTS: [u64; 15] = [
    0xaceb_ec2a_02f0_a1fd,
    0x8d87_6463_22e7_5e1a,
    0x406f_d52d_d94d_e709,
    0xd4d9_c6e5_6342_40fb,
    0x3135_8a8c_4288_8375,
    0xf020_3921_d4bf_d8d1,
    0xb5f4_730c_0fa9_3192,
    0x3fa3_a4f4_91af_db76,
    0xa2a4_eb32_bf43_33a6,
    0xa3f9_2f1b_d630_c6a8,
    0x17b0_8c03_d228_3309,
    0xa783_6fdc_e777_ca0e,
    0x0119_0ac9_6e67_3ea4,
    0x8831_1452_7425_6ea5,
    0xd568_4127_5a8f_82f2,
];

/// Of the operations in the order of the test.
const EVERYTHING_ELSE: [u64; 15] = [
    0xf1b0_8765_216e_b1d6,
    0xec84_ee46_cc5e_b2ea,
    0xc590_e47b_c3ed_2683,
    0x6c28_d14a_2b8f_2107,
    0xd818_a1c8_8385_d759,
    0xce39_447f_4c53_05b2,
    0x44c0_ff98_762c_ba48,
    0x060e_0542_433d_0dc0,
    0x4716_4152_40ab_915a,
    0x9465_b196_0f4d_6d7a,
    0x4f2f_6eda_3166_0d11,
    0xd023_8a4d_7041_4fd8,
    0xd642_fd62_ece1_9724,
    0xc05b_be05_a082_fd2f,
    0x25d3_0762_250a_70e6,
];

/// FNV-1a over the bits.
fn digest(numbers: &[f32]) -> u64 {
    let bytes = numbers.iter().flat_map(|x| x.to_bits().to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[test]
fn products() {
    let mut numbers = Numbers::new(1);
    let mut digests = Vec::new();
    for tensor_type in TensorType::ALL {
        let packed = numbers.packed(tensor_type, 70, 96);
        for m in [1, 3, 33] {
            let x = numbers.vec(m * 96);
            let shape = LinearShape { m, n: 70, k: 96 };
            digests.push(digest(&Cpu.linear(&x, &packed, None, shape)));
        }
    }
    assert_eq!(digests, PRODUCTS, "{digests:#x?}");
}

#[test]
fn everything_else() {
    let mut numbers = Numbers::new(2);
    let x = numbers.vec(6 * 128);
    let weight = numbers.vec(128);
    let norm = NormTask {
        rows: 6,
        width: 128,
        eps: 1e-5,
    };
    let rope = RopeTask {
        rows: 6,
        heads: 2,
        head_dim: 64,
        positions: RowPositions::From(1000),
        rope: Rope {
            theta: 10_000.0,
            rotary_dims: 64,
            style: RopeStyle::Halves,
            scaling: RopeScaling::None,
        },
    };
    let scaled = RopeTask {
        rope: Rope {
            style: RopeStyle::Pairs,
            scaling: RopeScaling::Llama3 {
                factor: 32.0,
                low_frequency_factor: 1.0,
                high_frequency_factor: 4.0,
                original_positions: 8192.0,
            },
            ..rope.rope
        },
        ..rope.clone()
    };
    let shape = AttentionShape {
        heads: 2,
        kv_heads: 1,
        head_dim: 64,
    };
    let keys = numbers.vec(9 * 64);
    let attention = AttentionTask {
        shape: &shape,
        keys: 9,
        spans: &Spans::causal(6, 3, 0),
        alibi: Some(flamingo_kernels::Alibi { max_bias: 8.0 }),
    };
    let grid = Conv2dShape {
        in_h: 8,
        in_w: 12,
        c_in: 8,
        c_out: 8,
        kernel: 3,
        stride: 1,
        pad_top: 1,
        pad_left: 1,
        out_h: 8,
        out_w: 12,
        groups: 8,
    };
    let digests = [
        Cpu.layer_norm(&x, &weight, Some(&weight), norm),
        Cpu.rms_norm(&x, &weight, norm),
        Cpu.rope(&x, &rope),
        Cpu.attention(&x, &keys, &keys, &attention),
        Cpu.conv2d(&x, &weight[..72], None, &grid),
        Cpu.activation(&x, Activation::GeluErf),
        Cpu.activation(&x, Activation::QuickGelu),
        Cpu.activation(&x, Activation::Silu),
        Cpu.gated(&[&x[..], &x[..]].concat(), Activation::Silu, x.len()),
        Cpu.add_scaled(&x, &x, Scale::Number(0.3)),
        Cpu.activation(&x, Activation::GeluTanh),
        Cpu.activation(&x, Activation::Relu),
        Cpu.gated(&[&x[..], &x[..]].concat(), Activation::GeluTanh, x.len()),
        Cpu.add_scaled(&x, &x, Scale::Columns(&weight)),
        Cpu.rope(&x, &scaled),
    ]
    .map(|numbers| digest(&numbers));
    assert_eq!(digests, EVERYTHING_ELSE, "{digests:#x?}");
}
