fn column_a(step: u32) -> u32 {
    return step * 8u;
}

fn column_b(step: u32) -> u32 {
    return step * 8u + 4u;
}

fn four(low: u32, high: u32) -> vec4<f32> {
    return vec4<f32>(
        half(low & 0xffffu),
        half(low >> 16u),
        half(high & 0xffffu),
        half(high >> 16u),
    );
}

fn load(row: u32, step: u32) -> Eight {
    let first = ((row * info.k) >> 1u) + step * 4u;
    return Eight(four(w[first], w[first + 1u]), four(w[first + 2u], w[first + 3u]));
}

