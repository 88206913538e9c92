// One invocation makes TILE results each of COLUMNS weight rows.
@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
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
    let steps = (info.k + 7u) / 8u;
    for (var step = 0u; step < steps; step = step + 1u) {
        let eight$ = load(column$, step); // columns
        let a = column_a(step);
        let b = column_b(step);
        let xa# = x4(row#, a); // each
        let xb# = x4(row#, b); // each
        sum#_$ = sum#_$ + dot(eight$.a, xa#) + dot(eight$.b, xb#); // each // columns
    }
    if (first + #u < info.m && first_column + $u * 64u < info.n) { store(row#, column$, sum#_$); } // each // columns
}
