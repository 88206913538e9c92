//! What a device can do at best: what the time of a token or a product is held against.

use web_time::Instant;

use crate::dense::{from_gpu, read};
use crate::device::{ComputeDevice, Place};
use crate::error::DeviceError;
use crate::gpu::{Gpu, GpuTensor};

/// Larger than the caches of most machines, smaller than any limit of a device.
const BYTES: usize = 64 << 20;
/// Programs that are timed together; the fastest of `RUNS` such counts.
const AT_ONCE: usize = 4;
const RUNS: usize = 3;

/// Invocations that multiply at once: more than any device has lanes.
const INVOCATIONS: usize = 1 << 16;
/// Rounds of each, long enough that starting the program does not count.
const ROUNDS: usize = 256;
/// Multiply-adds of a round: `gpu/multiply_add.wgsl` has eight chains of four numbers.
const ROUND: usize = 8 * 4;

impl ComputeDevice {
    /// Bytes read and written a second where 64 MiB are copied, on the CPU by one
    /// thread. Takes twice as much memory for that long: on the CPU of a browser the
    /// heap stays so much larger.
    ///
    /// # Errors
    /// Where the device fails.
    pub async fn copy_bandwidth(&self) -> Result<f64, DeviceError> {
        let numbers = BYTES / size_of::<f32>();
        let seconds = match self.place() {
            Place::Cpu { .. } => {
                let source = vec![1.0f32; numbers];
                let mut target = vec![0.0f32; numbers];
                let mut fastest = f64::INFINITY;
                for _ in 0..RUNS {
                    let started = Instant::now();
                    for _ in 0..AT_ONCE {
                        target.copy_from_slice(std::hint::black_box(&source));
                        std::hint::black_box(&mut target);
                    }
                    fastest = fastest.min(started.elapsed().as_secs_f64());
                }
                fastest
            }
            Place::Gpu(context) => {
                // What is copied does not matter.
                let source = context.empty(1, numbers);
                let target = context.empty(1, numbers);
                self.fastest(&target, || {
                    Gpu.copy(context, &source.handle, &target.handle, 0, numbers);
                })
                .await?
            }
        };
        Ok((2 * BYTES * AT_ONCE) as f64 / seconds)
    }

    /// Multiply-adds of `f32` a second by a program of the GPU that touches nothing but
    /// its registers; none on the CPU.
    ///
    /// # Errors
    /// Where the device fails.
    pub async fn multiply_add_peak(&self) -> Result<Option<f64>, DeviceError> {
        let Place::Gpu(context) = self.place() else {
            return Ok(None);
        };
        let sums = context.empty(1, INVOCATIONS);
        let seconds = self
            .fastest(&sums, || {
                Gpu.multiply_add(context, &sums.handle, INVOCATIONS, ROUNDS);
            })
            .await?;
        let all = ROUND * ROUNDS * INVOCATIONS * AT_ONCE;
        Ok(Some(all as f64 / seconds))
    }

    /// Seconds of [`AT_ONCE`] launches that write `written`, of the fastest run.
    async fn fastest(&self, written: &GpuTensor, launch: impl Fn()) -> Result<f64, DeviceError> {
        let mut fastest = f64::INFINITY;
        // The first run compiles the program and is not the fastest.
        for _ in 0..=RUNS {
            self.finish(written).await?;
            let started = Instant::now();
            for _ in 0..AT_ONCE {
                launch();
            }
            self.finish(written).await?;
            fastest = fastest.min(started.elapsed().as_secs_f64());
        }
        Ok(fastest)
    }

    /// Waits until what was enqueued is done: one number is read back.
    async fn finish(&self, written: &GpuTensor) -> Result<(), DeviceError> {
        let first = from_gpu::<2>(written.clone()).narrow(1, 0, 1);
        read(first).await.map(drop)
    }
}
