// Sixteen invocations share a weight row, or one and its gate; a workgroup makes TILE
// results of four weight rows.
var<workgroup> parts: array<f32, TILE * 64u>;
var<workgroup> value_parts: array<f32, TILE * 64u>; // if gates

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    normalise(lane); // if norm
    let index = group.y * groups.x + group.x;
    let column_groups = (info.n + 3u) / 4u;
    let first = (index / column_groups) * TILE;
    if (first >= info.m) {
        return;
    }
    let column = (index % column_groups) * 4u + lane / 16u;
    // The last group repeats the last row instead of leaving its barriers.
    let weights = min(column, info.n - 1u);
    let row# = min(first + #u, info.m - 1u); // each
    var sum# = 0.0; // each
    var value# = 0.0; // each // if gates
    let steps = (info.k + 7u) / 8u;
    for (var step = lane % 16u; step < steps; step = step + 16u) {
        let eight = load(weights, step);
        let a = column_a(step);
        let b = column_b(step);
        sum# = sum# + dot(eight.a, x4(row#, a)) + dot(eight.b, x4(row#, b)); // each
        let value = load(weights + info.n, step); // if gates
        value# = value# + dot(value.a, x4(row#, a)) + dot(value.b, x4(row#, b)); // each // if gates
    }
    parts[#u * 64u + lane] = sum#; // each
    value_parts[#u * 64u + lane] = value#; // each // if gates
    workgroupBarrier();
    for (var half_width = 8u; half_width > 0u; half_width = half_width / 2u) {
        if (lane % 16u < half_width) {
            parts[#u * 64u + lane] = parts[#u * 64u + lane] + parts[#u * 64u + lane + half_width]; // each
            value_parts[#u * 64u + lane] = value_parts[#u * 64u + lane] + value_parts[#u * 64u + lane + half_width]; // each // if gates
        }
        workgroupBarrier();
    }
    if (lane % 16u == 0u && column < info.n) {
        let sum# = parts[#u * 64u + lane]; // each // if no gates
        let sum# = gated(column, parts[#u * 64u + lane], value_parts[#u * 64u + lane]); // each // if gates
        if (first + #u < info.m) { store(row#, column, sum#); } // each
    }
}
