//! Threads: Workers that run this module on one memory.

use wasm_bindgen::prelude::wasm_bindgen;

/// Counts the calling Worker among the threads, for which [`serve`] makes it ready.
#[wasm_bindgen]
pub fn enlist() {
    flamingo_kernels::cpu::enlist();
}

/// Makes the calling Worker compute what others ask of it. It never returns; the Worker
/// ends when it is terminated.
#[wasm_bindgen]
pub fn serve() {
    flamingo_kernels::cpu::serve()
}
