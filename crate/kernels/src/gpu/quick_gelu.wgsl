fn apply(x: f32) -> f32 {
    return x / (1.0 + exp(min(-1.702 * x, 80.0)));
}
