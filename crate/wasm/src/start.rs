//! What runs once, before anything else.

use wasm_bindgen::prelude::wasm_bindgen;

unsafe extern "C" {
    /// Runs the constructors of statics, by which CubeCL registers its types.
    /// The linker makes it.
    safe fn __wasm_call_ctors();
}

/// Runs the constructors once. Where nothing calls them the linker does, at
/// every call into the module, even one that only takes a slot for a JavaScript
/// value: two thirds of all time on WebGPU were spent in them.
#[wasm_bindgen(start)]
pub(crate) fn start() {
    __wasm_call_ctors();
}
