// One invocation makes TILE results each of COLUMNS weight rows, or of one and its gate.
@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    normalise(lane); // if norm
    let index = group.y * groups.x + group.x;
    let column_groups = (info.n + 64u * COLUMNS - 1u) / (64u * COLUMNS);
    let first_column = (index % column_groups) * 64u * COLUMNS + lane;
    let first = (index / column_groups) * TILE;
    if (first_column >= info.n || first >= info.m) {
        return;
    }
    // Past the ends the last rows are computed once more, and not stored.
    let row# = min(first + #u, info.m - 1u); // each
    let column$ = min(first_column + $u * 64u, info.n - 1u); // columns
    var sum#_$ = 0.0; // each // columns
    var value = 0.0; // if gates
    let steps = (info.k + 7u) / 8u;
    for (var step = 0u; step < steps; step = step + 1u) {
        let eight$ = load(column$, step); // columns
        let a = column_a(step);
        let b = column_b(step);
        let xa# = x4(row#, a); // each
        let xb# = x4(row#, b); // each
        sum#_$ = sum#_$ + dot(eight$.a, xa#) + dot(eight$.b, xb#); // each // columns
        let eight = load(column0 + info.n, step); // if gates
        value = value + dot(eight.a, xa0) + dot(eight.b, xb0); // if gates
    }
    sum0_0 = apply(sum0_0) * value; // if gates
    if (first + #u < info.m && first_column + $u * 64u < info.n) { store(row#, column$, sum#_$); } // each // columns
}
