//! Threads: Workers that run this module on one memory.

use wasm_bindgen::prelude::wasm_bindgen;

/// Counts the calling Worker among the threads, for which [`serve`] makes it ready.
#[wasm_bindgen]
pub fn enlist() {
    flamingo_kernels::cpu::enlist();
}

/// Makes the calling Worker compute what others ask of it. It never returns; the Worker
/// ends when it is terminated, or traps: then [`give_up`] must be called.
#[wasm_bindgen]
pub fn serve() {
    flamingo_kernels::cpu::serve()
}

/// Has whoever waits for the calling Worker panic with this reason instead.
#[wasm_bindgen(js_name = giveUp)]
pub fn give_up(reason: String) {
    flamingo_kernels::cpu::give_up(reason);
}
