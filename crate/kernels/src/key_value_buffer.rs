//! Keys or values of one layer, growing in place.

use std::sync::Arc;

use burn::tensor::{DType, Tensor};
use burn_flex::{Flex, FlexTensor, Layout};

use crate::dense::{from_gpu, on_cpu, on_gpu};
use crate::device::{ComputeDevice, Place};
use crate::gpu::{Gpu, GpuBuffer, GpuContext};

/// Rows the buffer grows by. A caption with a few examples takes one or two.
const PAGE: usize = 256;

/// Rows `[len, width]` that are appended and truncated without copying what is
/// there.
///
/// The buffer holds whole pages of 256 rows; where the last is full it is copied
/// once, on its device, into a buffer one page and at least half as large again.
#[derive(Debug)]
pub struct KeyValueBuffer {
    width: usize,
    len: usize,
    capacity: usize,
    storage: Storage,
}

#[derive(Debug)]
enum Storage {
    /// Copies itself where a view still shares it.
    Cpu(FlexTensor),
    Gpu {
        context: Arc<GpuContext>,
        rows: GpuBuffer,
    },
}

impl KeyValueBuffer {
    /// An empty buffer for rows of `width` numbers.
    pub fn new(width: usize, device: &ComputeDevice) -> Self {
        let storage = match device.place() {
            Place::Cpu { .. } => Storage::Cpu(FlexTensor::zeros([PAGE, width].into(), DType::F32)),
            Place::Gpu(context) => Storage::Gpu {
                rows: context.buffer(PAGE * width),
                context: context.clone(),
            },
        };
        Self {
            width,
            len: 0,
            capacity: PAGE,
            storage,
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes held on the device.
    pub fn byte_len(&self) -> usize {
        self.capacity * self.width * size_of::<f32>()
    }

    /// Appends `rows` `[n, width]`.
    ///
    /// # Panics
    /// Where the width differs or `rows` is on another device.
    pub fn append(&mut self, rows: Tensor<2>) {
        let [count, width] = rows.dims();
        assert_eq!(width, self.width, "KeyValueBuffer: width of the rows");
        self.reserve(count);
        let start = self.len * width;
        match &mut self.storage {
            Storage::Cpu(held) => {
                let rows = on_cpu(rows);
                held.storage_mut::<f32>()[start..start + rows.len()].copy_from_slice(&rows);
            }
            Storage::Gpu {
                context,
                rows: held,
            } => {
                let rows = on_gpu(rows);
                Gpu.copy(context, &rows.handle, held, start, count * width);
            }
        }
        self.advance(count);
    }

    /// Makes room for `count` more rows.
    pub(crate) fn reserve(&mut self, count: usize) {
        if self.len + count > self.capacity {
            self.grow(self.len + count);
        }
    }

    /// Counts rows that were written behind the last one, in the room that was made.
    pub(crate) fn advance(&mut self, count: usize) {
        self.len += count;
    }

    /// Elements of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Whether the buffer lies on `device`.
    pub fn is_on(&self, device: &ComputeDevice) -> bool {
        match (&self.storage, device.place()) {
            (Storage::Cpu(_), Place::Cpu { .. }) => true,
            (Storage::Gpu { context, .. }, Place::Gpu(other)) => Arc::ptr_eq(context, other),
            (Storage::Cpu(_), Place::Gpu(_)) | (Storage::Gpu { .. }, Place::Cpu { .. }) => false,
        }
    }

    /// # Panics
    /// Where the buffer is on the CPU: the rows to append are not.
    pub(crate) fn on_gpu(&self) -> &GpuBuffer {
        let rows = match &self.storage {
            Storage::Gpu { rows, .. } => Some(rows),
            Storage::Cpu(_) => None,
        };
        rows.expect("invariant: a buffer lies where its rows are, on the GPU")
    }

    /// The rows, `[len, width]`, shared with the buffer. On the GPU a view shows
    /// what the buffer holds when it is read: take a new one after `truncate`.
    pub fn view(&self) -> Tensor<2> {
        match &self.storage {
            Storage::Cpu(held) => {
                let layout = Layout::contiguous([self.len, self.width].into());
                let shared = FlexTensor::from_arc(held.data_arc(), layout, DType::F32);
                Tensor::from_primitive::<Flex>(shared)
            }
            Storage::Gpu { context, rows } => {
                let unused = self.capacity - self.len;
                from_gpu(context.first_rows(rows, self.len, unused, self.width))
            }
        }
    }

    /// Forgets the rows from `len` on; does nothing where there are fewer.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Moves the rows to a buffer that holds at least `needed`.
    fn grow(&mut self, needed: usize) {
        let capacity = needed
            .max(self.capacity + self.capacity / 2)
            .next_multiple_of(PAGE);
        let used = self.len * self.width;
        match &mut self.storage {
            Storage::Cpu(held) => {
                let mut larger = FlexTensor::zeros([capacity, self.width].into(), DType::F32);
                larger.storage_mut::<f32>()[..used].copy_from_slice(&held.storage::<f32>()[..used]);
                *held = larger;
            }
            Storage::Gpu { context, rows } => {
                let larger = context.buffer(capacity * self.width);
                Gpu.copy(context, rows, &larger, 0, used);
                *rows = larger;
            }
        }
        self.capacity = capacity;
    }
}
