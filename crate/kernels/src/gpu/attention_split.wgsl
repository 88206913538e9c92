// One workgroup makes one head of one query. Keys come in chunks whose scores
// fit the workgroup's memory; sums are rescaled where a chunk holds a larger
// score than those before (Milakov and Gimelshein 2018).
const CHUNK = 1024u;

var<workgroup> query: array<vec4<f32>, 64>;
var<workgroup> scores: array<f32, CHUNK>;
var<workgroup> sums: array<vec4<f32>, 64>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = group.y * groups.x + group.x;
    if (index >= info.queries * info.heads) {
        return;
    }
    let row = index / info.heads;
    let head = index % info.heads;
    let span = span_of(row);
    let kv_width = info.kv_heads * info.head_vectors;
    let kv_first = head * info.kv_heads / info.heads * info.head_vectors;
    let first = index * info.head_vectors;
    if (lane < info.head_vectors) {
        query[lane] = q[first + lane] * info.scale;
    }
    workgroupBarrier();
    // For the scores an invocation takes a key; for the values it takes a
    // vector of the head, and as many sets of invocations as there are share
    // the keys.
    let sets = 64u / info.head_vectors;
    let key_set = lane / info.head_vectors;
    let part = lane % info.head_vectors;
    let slope = slope_of(head); // if alibi
    var largest = LOWEST;
    var total = 0.0;
    var sum = vec4<f32>(0.0);
    for (var base = span.x; base < span.y; base = base + CHUNK) {
        let count = min(CHUNK, span.y - base);
        var chunk_largest = LOWEST;
        for (var j = lane; j < count; j = j + 64u) {
            let key = kv_first + key_row(row, base + j) * kv_width;
            var score = 0.0;
            for (var i = 0u; i < info.head_vectors; i = i + 1u) {
                score = score + dot(query[i], k[key + i]);
            }
            score = score - slope * f32(span.y - 1u - base - j); // if alibi
            scores[j] = score;
            chunk_largest = max(chunk_largest, score);
        }
        let new_largest = max(largest, workgroup_max(lane, chunk_largest));
        let rescale = exp(largest - new_largest);
        largest = new_largest;
        var chunk_total = 0.0;
        for (var j = lane; j < count; j = j + 64u) {
            let weight = exp(scores[j] - largest);
            scores[j] = weight;
            chunk_total = chunk_total + weight;
        }
        // The barriers of the sum let every invocation see all weights.
        total = total * rescale + workgroup_sum(lane, chunk_total);
        sum = sum * rescale;
        if (key_set < sets) {
            for (var j = key_set; j < count; j = j + sets) {
                sum = sum + scores[j] * v[kv_first + key_row(row, base + j) * kv_width + part];
            }
        }
        workgroupBarrier();
    }
    sums[lane] = sum;
    workgroupBarrier();
    if (lane < info.head_vectors) {
        for (var other = 1u; other < sets; other = other + 1u) {
            sum = sum + sums[other * info.head_vectors + lane];
        }
        result[first + lane] = sum * select(0.0, 1.0 / total, total > 0.0);
    }
}

// The largest of every invocation's number, to all of them; see workgroup_sum.
fn workgroup_max(lane: u32, number: f32) -> f32 {
    lanes[lane] = number;
    workgroupBarrier();
    if (lane < 8u) {
        var part = lanes[lane];
        for (var i = 8u; i < 64u; i = i + 8u) {
            part = max(part, lanes[lane + i]);
        }
        eighths[lane] = part;
    }
    workgroupBarrier();
    var largest = eighths[0];
    for (var i = 1u; i < 8u; i = i + 1u) {
        largest = max(largest, eighths[i]);
    }
    return largest;
}
