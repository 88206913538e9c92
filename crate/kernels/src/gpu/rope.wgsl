// One invocation takes one number of a row: of heads to rotate, or of [query | key |
// value], where it rotates queries and keys and puts keys and values behind those that
// are there.
struct Info {
    count: u32,
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
}

var<storage, read> x: array<f32>;
// (cosine, sine) of every pair at every position.
var<storage, read> rotations: array<vec2<f32>>;
var<storage, read> positions: array<u32>; // if listed
var<storage, read_write> queries: array<f32>;
var<storage, read_write> keys: array<f32>; // if append
var<storage, read_write> values: array<f32>; // if append
var<uniform> info: Info;

// Heads begin at multiples of their width in queries and keys alike.
fn rotated(index: u32, row: u32, dim: u32) -> f32 {
    if (dim >= info.rotary_dims) {
        return x[index];
    }
    let place = place_in_pair(dim);
    let position = positions[row]; // if listed
    let position = info.first_position + row; // if no listed
    let rotation = rotations[position * (info.rotary_dims / 2u) + place.pair];
    let other = x[index - dim + place.other];
    return x[index] * rotation.x + place.sign * other * rotation.y;
}

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
    let row = index / info.width;
    let column = index % info.width;
    if (column < info.query_width) {
        queries[row * info.query_width + column] = rotated(index, row, column % info.head_dim);
        return;
    }
    let key_column = column - info.query_width; // if append
    let first = (info.held + row) * info.key_width; // if append
    if (key_column < info.key_width) { // if append
        keys[first + key_column] = rotated(index, row, key_column % info.head_dim); // if append
    } else { // if append
        values[first + key_column - info.key_width] = x[index]; // if append
    } // if append
}

