//! How fast a device moves bytes: what decoding a token is held against.

use burn::tensor::{Tensor, TensorData};
use web_time::Instant;

use crate::dense::{from_gpu, on_gpu, read};
use crate::device::{ComputeDevice, Place};
use crate::error::DeviceError;
use crate::gpu::{Gpu, GpuTensor};

/// Larger than the caches of most machines, smaller than any limit of a device.
const BYTES: usize = 64 << 20;
/// Copies that are timed together; the fastest of `RUNS` such counts.
const COPIES: usize = 4;
const RUNS: usize = 3;

impl ComputeDevice {
    /// Bytes read and written a second where 64 MiB are copied, on the CPU by one
    /// thread.
    ///
    /// # Errors
    /// Where the device fails.
    pub async fn copy_bandwidth(&self) -> Result<f64, DeviceError> {
        let numbers = BYTES / size_of::<f32>();
        let mut fastest = f64::INFINITY;
        match self.place() {
            Place::Cpu { .. } => {
                let source = vec![1.0f32; numbers];
                let mut target = vec![0.0f32; numbers];
                for _ in 0..RUNS {
                    let started = Instant::now();
                    for _ in 0..COPIES {
                        target.copy_from_slice(std::hint::black_box(&source));
                        std::hint::black_box(&mut target);
                    }
                    fastest = fastest.min(started.elapsed().as_secs_f64());
                }
            }
            Place::Gpu(context) => {
                let data = TensorData::new(vec![1.0f32; numbers], [1, numbers]);
                let source = on_gpu(Tensor::<2>::from_data(data, &self.burn()));
                let target = context.empty(1, numbers);
                // The first run compiles the program and is not the fastest.
                for _ in 0..=RUNS {
                    self.finish(&target).await?;
                    let started = Instant::now();
                    for _ in 0..COPIES {
                        Gpu.copy(context, &source.handle, &target.handle, 0, numbers);
                    }
                    self.finish(&target).await?;
                    fastest = fastest.min(started.elapsed().as_secs_f64());
                }
            }
        }
        Ok((2 * BYTES * COPIES) as f64 / fastest)
    }

    /// Waits until what was enqueued is done: one number is read back.
    async fn finish(&self, written: &GpuTensor) -> Result<(), DeviceError> {
        let first = from_gpu::<2>(written.clone()).narrow(1, 0, 1);
        read(first).await.map(drop)
    }
}
