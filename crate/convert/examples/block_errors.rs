//! Prints how much each block type loses, by the reference rounding and by the searched
//! scale: on the matrices of checkpoints, and on random ones.
//!
//! ```sh
//! cargo run --release -p flamingo-convert --example block_errors -- FILE…
//! ```
//!
//! A line is a group of matrices and the root of their mean squared error over the root of
//! their mean square, in per cent; the matrices of a file are its tensors of two or more
//! dimensions, all but the first of them a row of whole blocks.

use std::error::Error;
use std::path::PathBuf;

use flamingo_convert::source::Checkpoint;
use flamingo_weights::TensorType;
use flamingo_weights::blocks::{BlockError, dequantize_row, quantize_row, quantize_row_best};

/// Types whose scales are searched.
const TYPES: [TensorType; 3] = [TensorType::Q4_0, TensorType::Q4_1, TensorType::Q8_0];

/// Rows and columns of a random matrix.
const SIZE: (usize, usize) = (256, 1024);

type Quantize = fn(TensorType, &[f32], &mut Vec<u8>) -> Result<(), BlockError>;

/// A random number.
type Draw = fn(&mut Random) -> f32;

/// Sums over the elements of a group of matrices.
#[derive(Default)]
struct Losses {
    squares: f64,
    /// Squared errors by type, by the reference and by the best scale.
    errors: [[f64; 2]; TYPES.len()],
}

impl Losses {
    fn add(&mut self, row: &[f32]) -> Result<(), BlockError> {
        self.squares += row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
        for (errors, tensor_type) in self.errors.iter_mut().zip(TYPES) {
            let ways: [Quantize; 2] = [quantize_row, quantize_row_best];
            for (error, quantize) in errors.iter_mut().zip(ways) {
                let mut packed = Vec::new();
                quantize(tensor_type, row, &mut packed)?;
                let mut back = vec![0.0; row.len()];
                dequantize_row(tensor_type, &packed, &mut back)?;
                let squares = row.iter().zip(&back).map(|(x, y)| f64::from(x - y).powi(2));
                *error += squares.sum::<f64>();
            }
        }
        Ok(())
    }

    fn print(&self, name: &str) {
        print!("| {name} |");
        for [reference, best] in self.errors {
            let per_cent = |error: f64| 100.0 * (error / self.squares).sqrt();
            let (reference, best) = (per_cent(reference), per_cent(best));
            print!(
                " {reference:.3} → {best:.3} ({:.0}%) |",
                100.0 * (best / reference - 1.0)
            );
        }
        println!();
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("| matrices | Q4_0 | Q4_1 | Q8_0 |\n| --- | --- | --- | --- |");
    for path in std::env::args_os().skip(1).map(PathBuf::from) {
        let checkpoint = Checkpoint::open(&path)?;
        let mut losses = Losses::default();
        let mut count = 0;
        for entry in checkpoint.tensors() {
            let cols: usize = entry.shape.iter().skip(1).product();
            let is_matrix = entry.shape.len() > 1 && cols > 0 && cols.is_multiple_of(32);
            if !is_matrix || !entry.element.is_float() {
                continue;
            }
            for row in checkpoint.read(&entry.name)?.to_f32()?.chunks_exact(cols) {
                losses.add(row)?;
            }
            count += 1;
        }
        let file = path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy();
        losses.print(&format!("{count} of {file}"));
    }
    let mut random = Random(1);
    let distributions: [(&str, Draw); 4] = [
        ("uniform", |random| random.uniform() * 2.0 - 1.0),
        ("Gaussian", Random::normal),
        ("Laplace", Random::laplace),
        ("Student's t, 4 degrees", Random::student),
    ];
    for (name, draw) in distributions {
        let mut losses = Losses::default();
        for _ in 0..SIZE.0 {
            let row: Vec<f32> = (0..SIZE.1).map(|_| draw(&mut random)).collect();
            losses.add(&row)?;
        }
        losses.print(name);
    }
    Ok(())
}

/// The same numbers each time. Source: Steele et al. 2014, SplitMix64.
struct Random(u64);

impl Random {
    /// Between 0 and 1, neither of them.
    fn uniform(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        ((bits >> 41) as f32 + 0.5) / (1_u64 << 23) as f32
    }

    fn normal(&mut self) -> f32 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f32::consts::TAU * self.uniform()).cos()
    }

    fn laplace(&mut self) -> f32 {
        self.uniform().ln() - self.uniform().ln()
    }

    /// A normal number over the root of the mean of four squares of such.
    fn student(&mut self) -> f32 {
        let squares: f32 = (0..4).map(|_| self.normal().powi(2)).sum();
        self.normal() / (squares / 4.0).sqrt()
    }
}
