
// Half of a pair: its rotation, the pair's other half, and the sign with which
// the sine of that one counts.
struct Half {
    pair: u32,
    other: u32,
    sign: f32,
}

