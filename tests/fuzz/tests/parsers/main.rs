//! A target for each parser. They run side by side: each counts what its own thread
//! allocates.
#![allow(clippy::unwrap_used)]

mod checkpoint;
mod config;
mod gguf;
mod manifest;
mod pickle;
mod safetensors;
mod tokenizer;

use flamingo_fuzz::CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;
