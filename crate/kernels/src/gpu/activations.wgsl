// Activation rows of a multiple of eight numbers.
var<storage, read> x: array<vec4<f32>>;

fn x4(row: u32, column: u32) -> vec4<f32> {
    return x[(row * info.k + column) >> 2u];
}

