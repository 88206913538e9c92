
var<workgroup> lanes: array<f32, 64>;
var<workgroup> eighths: array<f32, 8>;

// The sum of every invocation's number, to all of them. Two barriers: the next
// call's first one keeps it from what this call's last readers read.
fn workgroup_sum(lane: u32, number: f32) -> f32 {
    lanes[lane] = number;
    workgroupBarrier();
    if (lane < 8u) {
        var part = lanes[lane];
        for (var i = 8u; i < 64u; i = i + 8u) {
            part = part + lanes[lane + i];
        }
        eighths[lane] = part;
    }
    workgroupBarrier();
    var sum = eighths[0];
    for (var i = 1u; i < 8u; i = i + 1u) {
        sum = sum + eighths[i];
    }
    return sum;
}
