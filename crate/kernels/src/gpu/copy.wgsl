struct Info {
    // Counted in numbers, or in vectors of four.
    count: u32,
    offset: u32,
}

var<storage, read> source: array<f32>; // if no fours
var<storage, read_write> result: array<f32>; // if no fours
var<storage, read> source: array<vec4<f32>>; // if fours
var<storage, read_write> result: array<vec4<f32>>; // if fours
var<uniform> info: Info;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = (group.y * groups.x + group.x) * 64u + lane;
    if (index < info.count) {
        result[info.offset + index] = source[index];
    }
}
