// Activation rows of a multiple of eight numbers, normalised once by every workgroup:
// all of them fit its memory.
var<storage, read> x: array<vec4<f32>>;
var<storage, read> norm_weight: array<vec4<f32>>;
var<storage, read> norm_bias: array<vec4<f32>>; // if norm bias

var<workgroup> normed: array<vec4<f32>, 768>;

fn x4(row: u32, column: u32) -> vec4<f32> {
    return normed[(row * info.k + column) >> 2u];
}

fn normalise(lane: u32) {
    let vectors = info.k / 4u;
    for (var row = 0u; row < info.m; row = row + 1u) {
        let first = row * vectors;
        var sum = 0.0; // if centred
        for (var i = lane; i < vectors; i = i + 64u) { // if centred
            sum = sum + dot(x[first + i], vec4<f32>(1.0)); // if centred
        } // if centred
        let mean = workgroup_sum(lane, sum) / f32(info.k); // if centred
        let mean = 0.0; // if no centred
        var squares = 0.0;
        for (var i = lane; i < vectors; i = i + 64u) {
            let difference = x[first + i] - mean;
            squares = squares + dot(difference, difference);
        }
        let scale = 1.0 / sqrt(workgroup_sum(lane, squares) / f32(info.k) + info.eps);
        for (var i = lane; i < vectors; i = i + 64u) {
            let normal = (x[first + i] - mean) * scale * norm_weight[i];
            normed[first + i] = normal + norm_bias[i]; // if norm bias
            normed[first + i] = normal; // if no norm bias
        }
    }
    workgroupBarrier();
}

