// The only activation row, normalised where it is read: every invocation finds the mean
// and the deviation by itself.
var<storage, read> x: array<vec4<f32>>;
var<storage, read> norm_weight: array<vec4<f32>>;
var<storage, read> norm_bias: array<vec4<f32>>; // if norm bias

var<private> mean: f32;
var<private> scale: f32;

fn x4(row: u32, column: u32) -> vec4<f32> {
    let place = column >> 2u;
    let normal = (x[place] - mean) * scale * norm_weight[place]; // if centred
    let normal = x[place] * scale * norm_weight[place]; // if no centred
    return normal + norm_bias[place]; // if norm bias
    return normal; // if no norm bias
}

fn normalise() {
    let vectors = info.k / 4u;
    var sum = vec4<f32>(0.0); // if centred
    for (var i = 0u; i < vectors; i = i + 1u) { // if centred
        sum = sum + x[i]; // if centred
    } // if centred
    mean = dot(sum, vec4<f32>(1.0)) / f32(info.k); // if centred
    var squares = vec4<f32>(0.0);
    for (var i = 0u; i < vectors; i = i + 1u) {
        let difference = x[i] - mean; // if centred
        let difference = x[i]; // if no centred
        squares = squares + difference * difference;
    }
    scale = 1.0 / sqrt(dot(squares, vec4<f32>(1.0)) / f32(info.k) + info.eps);
}

