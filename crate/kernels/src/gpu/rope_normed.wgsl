// A workgroup takes a head of a row [query | key | value]. // if shared
// An invocation takes a head of a row [query | key | value]. // if no shared
// Heads of queries and keys are normalised and rotated, keys and values put behind those
// that are there.
struct Info {
    rows: u32,
    // Numbers of a row, of its query, and of a key.
    width: u32,
    query_width: u32,
    key_width: u32,
    // Numbers of a head, and of its rotated part.
    head_dim: u32,
    rotary_dims: u32,
    first_position: u32,
    // Rows that are there.
    held: u32,
    // Where the weights of keys begin in the norms, and where the biases do.
    key_norm: u32,
    norm_biases: u32,
    // Added to the variance.
    eps: f32,
}

var<storage, read> x: array<f32>;
// (cosine, sine) of every pair at every position.
var<storage, read> rotations: array<vec2<f32>>;
var<storage, read> positions: array<u32>; // if listed
// Weights of queries and keys, then biases.
var<storage, read> norms: array<f32>;
var<storage, read_write> queries: array<f32>;
var<storage, read_write> keys: array<f32>;
var<storage, read_write> values: array<f32>;
var<uniform> info: Info;

// The number at an index, normalised by the norm's element at a place.
fn normal(index: u32, place: u32, mean: f32, scale: f32) -> f32 {
    let number = (x[index] - mean) * scale * norms[place];
    return number + norms[info.norm_biases + place]; // if norm bias
    return number; // if no norm bias
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = group.y * groups.x + group.x; // if shared
    let begin = lane; // if shared
    let index = (group.y * groups.x + group.x) * LANES + lane; // if no shared
    let begin = 0u; // if no shared
    let heads = info.width / info.head_dim;
    if (index >= info.rows * heads) {
        return;
    }
    let row = index / heads;
    let column = index % heads * info.head_dim;
    let first = row * info.width + column;
    let behind = (info.held + row) * info.key_width;
    if (column >= info.query_width + info.key_width) {
        let to = behind + column - info.query_width - info.key_width;
        for (var i = begin; i < info.head_dim; i = i + STEP) {
            values[to + i] = x[first + i];
        }
        return;
    }
    let is_key = column >= info.query_width;
    // What is normalised together.
    let start = first; // if heads
    let count = info.head_dim; // if heads
    let start = row * info.width + select(0u, info.query_width, is_key); // if no heads
    let count = select(info.query_width, info.key_width, is_key); // if no heads
    var sum = 0.0; // if centred
    for (var i = begin; i < count; i = i + STEP) { // if centred
        sum = sum + x[start + i]; // if centred
    } // if centred
    let mean = workgroup_sum(lane, sum) / f32(count); // if centred // if shared
    let mean = sum / f32(count); // if centred // if no shared
    let mean = 0.0; // if no centred
    var squares = 0.0;
    for (var i = begin; i < count; i = i + STEP) {
        let difference = x[start + i] - mean;
        squares = squares + difference * difference;
    }
    let variance = workgroup_sum(lane, squares) / f32(count); // if shared
    let variance = squares / f32(count); // if no shared
    let scale = 1.0 / sqrt(variance + info.eps);
    let place = select(0u, info.key_norm, is_key) + first - start;
    let position = positions[row]; // if listed
    let position = info.first_position + row; // if no listed
    for (var i = begin; i < info.head_dim; i = i + STEP) {
        var number = normal(first + i, place + i, mean, scale);
        if (i < info.rotary_dims) {
            let half = place_in_pair(i);
            let rotation = rotations[position * (info.rotary_dims / 2u) + half.pair];
            let other = normal(first + half.other, place + half.other, mean, scale);
            number = number * rotation.x + half.sign * other * rotation.y;
        }
        if (is_key) {
            keys[behind + column - info.query_width + i] = number;
        } else {
            queries[row * info.query_width + column + i] = number;
        }
    }
}
