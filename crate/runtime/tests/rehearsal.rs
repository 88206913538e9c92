//! What a rehearsal has a GPU compile is what a caption needs, and the programs are all that
//! stays of it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::ops::ControlFlow;

use flamingo_kernels::{ComputeDevice, TensorType};
use flamingo_runtime::prompt::CAPTION;
use flamingo_runtime::{GenerateOptions, ModelLoader, PromptFormat};
use flamingo_weights::LoadedTensor;
use futures_lite::future::block_on;
use support::{TinyModel, fixture};

/// The tiny model with its matrices packed, where their rows allow it.
fn packed() -> TinyModel {
    let mut tiny = TinyModel::new();
    for tensor in &mut tiny.tensors {
        let info = &tensor.info;
        if info.shape.len() != 2 || !info.cols().is_multiple_of(32) {
            continue;
        }
        let values: Vec<f32> = tensor
            .data
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
            .collect();
        *tensor = LoadedTensor::from_f32(info.name.clone(), TensorType::Q8_0, &info.shape, &values)
            .unwrap();
    }
    tiny
}

#[test]
fn a_caption_after_a_rehearsal_compiles_nothing() {
    let device = block_on(ComputeDevice::gpu()).unwrap();
    let file = packed().gguf();
    let mut loader = ModelLoader::new(device.clone(), file.len() as u64);
    assert!(loader.rehearsal().unwrap().is_none(), "before the header");
    // The weights are still on their way.
    let (first, rest) = file.split_at(file.len() - 1);
    loader.push(first).unwrap();
    let before = device.programs();
    let mut steps = Vec::new();
    let held = device.memory().unwrap();
    let rehearsal = loader.rehearsal().unwrap().expect("a rehearsal");
    let taken = device.memory().unwrap().in_use - held.in_use;
    assert!(taken < held.in_use / 100, "{taken} beside {held:?}");
    block_on(rehearsal.run(|done| steps.push(done))).unwrap();
    assert_eq!(steps, [1, 2, 3, 4]);
    let rehearsed = device.programs();
    assert!(rehearsed > before);
    let left = device.memory().unwrap();
    assert!(left.reserved <= held.reserved, "{left:?} after {held:?}");

    loader.push(rest).unwrap();
    let model = loader.finish().unwrap();
    let image = block_on(model.encode(&fixture("images/photo.jpg"))).unwrap();
    let prompt = PromptFormat::parse(CAPTION).unwrap().query(Some(image), "");
    let options = GenerateOptions {
        max_new_tokens: 3,
        ..GenerateOptions::default()
    };
    let go_on = async |_: &_| ControlFlow::Continue(());
    block_on(model.generate(&prompt, &options, go_on)).unwrap();
    assert_eq!(device.programs(), rehearsed);
}

#[test]
fn the_cpu_has_nothing_to_rehearse() {
    let file = TinyModel::new().gguf();
    let mut loader = ModelLoader::new(ComputeDevice::cpu(), file.len() as u64);
    loader.push(&file).unwrap();
    assert!(loader.rehearsal().unwrap().is_none());
}
