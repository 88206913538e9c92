
var<workgroup> lanes: array<f32, 64>;

// The sum of every invocation's number, to all of them.
fn workgroup_sum(lane: u32, number: f32) -> f32 {
    lanes[lane] = number;
    workgroupBarrier();
    for (var half_width = 32u; half_width > 0u; half_width = half_width / 2u) {
        if (lane < half_width) {
            lanes[lane] = lanes[lane] + lanes[lane + half_width];
        }
        workgroupBarrier();
    }
    let sum = lanes[0];
    workgroupBarrier();
    return sum;
}
