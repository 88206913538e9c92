// One workgroup normalises one row.
struct Info {
    rows: u32,
    width: u32,
    eps: f32,
}

var<storage, read> x: array<f32>;
var<storage, read> weight: array<f32>;
var<storage, read> bias: array<f32>; // if bias
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
    var sum = 0.0;
    for (var i = lane; i < info.width; i = i + 64u) {
        sum = sum + x[first + i];
    }
    let mean = workgroup_sum(lane, sum) / f32(info.width);
    var squares = 0.0;
    for (var i = lane; i < info.width; i = i + 64u) {
        let difference = x[first + i] - mean;
        squares = squares + difference * difference;
    }
    let variance = workgroup_sum(lane, squares) / f32(info.width);
    let scale = 1.0 / sqrt(variance + info.eps);
    for (var i = lane; i < info.width; i = i + 64u) {
        let normal = (x[first + i] - mean) * scale * weight[i];
        result[first + i] = normal + bias[i]; // if bias
        result[first + i] = normal; // if no bias
    }
}
