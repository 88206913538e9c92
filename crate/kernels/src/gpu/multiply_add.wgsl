// Eight independent chains of products and sums, so that none waits for another's result.
struct Info {
    count: u32,
    rounds: u32,
    factor: f32,
}

var<storage, read_write> result: array<f32>;
var<uniform> info: Info;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = (group.y * groups.x + group.x) * 64u + lane;
    if (index >= info.count) {
        return;
    }
    let start = f32(index);
    let factor = vec4<f32>(info.factor, info.factor, info.factor, info.factor);
    let addend = vec4<f32>(start, 1.0, 2.0, 3.0);
    var a = addend;
    var b = addend + 1.0;
    var c = addend + 2.0;
    var d = addend + 3.0;
    var e = addend + 4.0;
    var f = addend + 5.0;
    var g = addend + 6.0;
    var h = addend + 7.0;
    for (var round = 0u; round < info.rounds; round = round + 1u) {
        a = a * factor + addend;
        b = b * factor + addend;
        c = c * factor + addend;
        d = d * factor + addend;
        e = e * factor + addend;
        f = f * factor + addend;
        g = g * factor + addend;
        h = h * factor + addend;
    }
    let all = a + b + c + d + e + f + g + h;
    result[index] = all.x + all.y + all.z + all.w;
}
