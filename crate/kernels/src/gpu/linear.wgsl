// What every matrix product reads and writes: x [m, k] · w [n, k]ᵀ + bias [n].
struct Info {
    m: u32,
    n: u32,
    k: u32,
    // First word of the scales in w.
    scales: u32,
}

// Eight neighbouring numbers of a row, or two times four.
struct Eight {
    a: vec4<f32>,
    b: vec4<f32>,
}

var<storage, read> w: array<u32>;
var<storage, read> bias: array<f32>; // if bias
var<storage, read_write> result: array<f32>;
var<uniform> info: Info;

fn store(row: u32, column: u32, sum: f32) {
    result[row * info.n + column] = sum + bias[column]; // if bias
    result[row * info.n + column] = sum; // if no bias
}

