//! Work cut into pieces: threads natively, one after the other in wasm.

/// Work worth a second thread, in multiply-adds. Waking one costs some
/// microseconds.
#[cfg(not(target_family = "wasm"))]
const WORTH_THREADS: usize = 1 << 17;

/// Calls `fill(index, chunk)` for every chunk of `chunk` numbers of `out`.
/// `work` is the whole work in multiply-adds. Which thread takes a chunk does
/// not change its numbers.
pub(super) fn for_each_chunk(
    out: &mut [f32],
    chunk: usize,
    work: usize,
    fill: impl Fn(usize, &mut [f32]) + Sync,
) {
    #[cfg(not(target_family = "wasm"))]
    if work >= WORTH_THREADS {
        use rayon::prelude::*;
        out.par_chunks_mut(chunk)
            .enumerate()
            .for_each(|(index, out)| fill(index, out));
        return;
    }
    let _ = work;
    for (index, out) in out.chunks_mut(chunk).enumerate() {
        fill(index, out);
    }
}
