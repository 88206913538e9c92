struct Info {
    count: u32,
    // Numbers of a row, where each column has a scale of its own.
    width: u32,
    scale: f32,
}

var<storage, read> x: array<f32>;
var<storage, read> y: array<f32>;
var<storage, read> column_scales: array<f32>; // if columns
var<storage, read_write> result: array<f32>;
var<uniform> info: Info;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = (group.y * groups.x + group.x) * 64u + lane;
    if (index < info.count) {
        let scale = column_scales[index % info.width]; // if columns
        let scale = info.scale; // if no columns
        result[index] = x[index] + scale * y[index];
    }
}
