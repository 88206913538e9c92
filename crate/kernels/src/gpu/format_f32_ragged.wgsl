fn column_a(step: u32) -> u32 {
    return step * 8u;
}

fn column_b(step: u32) -> u32 {
    return step * 8u + 4u;
}

fn weight(row: u32, column: u32) -> f32 {
    if (column >= info.k) {
        return 0.0;
    }
    return bitcast<f32>(w[row * info.k + column]);
}

fn four(row: u32, column: u32) -> vec4<f32> {
    return vec4<f32>(
        weight(row, column),
        weight(row, column + 1u),
        weight(row, column + 2u),
        weight(row, column + 3u),
    );
}

fn load(row: u32, step: u32) -> Eight {
    return Eight(four(row, step * 8u), four(row, step * 8u + 4u));
}

