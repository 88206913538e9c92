// One invocation makes TILE results each of COLUMNS weight rows in blocks of 32 numbers,
// which stay as they are packed until a block's sum is scaled, and so uses often what it
// loads: where invocations are iterations of a loop, every load is a branch or four.
// Workgroup memory is slower still there.
@compute @workgroup_size(INVOCATIONS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = group.y * groups.x + group.x;
    let column_groups = (info.n + 63u) / 64u;
    let first_column = (index % column_groups) * 64u + lane;
    let first = (index / column_groups) * TILE;
    if (first_column >= info.n || first >= info.m) {
        return;
    }
    normalise(); // if norm
    let blocks = info.k / 32u;
    // Past the ends the last rows are computed once more, and not stored.
    let row# = min(first + #u, info.m - 1u); // each
    let column$ = min(first_column + $u * INVOCATIONS, info.n - 1u); // columns
    let first_block$ = column$ * blocks; // columns
    let first_value$ = (column$ + info.n) * blocks; // columns // if gates
    var sum#_$ = 0.0; // each // columns
    var value$ = 0.0; // columns // if gates
    for (var block = 0u; block < blocks; block = block + 1u) {
        var total# = vec4<f32>(0.0); // each
        var part#_$ = 0.0; // each // columns
        var value_part$ = 0.0; // columns // if gates
        let xa#_% = x4(row#, block * 32u + column_a(%u)); // each // steps
        let xb#_% = x4(row#, block * 32u + column_b(%u)); // each // steps
        total# = total# + xa#_% + xb#_%; // each // steps
        let eight$_% = fractions(first_block$ + block, %u); // columns // steps
        part#_$ = part#_$ + dot(eight$_%.a, xa#_%) + dot(eight$_%.b, xb#_%); // each // columns // steps
        let values$_% = fractions(first_value$ + block, %u); // columns // steps // if gates
        value_part$ = value_part$ + dot(values$_%.a, xa0_%) + dot(values$_%.b, xb0_%); // columns // steps // if gates
        let all# = dot(total#, vec4<f32>(1.0)); // each
        let scales$ = scales(first_block$ + block); // columns
        sum#_$ = sum#_$ + scales$.x * part#_$ + scales$.y * all#; // each // columns
        let value_scales$ = scales(first_value$ + block); // columns // if gates
        value$ = value$ + value_scales$.x * value_part$ + value_scales$.y * all0; // columns // if gates
    }
    sum0_$ = gated(column$, sum0_$, value$); // columns // if gates
    if (first + #u < info.m && first_column + $u * INVOCATIONS < info.n) { store(row#, column$, sum#_$); } // each // columns
}
