//! TypeScript names for the plain objects that cross.

use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"import type { BeamOptions, Caption, DecisionOptions, DevicePreference, DeviceReport, Hypothesis, ModelMemory, ScoringOptions, SupportEntry, Task, WorkReport } from "../src/types.js";
import type { WireOptions } from "../src/protocol.js";
import type { WasmChoice, WasmPiece } from "../src/wasm.js";"#;
