//! The products of decoding on WebGPU, natively, as a table:
//! `cargo run --release -p flamingo-parity --example matvec -- [ROUNDS]`.

use flamingo_kernels::{DevicePreference, select_device};
use flamingo_parity::{WallClock, measure_matvecs};
use futures_lite::future::block_on;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rounds = match std::env::args().nth(1) {
        Some(rounds) => rounds.parse()?,
        None => 5,
    };
    let (device, report) = block_on(select_device(DevicePreference::Gpu))?;
    println!("{}, {}", report.adapter, report.backend);
    let report = block_on(measure_matvecs(&device, rounds, &WallClock))?;
    println!("{}", report.table());
    Ok(())
}
