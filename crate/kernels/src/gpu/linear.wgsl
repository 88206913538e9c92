// What every matrix product reads and writes: finish(norm(x) [m, k] · w [n, k]ᵀ + bias [n]).
struct Info {
    m: u32,
    // Results of a row that this program makes. With gates w has twice as many rows, and so
    // has the bias: all gates come first.
    n: u32,
    k: u32,
    // First word of the scales in w.
    scales: u32,
    // Results of a row in all, and which is the first of this program's.
    width: u32,
    first: u32,
    // Added to the variance, where rows are normalised.
    eps: f32,
    // What the product counts, where it is added to something.
    scale: f32,
}

// Eight neighbouring numbers of a row, or two times four.
struct Eight {
    a: vec4<f32>,
    b: vec4<f32>,
}

var<storage, read> w: array<u32>;
var<storage, read> bias: array<f32>; // if bias
var<storage, read> addend: array<f32>; // if addend
var<storage, read> column_scales: array<f32>; // if column scales
var<storage, read_write> result: array<f32>;
var<uniform> info: Info;

// The number of a column, of its product with the weights of the gate and its own.
fn gated(column: u32, gate: f32, value: f32) -> f32 { // if gates
    return apply(gate + bias[column]) * (value + bias[column + info.n]); // if bias // if gates
    return apply(gate) * value; // if no bias // if gates
} // if gates

fn store(row: u32, column: u32, sum: f32) {
    let place = row * info.width + info.first + column;
    var number = sum;
    number = number + bias[info.first + column]; // if bias // if no gates
    number = apply(number); // if activation
    let scale = column_scales[info.first + column]; // if column scales
    let scale = info.scale; // if addend // if no column scales
    number = addend[place] + scale * number; // if addend
    result[place] = number;
}
