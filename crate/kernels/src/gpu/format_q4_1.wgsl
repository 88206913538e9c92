// A byte holds number i of a block in its low half and number i + 16 in its
// high half.
fn column_a(step: u32) -> u32 {
    return (step >> 2u) * 32u + (step & 3u) * 4u;
}

fn column_b(step: u32) -> u32 {
    return column_a(step) + 16u;
}

fn low_halves(word: u32) -> vec4<f32> {
    return vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(15u));
}

fn load(row: u32, step: u32) -> Eight {
    let word = w[((row * info.k) >> 3u) + step];
    let pair = w[info.scales + ((row * info.k) >> 5u) + (step >> 2u)];
    let scale = half(pair & 0xffffu);
    let minimum = vec4<f32>(half(pair >> 16u));
    return Eight(
        scale * low_halves(word) + minimum,
        scale * low_halves(word >> 4u) + minimum,
    );
}

