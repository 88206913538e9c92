// A workgroup makes 32 × 64 results, an invocation 4 × 4 of them. Columns of the
// tiles lie four rows to a vector, so that a step of the inner loop reads two
// vectors.
var<workgroup> x_tile: array<vec4<f32>, 256>;
var<workgroup> w_tile: array<vec4<f32>, 512>;

fn x_or_zero(row: u32, column: u32) -> vec4<f32> {
    if (row >= info.m || column >= info.k) {
        return vec4<f32>(0.0);
    }
    return x4(row, column);
}

fn w_or_zero(row: u32, step: u32) -> Eight {
    if (row >= info.n || step * 8u >= info.k) {
        return Eight(vec4<f32>(0.0), vec4<f32>(0.0));
    }
    return load(row, step);
}

// Columns of four rows, each row a vector.
fn load_x_tile(task: u32, first_row: u32, first_column: u32) {
    let quad = task % 8u;
    let column = task / 8u * 4u;
    let row = first_row + quad * 4u;
    let a = x_or_zero(row, first_column + column);
    let b = x_or_zero(row + 1u, first_column + column);
    let c = x_or_zero(row + 2u, first_column + column);
    let d = x_or_zero(row + 3u, first_column + column);
    x_tile[column * 8u + quad] = vec4<f32>(a.x, b.x, c.x, d.x);
    x_tile[(column + 1u) * 8u + quad] = vec4<f32>(a.y, b.y, c.y, d.y);
    x_tile[(column + 2u) * 8u + quad] = vec4<f32>(a.z, b.z, c.z, d.z);
    x_tile[(column + 3u) * 8u + quad] = vec4<f32>(a.w, b.w, c.w, d.w);
}

fn store_w_columns(column: u32, quad: u32, a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) {
    w_tile[column * 16u + quad] = vec4<f32>(a.x, b.x, c.x, d.x);
    w_tile[(column + 1u) * 16u + quad] = vec4<f32>(a.y, b.y, c.y, d.y);
    w_tile[(column + 2u) * 16u + quad] = vec4<f32>(a.z, b.z, c.z, d.z);
    w_tile[(column + 3u) * 16u + quad] = vec4<f32>(a.w, b.w, c.w, d.w);
}

fn load_w_tile(task: u32, first_row: u32, first_step: u32) {
    let quad = task % 16u;
    let step = task / 16u;
    let row = first_row + quad * 4u;
    let a = w_or_zero(row, first_step + step);
    let b = w_or_zero(row + 1u, first_step + step);
    let c = w_or_zero(row + 2u, first_step + step);
    let d = w_or_zero(row + 3u, first_step + step);
    // Four steps are one block of 32, whatever order their columns are in.
    store_w_columns(column_a(step), quad, a.a, b.a, c.a, d.a);
    store_w_columns(column_b(step), quad, a.b, b.b, c.b, d.b);
}

fn store_row(row: u32, column: u32, sums: vec4<f32>) {
    if (row >= info.m) {
        return;
    }
    if (column < info.n) {
        store(row, column, sums.x);
    }
    if (column + 1u < info.n) {
        store(row, column + 1u, sums.y);
    }
    if (column + 2u < info.n) {
        store(row, column + 2u, sums.z);
    }
    if (column + 3u < info.n) {
        store(row, column + 3u, sums.w);
    }
}

@compute @workgroup_size(128)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = group.y * groups.x + group.x;
    let column_tiles = (info.n + 63u) / 64u;
    let first_row = index / column_tiles * 32u;
    let first_column = index % column_tiles * 64u;
    let row_quad = lane / 16u;
    let column_quad = lane % 16u;
    var sums_0 = vec4<f32>(0.0);
    var sums_1 = vec4<f32>(0.0);
    var sums_2 = vec4<f32>(0.0);
    var sums_3 = vec4<f32>(0.0);
    for (var k = 0u; k < info.k; k = k + 32u) {
        if (lane < 64u) {
            load_w_tile(lane, first_column, k / 8u);
        } else {
            load_x_tile(lane - 64u, first_row, k);
        }
        workgroupBarrier();
        for (var i = 0u; i < 32u; i = i + 1u) {
            let rows = x_tile[i * 8u + row_quad];
            let columns = w_tile[i * 16u + column_quad];
            sums_0 = sums_0 + rows.x * columns;
            sums_1 = sums_1 + rows.y * columns;
            sums_2 = sums_2 + rows.z * columns;
            sums_3 = sums_3 + rows.w * columns;
        }
        workgroupBarrier();
    }
    let row = first_row + row_quad * 4u;
    let column = first_column + column_quad * 4u;
    store_row(row, column, sums_0);
    store_row(row + 1u, column, sums_1);
    store_row(row + 2u, column, sums_2);
    store_row(row + 3u, column, sums_3);
}
