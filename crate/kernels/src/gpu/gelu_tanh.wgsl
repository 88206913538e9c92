// (1 + tanh(y)) / 2 is 1 / (1 + exp(-2 y)), here with 2 y = x (a + b x²). The exponent is
// bounded: an overflow to infinity is not guaranteed to be one.
fn apply(x: f32) -> f32 {
    return x / (1.0 + exp(min(-x * (1.5957691 + 0.071354816 * x * x), 80.0)));
}
