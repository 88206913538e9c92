//! What the browser says of its adapter and wgpu does not pass on.

use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// Names an adapter by its vendor and architecture, such as `google
/// swiftshader`, where the browser tells them. The name that wgpu reads, the
/// `description`, is empty outside of developer modes.
pub(crate) async fn named(mut info: wgpu::AdapterInfo) -> wgpu::AdapterInfo {
    if info.name.is_empty() {
        info.name = vendor_and_architecture().await.unwrap_or_default();
    }
    info
}

async fn vendor_and_architecture() -> Option<String> {
    let gpu = property(&property(&js_sys::global(), "navigator")?, "gpu")?;
    let options = Object::new();
    Reflect::set(
        &options,
        &"powerPreference".into(),
        &"high-performance".into(),
    )
    .ok()?;
    let request: Function = property(&gpu, "requestAdapter")?.dyn_into().ok()?;
    let promise: Promise = request.call1(&gpu, &options).ok()?.dyn_into().ok()?;
    let info = property(&JsFuture::from(promise).await.ok()?, "info")?;
    let words: Vec<String> = ["vendor", "architecture"]
        .into_iter()
        .filter_map(|name| property(&info, name)?.as_string())
        .filter(|word| !word.is_empty())
        .collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// Waits for so many milliseconds, in which the browser tells what it has to tell.
pub(crate) async fn wait(milliseconds: i32) {
    let timer = Promise::new(&mut |resolve, _| {
        let set_timeout = property(&js_sys::global(), "setTimeout");
        let started = set_timeout
            .and_then(|function| function.dyn_into::<Function>().ok())
            .map(|function| function.call2(&JsValue::UNDEFINED, &resolve, &milliseconds.into()));
        if !matches!(started, Some(Ok(_))) {
            // Nothing else would end the wait.
            let _ = resolve.call0(&JsValue::UNDEFINED);
        }
    });
    // The promise is never rejected.
    let _ = JsFuture::from(timer).await;
}

fn property(object: &JsValue, name: &str) -> Option<JsValue> {
    Reflect::get(object, &name.into())
        .ok()
        .filter(|value| !value.is_undefined() && !value.is_null())
}
