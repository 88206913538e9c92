//! Panics, told before the module aborts.

use std::cell::RefCell;
use std::panic;

use js_sys::Function;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

thread_local! {
    static LISTENER: RefCell<Option<Function>> = const { RefCell::new(None) };
}

/// Has `listener` called with message and place of a panic. The module must
/// not be called afterwards: promises that are waiting never settle, and what
/// was borrowed stays borrowed.
#[wasm_bindgen(js_name = onPanic)]
pub fn on_panic(
    #[wasm_bindgen(unchecked_param_type = "(message: string) => void")] listener: Function,
) {
    LISTENER.set(Some(listener));
    panic::set_hook(Box::new(|information| {
        LISTENER.with_borrow(|listener| {
            if let Some(listener) = listener {
                // A listener that throws can no longer be helped.
                let _ = listener.call1(&JsValue::NULL, &information.to_string().into());
            }
        });
    }));
}
