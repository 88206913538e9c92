// A row holds a gate for each number, then the numbers.
struct Info {
    count: u32,
    width: u32,
}

var<storage, read> x: array<f32>;
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
        let gate = index + index / info.width * info.width;
        result[index] = apply(x[gate]) * x[gate + info.width];
    }
}

