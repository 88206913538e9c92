// One invocation makes TILE results of one weight row.
@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = group.y * groups.x + group.x;
    let column_groups = (info.n + 63u) / 64u;
    let column = (index % column_groups) * 64u + lane;
    let first = (index / column_groups) * TILE;
    if (column >= info.n || first >= info.m) {
        return;
    }
    let row# = min(first + #u, info.m - 1u); // each
    var sum# = 0.0; // each
    let steps = (info.k + 7u) / 8u;
    for (var step = 0u; step < steps; step = step + 1u) {
        let eight = load(column, step);
        let a = column_a(step);
        let b = column_b(step);
        sum# = sum# + dot(eight.a, x4(row#, a)) + dot(eight.b, x4(row#, b)); // each
    }
    if (first + #u < info.m) { store(row#, column, sum#); } // each
}
