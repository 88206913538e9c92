//! Norms, convolutions and functions of single numbers against the reference;
//! devices.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use flamingo_kernels::reference::Reference;
use flamingo_kernels::{
    Activation, Conv2dShape, DeviceKind, DevicePreference, Kernels, LinearShape, Norm, NormTask,
    Scale, SelfTestOutcome, TensorType, activation, add_scaled, conv2d, gated, head_norm,
    layer_norm, linear, rms_norm, select_device,
};
use futures_lite::future::block_on;
use harness::{Numbers, assert_close, devices, gpu, matrix, tensor, values};

#[test]
fn norms() {
    for (rows, width) in [(1, 576), (5, 576), (81, 1280), (3, 1), (7, 63), (2, 1025)] {
        let mut numbers = Numbers::new((rows + width) as u64);
        // A mean far from zero, so that a one-pass variance would lose digits.
        let x: Vec<f32> = numbers.vec(rows * width).iter().map(|x| x + 20.0).collect();
        let (weight, bias) = (numbers.vec(width), numbers.vec(width));
        let task = NormTask {
            rows,
            width,
            eps: 1e-5,
        };
        let with = Reference.layer_norm(&x, &weight, Some(&bias), task);
        let without = Reference.layer_norm(&x, &weight, None, task);
        let rms = Reference.rms_norm(&x, &weight, task);
        for device in devices() {
            let x = tensor(&x, [rows, width], &device);
            let weight = tensor(&weight, [width], &device);
            let bias = tensor(&bias, [width], &device);
            let what = format!("[{rows}, {width}] on {:?}", device.kernels());
            let result = values(layer_norm(x.clone(), &weight, Some(&bias), 1e-5));
            assert_close(&format!("layer norm {what}"), &result, &with, 1e-4);
            let result = values(layer_norm(x.clone(), &weight, None, 1e-5));
            assert_close(
                &format!("layer norm, no bias {what}"),
                &result,
                &without,
                1e-4,
            );
            let result = values(rms_norm(x.clone(), &weight, 1e-5));
            assert_close(&format!("rms norm {what}"), &result, &rms, 1e-5);
            // The same rows as heads of one.
            let one = Norm::Layer {
                weight: &weight,
                bias: Some(&bias),
                eps: 1e-5,
            };
            let heads = head_norm(x.reshape([1, rows * width]), rows, &one);
            assert_eq!(heads.dims(), [1, rows * width]);
            assert_close(&format!("heads {what}"), &values(heads), &with, 1e-4);
        }
    }
}

fn check_convolution(shape: Conv2dShape, bias: bool) {
    let mut numbers = Numbers::new(shape.kernel as u64);
    let x = numbers.vec(shape.in_h * shape.in_w * shape.c_in);
    let weight = numbers.vec(shape.c_out * shape.window());
    let bias = bias.then(|| numbers.vec(shape.c_out));
    let activations = [None, Some(Activation::Relu6), Some(Activation::Silu)];
    for (device, activation) in devices()
        .iter()
        .flat_map(|device| activations.map(|activation| (device, activation)))
    {
        let expected = Reference.activated_conv2d(&x, &weight, bias.as_deref(), activation, &shape);
        let bias = bias
            .as_ref()
            .map(|bias| tensor(bias, [shape.c_out], device));
        let result = conv2d(
            tensor(&x, [shape.in_h * shape.in_w, shape.c_in], device),
            &tensor(&weight, [shape.c_out, shape.window()], device),
            bias.as_ref(),
            activation,
            &shape,
        );
        assert_eq!(result.dims(), [shape.out_h * shape.out_w, shape.c_out]);
        let tolerance = 1e-5 * (shape.window() as f32).sqrt();
        let what = format!("{shape:?}, {activation:?} on {:?}", device.kernels());
        assert_close(&what, &values(result), &expected, tolerance);
    }
}

#[test]
fn convolutions() {
    let stem = Conv2dShape {
        in_h: 19,
        in_w: 21,
        c_in: 3,
        c_out: 32,
        kernel: 3,
        stride: 2,
        pad_top: 0,
        pad_left: 1,
        out_h: 10,
        out_w: 11,
        groups: 1,
    };
    check_convolution(stem, true);
    let depthwise = Conv2dShape {
        in_h: 9,
        in_w: 7,
        // Three times sixteen, eight and four.
        c_in: 60,
        c_out: 60,
        kernel: 5,
        stride: 1,
        pad_top: 2,
        pad_left: 2,
        out_h: 9,
        out_w: 7,
        groups: 60,
    };
    check_convolution(depthwise, true);
    check_convolution(
        Conv2dShape {
            stride: 2,
            out_h: 5,
            out_w: 4,
            ..depthwise
        },
        false,
    );
    check_convolution(
        Conv2dShape {
            c_out: 30,
            groups: 10,
            ..depthwise
        },
        true,
    );
    let patches = Conv2dShape {
        in_h: 28,
        in_w: 28,
        c_in: 3,
        c_out: 32,
        kernel: 7,
        stride: 7,
        pad_top: 0,
        pad_left: 0,
        out_h: 4,
        out_w: 4,
        groups: 1,
    };
    check_convolution(patches, false);
}

#[test]
fn functions_of_single_numbers() {
    let x: Vec<f32> = (-2000..2000).map(|i| i as f32 / 100.0).collect();
    let dims = [4, 1000];
    for function in Activation::ALL {
        let expected = Reference.activation(&x, function);
        for device in devices() {
            let result = activation(tensor(&x, dims, &device), function);
            let what = format!("{function:?} on {:?}", device.kernels());
            // GELU's error function is off by 5e-7, times half of 4; squares of 20 by
            // half of their last place.
            assert_close(&what, &values(result), &expected, 2e-5);
        }
    }
}

#[test]
fn gates_of_any_function() {
    let x: Vec<f32> = (-2000..2000).map(|i| i as f32 / 300.0).collect();
    for (rows, width) in [(1, 2000), (8, 250), (40, 50), (400, 5)] {
        for function in Activation::ALL {
            let expected = Reference.gated(&x, function, width);
            for device in devices() {
                let result = gated(tensor(&x, [rows, 2 * width], &device), function);
                assert_eq!(result.dims(), [rows, width]);
                let what = format!("{function:?} of {width} on {:?}", device.kernels());
                assert_close(&what, &values(result), &expected, 4e-5);
            }
        }
    }
}

#[test]
fn scaled_sums() {
    let dims = [4, 1000];
    let mut numbers = Numbers::new(1);
    let [x, y, columns] = [4000, 4000, 1000].map(|count| numbers.vec(count));
    let by_number = Reference.add_scaled(&x, &y, Scale::Number(0.3));
    let by_column = Reference.add_scaled(&x, &y, Scale::Columns(&columns));
    for device in devices() {
        let (x, y) = (tensor(&x, dims, &device), tensor(&y, dims, &device));
        let result = values(add_scaled(x.clone(), y.clone(), 0.3));
        assert_close("one scale", &result, &by_number, 2e-6);
        let columns = tensor(&columns, [1000], &device);
        let result = values(add_scaled(x, y, Scale::Columns(&columns)));
        assert_close("a scale for each column", &result, &by_column, 2e-6);
    }
}

#[test]
fn a_closed_gate_changes_no_bit() {
    let x = Numbers::new(1).vec(1000);
    let y = Numbers::new(2).vec(1000);
    for device in devices() {
        let (x_there, y) = (
            tensor(&x, [10, 100], &device),
            tensor(&y, [10, 100], &device),
        );
        let bits = |numbers: &[f32]| -> Vec<u32> { numbers.iter().map(|x| x.to_bits()).collect() };
        let closed = tensor(&[0.0; 100], [100], &device);
        for scale in [Scale::Number(0.0), Scale::Columns(&closed)] {
            let result = values(add_scaled(x_there.clone(), y.clone(), scale));
            assert_eq!(bits(&result), bits(&x));
        }
    }
}

/// More numbers than workgroups fit along one axis of a launch.
#[test]
fn launches_wider_than_an_axis() {
    let count = 65_535 * 64 + 1000;
    let x: Vec<f32> = (0..count).map(|i| (i % 1000) as f32 / 100.0).collect();
    let expected = Reference.activation(&x, Activation::Relu6);
    let result = activation(tensor(&x, [1, count], gpu()), Activation::Relu6);
    assert_close("relu6", &values(result), &expected, 0.0);
}

/// Programs of two to five bindings, in an order that a cache of pipelines or
/// bind groups that mixes them up would not survive, and without a wait between.
#[test]
fn programs_mixed_in_one_session_stay_right() {
    let mut numbers = Numbers::new(2026);
    let packed: Vec<_> = TensorType::ALL
        .into_iter()
        .map(|tensor_type| numbers.packed(tensor_type, 64, 64))
        .collect();
    let weights: Vec<_> = packed.iter().map(|packed| matrix(packed, gpu())).collect();
    let weight = numbers.vec(64);
    let weight_there = tensor(&weight, [64], gpu());
    for _ in 0..6 {
        let rows = [1, 2, 5, 9][numbers.below(4)];
        let mut expected = numbers.vec(rows * 64);
        let mut result = tensor(&expected, [rows, 64], gpu());
        let mut steps = Vec::new();
        for _ in 0..12 {
            let step = numbers.below(4 + packed.len());
            steps.push(step);
            let task = NormTask {
                rows,
                width: 64,
                eps: 1e-5,
            };
            match step {
                0 => {
                    expected = Reference.rms_norm(&expected, &weight, task);
                    result = rms_norm(result, &weight_there, 1e-5);
                }
                1 => {
                    expected = Reference.layer_norm(&expected, &weight, Some(&weight), task);
                    result = layer_norm(result, &weight_there, Some(&weight_there), 1e-5);
                }
                2 => {
                    expected = Reference.activation(&expected, Activation::GeluErf);
                    result = activation(result, Activation::GeluErf);
                }
                3 => {
                    expected = Reference.add_scaled(&expected, &expected, Scale::Number(-0.5));
                    result = add_scaled(result.clone(), result, -0.5);
                }
                step => {
                    let bias = (step % 2 == 0).then_some(&weight);
                    let bias_there = (step % 2 == 0).then_some(&weight_there);
                    let shape = LinearShape {
                        m: rows,
                        n: 64,
                        k: 64,
                    };
                    let bias = bias.map(Vec::as_slice);
                    expected = Reference.linear(&expected, &packed[step - 4], bias, shape);
                    result = linear(result, &weights[step - 4], bias_there);
                }
            }
            // Burn's own programs in between.
            let size = expected.iter().fold(1.0_f32, |size, x| size.max(x.abs()));
            expected.iter_mut().for_each(|x| *x /= size);
            result = result / size;
        }
        assert_close(
            &format!("{rows} rows, {steps:?}"),
            &values(result),
            &expected,
            1e-3,
        );
    }
    block_on(gpu().check()).unwrap();
}

#[test]
fn a_forced_gpu_is_tested_and_described() {
    let (device, report) = block_on(select_device(DevicePreference::Gpu)).unwrap();
    assert_eq!(device.kind(), DeviceKind::Gpu);
    assert_eq!(report.kind, DeviceKind::Gpu);
    assert!(!report.adapter.is_empty());
    assert!(report.max_storage_buffer_binding_size >= 128 << 20);
    match report.self_test {
        SelfTestOutcome::Passed { operations, worst } => {
            assert_eq!(operations, 8);
            assert!(worst < 0.1, "close to the tolerance: {worst}");
        }
        outcome => panic!("{outcome:?}"),
    }
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["kind"], "gpu");
    assert_eq!(json["self_test"]["outcome"], "passed");
}

#[test]
fn auto_takes_a_gpu_only_where_it_is_hardware() {
    let (device, report) = block_on(select_device(DevicePreference::Auto)).unwrap();
    assert_eq!(device.kind(), report.kind);
    assert_eq!(
        report.kind == DeviceKind::Cpu,
        report.software,
        "{report:?}"
    );
    if report.software {
        assert!(report.reason.contains("software"), "{}", report.reason);
    }
}
