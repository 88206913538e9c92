//! What the kernels keep for each device.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use burn_wgpu::CubeTensor;
use cubecl::client::Client;
use cubecl::server::Handle;
use cubecl::{Device, MemoryScope};

use super::faults::Faults;
use super::program::Program;
use crate::device::DeviceMemory;
use crate::device::KernelFamily;
use crate::error::DeviceError;
use crate::rope::Rope;

/// One device: how to reach it, what it can do, what it reported.
pub(crate) struct GpuContext {
    pub(super) device: Device,
    /// The same device below Burn, for error scopes.
    pub(super) webgpu: wgpu::Device,
    pub(crate) client: Client,
    pub(crate) faults: Arc<Faults>,
    /// Which kernels compute: a CPU in disguise wants others.
    pub(super) kernels: KernelFamily,
    /// Largest buffer of weights that a program may see, in bytes.
    pub(super) largest_binding: usize,
    /// Launches so far.
    dispatches: AtomicU64,
    /// Programs launched at least once.
    launched: Mutex<HashSet<Program>>,
    /// Rotations of every position used so far; see [`super::rope`].
    rotations: Mutex<Vec<Rotations>>,
}

struct Rotations {
    rope: Rope,
    positions: u32,
    table: Handle,
}

impl std::fmt::Debug for GpuContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GpuContext")
            .field("device", &self.device)
            .field("kernels", &self.kernels)
            .finish_non_exhaustive()
    }
}

/// Every device a tensor of this process was seen on. A device is never taken
/// out: Burn's own registry keeps it as long.
static CONTEXTS: RwLock<Vec<Arc<GpuContext>>> = RwLock::new(Vec::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Caches: an entry is whole whatever panicked while the lock was held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl GpuContext {
    /// Registers `device`, so that tensors on it find their context.
    pub(crate) fn register(
        device: Device,
        webgpu: wgpu::Device,
        kernels: KernelFamily,
        largest_binding: Option<usize>,
        faults: Arc<Faults>,
    ) -> Arc<Self> {
        let client = device.client();
        let limit = usize::try_from(client.properties().memory.max_page_size);
        let limit = limit.unwrap_or(usize::MAX);
        let context = Arc::new(Self {
            client,
            device,
            webgpu,
            faults,
            kernels,
            largest_binding: largest_binding.map_or(limit, |wish| wish.min(limit)),
            dispatches: AtomicU64::new(0),
            launched: Mutex::default(),
            rotations: Mutex::default(),
        });
        CONTEXTS
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(context.clone());
        context
    }

    /// See [`ComputeDevice::kernels`](crate::ComputeDevice::kernels).
    pub(crate) fn kernels(&self) -> KernelFamily {
        self.kernels
    }

    /// The device for Burn.
    pub(crate) fn burn(&self) -> burn::tensor::Device {
        burn::tensor::Device::new(self.device.clone())
    }

    /// See [`ComputeDevice::check`](crate::ComputeDevice::check).
    pub(crate) async fn check(&self) -> Result<(), DeviceError> {
        if let Err(error) = self.client.flush() {
            self.faults.push(DeviceError::Validation {
                message: error.to_string(),
            });
        }
        // A browser reports in the order of the commands, so that what came
        // before this scope has been reported once the scope itself answers.
        let scope = self.webgpu.push_error_scope(wgpu::ErrorFilter::Validation);
        if let Some(error) = scope.pop().await {
            self.faults.push(DeviceError::Validation {
                message: error.to_string(),
            });
        }
        self.faults.take().map_or(Ok(()), Err)
    }

    /// See [`ComputeDevice::dispatches`](crate::ComputeDevice::dispatches).
    pub(crate) fn dispatches(&self) -> u64 {
        self.dispatches.load(Ordering::Relaxed)
    }

    /// See [`ComputeDevice::programs`](crate::ComputeDevice::programs).
    pub(crate) fn programs(&self) -> usize {
        lock(&self.launched).len()
    }

    /// See [`ComputeDevice::memory`](crate::ComputeDevice::memory).
    pub(crate) fn memory(&self) -> DeviceMemory {
        let usage = self.client.memory_report(MemoryScope::Device).usage();
        DeviceMemory {
            in_use: usage.bytes_in_use,
            reserved: usage.bytes_reserved,
        }
    }

    /// See [`ComputeDevice::release_unused`](crate::ComputeDevice::release_unused).
    pub(crate) fn release_unused(&self) {
        // Refused only while a launch is recorded to be repeated, which nothing here does.
        if let Err(error) = self.client.memory_cleanup() {
            self.faults.push(DeviceError::Validation {
                message: error.to_string(),
            });
        }
    }

    /// Notes a launch of `program`; true the first time.
    pub(super) fn first_launch(&self, program: &Program) -> bool {
        self.dispatches.fetch_add(1, Ordering::Relaxed);
        let mut launched = lock(&self.launched);
        !launched.contains(program) && launched.insert(program.clone())
    }

    /// Cosine and sine of every pair at every position up to `positions`, in a
    /// buffer that is made once and doubled as the positions grow: an upload
    /// between two launches splits the submission.
    pub(super) fn rotations(&self, rope: &Rope, positions: u32) -> Handle {
        const FIRST: u32 = 512;
        let mut rotations = lock(&self.rotations);
        let known = rotations.iter().position(|known| known.rope == *rope);
        if let Some(known) = known.map(|place| &rotations[place])
            && known.positions >= positions
        {
            return known.table.clone();
        }
        let positions = positions.max(FIRST).next_power_of_two();
        let table: Vec<f32> = (0..positions)
            .flat_map(|position| rope.rotations(position))
            .flat_map(|(cos, sin)| [cos, sin])
            .collect();
        let table = self.client.create_from_slice(bytemuck::cast_slice(&table));
        let entry = Rotations {
            rope: *rope,
            positions,
            table: table.clone(),
        };
        match known {
            Some(place) => rotations[place] = entry,
            None => rotations.push(entry),
        }
        table
    }
}

/// The context of `device`, where it was registered.
pub(crate) fn context(device: &Device) -> Option<Arc<GpuContext>> {
    CONTEXTS
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .iter()
        .find(|context| context.device == *device)
        .cloned()
}

/// The context of the device `tensor` is on.
///
/// # Panics
/// Where that device was not opened by this crate.
pub(super) fn context_of(tensor: &CubeTensor) -> Arc<GpuContext> {
    context(&tensor.device).expect("invariant: a tensor's device was opened by `ComputeDevice`")
}
