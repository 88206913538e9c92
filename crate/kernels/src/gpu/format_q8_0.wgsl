fn column_a(step: u32) -> u32 {
    return step * 8u;
}

fn column_b(step: u32) -> u32 {
    return step * 8u + 4u;
}

// Four signed bytes, lowest first.
fn signed_bytes(word: u32) -> vec4<f32> {
    let shifted = vec4<i32>(bitcast<i32>(word)) << vec4<u32>(24u, 16u, 8u, 0u);
    return vec4<f32>(shifted >> vec4<u32>(24u, 24u, 24u, 24u));
}

fn load(row: u32, step: u32) -> Eight {
    let first = ((row * info.k) >> 2u) + step * 2u;
    let block = ((row * info.k) >> 5u) + (step >> 2u);
    let scale = half_at(info.scales * 2u + block);
    return Eight(scale * signed_bytes(w[first]), scale * signed_bytes(w[first + 1u]));
}

