// The numbers of a step of a block, 128 added to each, over 255: of signed bytes
// WebGPU takes -128 for -127.
fn fractions(block: u32, step: u32) -> Eight {
    let first = block * 8u + step * 2u;
    return Eight(
        unpack4x8unorm(w[first] ^ 0x80808080u),
        unpack4x8unorm(w[first + 1u] ^ 0x80808080u),
    );
}

// What a block's sum of fractions times activations counts, and its sum of activations.
fn scales(block: u32) -> vec2<f32> {
    return half_at(info.scales * 2u + block) * vec2<f32>(255.0, -128.0);
}
