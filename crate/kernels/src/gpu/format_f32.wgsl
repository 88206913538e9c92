fn column_a(step: u32) -> u32 {
    return step * 8u;
}

fn column_b(step: u32) -> u32 {
    return step * 8u + 4u;
}

fn load(row: u32, step: u32) -> Eight {
    let first = row * info.k + step * 8u;
    let a = vec4<u32>(w[first], w[first + 1u], w[first + 2u], w[first + 3u]);
    let b = vec4<u32>(w[first + 4u], w[first + 5u], w[first + 6u], w[first + 7u]);
    return Eight(bitcast<vec4<f32>>(a), bitcast<vec4<f32>>(b));
}

