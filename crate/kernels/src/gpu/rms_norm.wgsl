// One workgroup normalises one row.
struct Info {
    rows: u32,
    width: u32,
    eps: f32,
}

var<storage, read> x: array<f32>;
var<storage, read> weight: array<f32>;
var<storage, read_write> result: array<f32>;
var<uniform> info: Info;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group.y * groups.x + group.x;
    if (row >= info.rows) {
        return;
    }
    let first = row * info.width;
    var squares = 0.0;
    for (var i = lane; i < info.width; i = i + 64u) {
        squares = squares + x[first + i] * x[first + i];
    }
    let mean_square = workgroup_sum(lane, squares) / f32(info.width);
    let scale = 1.0 / sqrt(mean_square + info.eps);
    for (var i = lane; i < info.width; i = i + 64u) {
        result[first + i] = x[first + i] * scale * weight[i];
    }
}
