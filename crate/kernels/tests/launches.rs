//! How many programs the GPU is asked to run. Nothing else may run meanwhile, so that this is a
//! test program of its own.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use flamingo_kernels::{AttentionShape, attention_weights};
use harness::{Numbers, gpu, tensor, values};

/// Many keys are as many launches as few: the work grows with the keys, and not with their
/// square.
#[test]
fn weights_of_many_keys_are_no_more_launches() {
    let shape = AttentionShape {
        heads: 2,
        kv_heads: 2,
        head_dim: 16,
    };
    let launches = |keys: usize| {
        let mut numbers = Numbers::new(keys as u64);
        let q = tensor(&numbers.vec(3 * 32), [3, 32], gpu());
        let k = tensor(&numbers.vec(keys * 32), [keys, 32], gpu());
        let before = gpu().dispatches();
        values(attention_weights(q, k, &shape));
        gpu().dispatches() - before
    };
    let few = launches(17);
    assert!((1..=4).contains(&few), "{few}");
    assert_eq!(launches(256), few);
    assert_eq!(launches(1024), 4 * few);
}
