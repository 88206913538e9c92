// What attention reads and writes: for each query the values of the keys that it sees, by
// softmax of the scores.
struct Info {
    queries: u32,
    heads: u32,
    kv_heads: u32,
    // Vectors of four numbers in a head: at most 64.
    head_vectors: u32,
    // The span of query i is start .. end + step * i; behind it, where sequences
    // branch, come the keys that its branch names.
    start: u32,
    end: u32,
    step: u32,
    // Slopes of the position bias: the power of two from `heads` on, and the
    // largest exponent.
    slope_count: u32,
    max_bias: f32,
    scale: f32,
}

// Below every score, and finite: differences to it are numbers.
const LOWEST = -1e30;

var<storage, read> q: array<vec4<f32>>;
var<storage, read> k: array<vec4<f32>>;
var<storage, read> v: array<vec4<f32>>;
// Every query's start and end, or the start and length of its branch in `branches`.
var<storage, read> spans: array<vec2<u32>>; // if no rule
var<storage, read> branches: array<u32>; // if branches
var<storage, read_write> result: array<vec4<f32>>;
var<uniform> info: Info;

fn span_of(row: u32) -> vec2<u32> {
    return spans[row]; // if pairs
    return vec2<u32>(info.start, info.end + spans[row].y); // if branches
    return vec2<u32>(info.start, info.end + info.step * row); // if rule
}

// The row of the key at a place of a query's span.
fn key_row(row: u32, place: u32) -> u32 {
    if (place >= info.end) { // if branches
        return branches[spans[row].x + place - info.end]; // if branches
    } // if branches
    return place;
}

fn slope_of(head: u32) -> f32 {
    var place = head;
    if (info.slope_count != info.heads) {
        let odd = info.slope_count / 2u;
        place = select(2u * (head - odd), 2u * head + 1u, head < odd);
    }
    return exp2(-f32(place + 1u) * info.max_bias / f32(info.slope_count));
}
