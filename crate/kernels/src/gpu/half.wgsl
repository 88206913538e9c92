// binary16 to binary32, exact for every finite number. unpack2x16float may take
// subnormal halves for zero, and small scales are subnormal.
fn half(bits: u32) -> f32 {
    let sign = (bits & 0x8000u) << 16u;
    let subnormal = f32(bits & 0x3ffu) * 5.9604644775390625e-8;
    let normal = bitcast<f32>(((bits & 0x7fffu) << 13u) + 0x38000000u);
    let magnitude = select(normal, subnormal, (bits & 0x7c00u) == 0u);
    return bitcast<f32>(bitcast<u32>(magnitude) | sign);
}

// The half at an index in w, counted in halves.
fn half_at(index: u32) -> f32 {
    return half((w[index >> 1u] >> ((index & 1u) << 4u)) & 0xffffu);
}

