// One invocation makes one number.
struct Info {
    count: u32,
    // Numbers of a row, of a head, and of its rotated part.
    width: u32,
    head_dim: u32,
    rotary_dims: u32,
    first_position: u32,
}

// Half of a pair: its rotation, the pair's other half, and the sign with which
// the sine of that one counts.
struct Half {
    pair: u32,
    other: u32,
    sign: f32,
}

var<storage, read> x: array<f32>;
// (cosine, sine) of every pair at every position.
var<storage, read> rotations: array<vec2<f32>>;
var<storage, read> positions: array<u32>; // if listed
var<storage, read_write> result: array<f32>;
var<uniform> info: Info;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = (group.y * groups.x + group.x) * 64u + lane;
    if (index >= info.count) {
        return;
    }
    let dim = index % info.width % info.head_dim;
    if (dim >= info.rotary_dims) {
        result[index] = x[index];
        return;
    }
    let place = place_in_pair(dim);
    let position = positions[index / info.width]; // if listed
    let position = info.first_position + index / info.width; // if no listed
    let rotation = rotations[position * (info.rotary_dims / 2u) + place.pair];
    let other = x[index - dim + place.other];
    result[index] = x[index] * rotation.x + place.sign * other * rotation.y;
}

