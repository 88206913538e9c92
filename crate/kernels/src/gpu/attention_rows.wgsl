// One invocation makes HALF of the VECTORS of one head of one query; sums are rescaled
// wherever a larger score comes (Milakov and Gimelshein 2018). For software devices,
// where a workgroup's memory and barriers take longer than making every score twice.
@compute @workgroup_size(16)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let halves = VECTORS / HALF;
    let place = (group.y * groups.x + group.x) * 16u + lane;
    let index = place / halves;
    if (index >= info.queries * info.heads) {
        return;
    }
    let half = (place % halves) * HALF;
    let row = index / info.heads;
    let head = index % info.heads;
    let span = span_of(row);
    let kv_width = info.kv_heads * VECTORS;
    let kv_first = head * info.kv_heads / info.heads * VECTORS;
    let query# = q[index * VECTORS + #u] * info.scale; // vectors
    var sum# = vec4<f32>(0.0); // half
    let slope = slope_of(head); // if alibi
    var largest = LOWEST;
    var total = 0.0;
    for (var j = span.x; j < span.y; j = j + 1u) {
        let key = kv_first + key_row(row, j) * kv_width;
        var products = vec4<f32>(0.0);
        products = products + query# * k[key + #u]; // vectors
        var score = dot(products, vec4<f32>(1.0));
        score = score - slope * f32(span.y - 1u - j); // if alibi
        let new_largest = max(largest, score);
        let rescale = exp(largest - new_largest);
        let weight = exp(score - new_largest);
        largest = new_largest;
        total = total * rescale + weight;
        sum# = sum# * rescale + weight * v[key + half + #u]; // half
    }
    let factor = select(0.0, 1.0 / total, total > 0.0);
    result[index * VECTORS + half + #u] = sum# * factor; // half
}
