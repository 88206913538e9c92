//! Work cut into pieces: threads natively and in a browser's module with shared memory,
//! one piece after the other elsewhere.

/// Work worth a second thread, in multiply-adds. To wake one costs some microseconds;
/// the browser's pool, which waits for work without sleeping for a while, less.
#[cfg(not(target_family = "wasm"))]
const WORTH_THREADS: usize = 1 << 17;
#[cfg(target_family = "wasm")]
const WORTH_THREADS: usize = 1 << 15;

/// Calls `fill(index, chunk)` for every chunk of `chunk` numbers of `out`.
/// `work` is the whole work in multiply-adds. Which thread takes a chunk does
/// not change its numbers.
pub(super) fn for_each_chunk(
    out: &mut [f32],
    chunk: usize,
    work: usize,
    fill: impl Fn(usize, &mut [f32]) + Sync,
) {
    if work < WORTH_THREADS {
        return one_after_the_other(out, chunk, fill);
    }
    #[cfg(not(target_family = "wasm"))]
    {
        use rayon::prelude::*;
        out.par_chunks_mut(chunk)
            .enumerate()
            .for_each(|(index, out)| fill(index, out));
    }
    #[cfg(all(target_family = "wasm", target_feature = "atomics"))]
    super::pool::for_each_chunk(out, chunk, fill);
    #[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
    one_after_the_other(out, chunk, fill);
}

fn one_after_the_other(out: &mut [f32], chunk: usize, fill: impl Fn(usize, &mut [f32])) {
    for (index, out) in out.chunks_mut(chunk).enumerate() {
        fill(index, out);
    }
}

/// Threads that share the work of the CPU's operations.
pub fn thread_count() -> usize {
    #[cfg(not(target_family = "wasm"))]
    return rayon::current_num_threads();
    #[cfg(all(target_family = "wasm", target_feature = "atomics"))]
    return super::pool::thread_count();
    #[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
    return 1;
}
