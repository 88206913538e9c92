// The numbers of a step of a block as they are packed, over 255.
fn fractions(block: u32, step: u32) -> Eight {
    let word = w[block * 4u + step];
    return Eight(
        unpack4x8unorm(word & 0x0f0f0f0fu),
        unpack4x8unorm((word >> 4u) & 0x0f0f0f0fu),
    );
}

// What a block's sum of fractions times activations counts, and its sum of activations.
fn scales(block: u32) -> vec2<f32> {
    let pair = w[info.scales + block];
    return vec2<f32>(255.0 * half(pair & 0xffffu), half(pair >> 16u));
}
