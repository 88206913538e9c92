// One workgroup makes one head of one query. Keys come in chunks whose scores
// fit the workgroup's memory; sums are rescaled where a chunk holds a larger
// score than those before (Milakov and Gimelshein 2018).
struct Info {
    queries: u32,
    heads: u32,
    kv_heads: u32,
    head_dim: u32,
    // The span of query i is start .. end + step * i.
    start: u32,
    end: u32,
    step: u32,
    // Slopes of the position bias: the power of two from `heads` on, and the
    // largest exponent.
    slope_count: u32,
    max_bias: f32,
    scale: f32,
}

const CHUNK = 1024u;
// Below every score, and finite: differences to it are numbers.
const LOWEST = -1e30;

var<storage, read> q: array<f32>;
var<storage, read> k: array<f32>;
var<storage, read> v: array<f32>;
var<storage, read> spans: array<vec2<u32>>; // if pairs
var<storage, read_write> result: array<f32>;
var<uniform> info: Info;

var<workgroup> query: array<f32, 256>;
var<workgroup> scores: array<f32, CHUNK>;

fn span_of(row: u32) -> vec2<u32> {
    return spans[row]; // if pairs
    return vec2<u32>(info.start, info.end + info.step * row); // if no pairs
}

fn slope_of(head: u32) -> f32 {
    var place = head;
    if (info.slope_count != info.heads) {
        let odd = info.slope_count / 2u;
        place = select(2u * (head - odd), 2u * head + 1u, head < odd);
    }
    return exp2(-f32(place + 1u) * info.max_bias / f32(info.slope_count));
}

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
    let kv_width = info.kv_heads * info.head_dim;
    let kv_first = head * info.kv_heads / info.heads * info.head_dim;
    let first = index * info.head_dim;
    for (var i = lane; i < info.head_dim; i = i + 64u) {
        query[i] = q[first + i];
    }
    workgroupBarrier();
    let slope = slope_of(head); // if alibi
    var largest = LOWEST;
    var total = 0.0;
    var sum# = 0.0; // each
    for (var base = span.x; base < span.y; base = base + CHUNK) {
        let count = min(CHUNK, span.y - base);
        var chunk_largest = LOWEST;
        for (var j = lane; j < count; j = j + 64u) {
            let key = kv_first + (base + j) * kv_width;
            var score = 0.0;
            for (var i = 0u; i < info.head_dim; i = i + 1u) {
                score = score + query[i] * k[key + i];
            }
            score = score * info.scale;
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
        sum# = sum# * rescale; // each
        for (var j = 0u; j < count; j = j + 1u) {
            let weight = scores[j];
            let value = kv_first + (base + j) * kv_width + lane;
            if (#u * 64u + lane < info.head_dim) { sum# = sum# + weight * v[value + #u * 64u]; } // each
        }
        workgroupBarrier();
    }
    let normal = select(0.0, 1.0 / total, total > 0.0);
    if (#u * 64u + lane < info.head_dim) { result[first + #u * 64u + lane] = sum# * normal; } // each
}

// The largest of every invocation's number, to all of them.
fn workgroup_max(lane: u32, number: f32) -> f32 {
    lanes[lane] = number;
    workgroupBarrier();
    for (var half_width = 32u; half_width > 0u; half_width = half_width / 2u) {
        if (lane < half_width) {
            lanes[lane] = max(lanes[lane], lanes[lane + half_width]);
        }
        workgroupBarrier();
    }
    let largest = lanes[0];
    workgroupBarrier();
    return largest;
}
