// One invocation unpacks eight numbers of a row.
struct Info {
    ids: u32,
    // Eights of a row.
    steps: u32,
    k: u32,
    // First word of the scales in w.
    scales: u32,
    // The rows of the matrix that lie in w.
    first: u32,
    rows: u32,
}

struct Eight {
    a: vec4<f32>,
    b: vec4<f32>,
}

var<storage, read> w: array<u32>;
var<storage, read> ids: array<u32>;
var<storage, read> addend: array<f32>; // if added
var<storage, read_write> result: array<f32>;
var<uniform> info: Info;

fn store_four(row: u32, column: u32, numbers: vec4<f32>) {
    for (var i = 0u; i < 4u; i = i + 1u) {
        if (column + i < info.k) {
            let place = row * info.k + column + i;
            result[place] = addend[place] + numbers[i]; // if added
            result[place] = numbers[i]; // if no added
        }
    }
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = (group.y * groups.x + group.x) * 64u + lane;
    if (index >= info.ids * info.steps) {
        return;
    }
    let row = index / info.steps;
    let step = index % info.steps;
    let id = ids[row];
    if (id < info.first || id >= info.first + info.rows) {
        return;
    }
    let eight = load(id - info.first, step);
    store_four(row, column_a(step), eight.a);
    store_four(row, column_b(step), eight.b);
}

