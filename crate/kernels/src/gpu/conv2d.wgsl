// One invocation makes one channel of one pixel.
struct Info {
    count: u32,
    in_h: u32,
    in_w: u32,
    c_in: u32,
    c_out: u32,
    out_w: u32,
    kernel: u32,
    stride: u32,
    pad_top: u32,
    pad_left: u32,
    group_in: u32,
    group_out: u32,
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
    let index = (group.y * groups.x + group.x) * 64u + lane;
    if (index >= info.count) {
        return;
    }
    let channel = index % info.c_out;
    let pixel = index / info.c_out;
    // A window that hangs over the top or left edge wraps past zero, which is
    // outside as well.
    let top = pixel / info.out_w * info.stride - info.pad_top;
    let left = pixel % info.out_w * info.stride - info.pad_left;
    let first_in = channel / info.group_out * info.group_in;
    let taps = info.kernel * info.kernel;
    let first_weight = channel * info.group_in * taps;
    var sum = 0.0;
    sum = bias[channel]; // if bias
    for (var ky = 0u; ky < info.kernel; ky = ky + 1u) {
        let row = top + ky;
        if (row >= info.in_h) {
            continue;
        }
        for (var kx = 0u; kx < info.kernel; kx = kx + 1u) {
            let column = left + kx;
            if (column >= info.in_w) {
                continue;
            }
            let input = (row * info.in_w + column) * info.c_in + first_in;
            let tap = first_weight + ky * info.kernel + kx;
            for (var c = 0u; c < info.group_in; c = c + 1u) {
                sum = sum + x[input + c] * weight[tap + c * taps];
            }
        }
    }
    result[index] = sum; // if no activation
    result[index] = apply(sum); // if activation
}
