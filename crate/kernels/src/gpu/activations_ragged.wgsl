// Activation rows of any length; past their end are zeros.
var<storage, read> x: array<f32>;

fn x_at(row: u32, column: u32) -> f32 {
    if (column >= info.k) {
        return 0.0;
    }
    return x[row * info.k + column];
}

fn x4(row: u32, column: u32) -> vec4<f32> {
    return vec4<f32>(
        x_at(row, column),
        x_at(row, column + 1u),
        x_at(row, column + 2u),
        x_at(row, column + 3u),
    );
}

