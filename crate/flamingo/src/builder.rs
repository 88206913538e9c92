//! A model made of tensors that arrive one by one.
//!
//! Each tensor is checked against the configuration's inventory, handed to the
//! device and forgotten: the heap never holds more than the one in flight.

use std::collections::{HashMap, HashSet};

use burn::tensor::{Device, Tensor, TensorData};
use flamingo_kernels::{ComputeDevice, KernelError, PackedMatrix, PackedRows, lasting};
use flamingo_weights::{LoadedTensor, TensorType, blocks};

use crate::config::FlamingoConfig;
use crate::error::{ModelError, WeightError};
use crate::inventory::{TensorRole, TensorSpec};
use crate::model::Flamingo;

/// Collects the tensors of one model. See [`FlamingoBuilder::insert`].
pub struct FlamingoBuilder {
    config: FlamingoConfig,
    device: ComputeDevice,
    /// What has not come yet, by name.
    missing: HashMap<String, TensorSpec>,
    /// What has.
    inserted: HashSet<String>,
    /// Stacks of which parts are missing, by name.
    stacks: HashMap<String, Stack>,
    /// Stands for every matrix, where there is one.
    lender: Option<PackedMatrix>,
    weights: Weights,
}

/// Matrices that read the same input, on their way to become one.
#[derive(Default)]
struct Stack {
    /// Names of the parts, in order.
    names: Vec<String>,
    /// Those that have come.
    parts: HashMap<String, PackedRows>,
}

impl FlamingoBuilder {
    /// Starts a model of this configuration on this device.
    ///
    /// # Errors
    /// [`ModelError::Config`] where the configuration is impossible.
    pub fn new(config: FlamingoConfig, device: &ComputeDevice) -> Result<Self, ModelError> {
        config.validate()?;
        let specs = config.tensors();
        let mut stacks: HashMap<String, Stack> = HashMap::new();
        for spec in &specs {
            if let Some(stack) = &spec.stack {
                let stack = stacks.entry(stack.clone()).or_default();
                stack.names.push(spec.name.clone());
            }
        }
        let missing = specs
            .into_iter()
            .map(|spec| (spec.name.clone(), spec))
            .collect();
        Ok(Self {
            config,
            device: device.clone(),
            missing,
            inserted: HashSet::new(),
            stacks,
            lender: None,
            weights: Weights {
                device: device.burn(),
                loaded: HashMap::new(),
            },
        })
    }

    /// Lets the largest matrix that `other` has got stand for every matrix that comes: a
    /// model that nobody believes takes no memory then but for its vectors.
    pub fn borrow_from(&mut self, other: &Self) {
        self.lender = other.weights.largest_matrix().cloned();
    }

    /// The model's sizes.
    pub fn config(&self) -> &FlamingoConfig {
        &self.config
    }

    /// Takes one tensor, in any order, and puts it on the device.
    ///
    /// # Errors
    /// Where the configuration has no such tensor, it came before, or its
    /// shape or type does not fit.
    pub fn insert(&mut self, tensor: LoadedTensor) -> Result<(), ModelError> {
        let LoadedTensor { info, data } = tensor;
        let name = info.name;
        let Some(spec) = self.missing.remove(&name) else {
            return Err(if self.inserted.contains(&name) {
                ModelError::DuplicateTensor { name }
            } else {
                ModelError::UnexpectedTensor { name }
            });
        };
        if info.shape != spec.shape {
            return Err(ModelError::ShapeMismatch {
                name,
                found: info.shape,
                expected: spec.shape,
            });
        }
        let refused = |source| ModelError::Weight {
            name: name.clone(),
            source,
        };
        match &spec.stack {
            Some(stack) => self
                .stack(stack, &name, info.tensor_type, data, &spec)
                .map_err(refused)?,
            None => {
                let weight = self.upload(info.tensor_type, data, &spec);
                self.weights
                    .loaded
                    .insert(name.clone(), weight.map_err(refused)?);
            }
        }
        self.inserted.insert(name);
        Ok(())
    }

    /// Keeps a part of a stack until all have come; then they go to the device, those
    /// that are packed alike as one matrix.
    fn stack(
        &mut self,
        stack: &str,
        name: &str,
        tensor_type: TensorType,
        data: Vec<u8>,
        spec: &TensorSpec,
    ) -> Result<(), WeightError> {
        let (rows, cols) = match spec.shape[..] {
            [rows, cols] => (rows, cols),
            _ => (0, 0),
        };
        let part = PackedRows::new(tensor_type, rows, cols, data)?;
        let Some(waiting) = self.stacks.get_mut(stack) else {
            return Ok(());
        };
        waiting.parts.insert(name.to_owned(), part);
        if waiting.parts.len() < waiting.names.len() {
            return Ok(());
        }
        let mut alike: Vec<PackedRows> = Vec::new();
        for name in &waiting.names {
            match (alike.last_mut(), waiting.parts.remove(name)) {
                (Some(last), Some(part)) if last.tensor_type == part.tensor_type => {
                    last.rows += part.rows;
                    // What is kept for ever takes no more room than it needs.
                    last.bytes.reserve_exact(part.bytes.len());
                    last.bytes.extend_from_slice(&part.bytes);
                }
                (_, part) => alike.extend(part),
            }
        }
        let matrices = alike
            .into_iter()
            .map(|rows| self.matrix(rows))
            .collect::<Result<_, _>>()?;
        self.stacks.remove(stack);
        let weight = Weight::Stack(matrices);
        self.weights.loaded.insert(stack.to_owned(), weight);
        Ok(())
    }

    fn upload(
        &self,
        tensor_type: TensorType,
        data: Vec<u8>,
        spec: &TensorSpec,
    ) -> Result<Weight, WeightError> {
        if let (TensorRole::Matrix, &[rows, cols]) = (spec.role, spec.shape.as_slice()) {
            let rows = PackedRows::new(tensor_type, rows, cols, data)?;
            return Ok(Weight::Matrix(self.matrix(rows)?));
        }
        let mut values = vec![0.0; spec.shape.iter().product()];
        blocks::dequantize_row(tensor_type, &data, &mut values)?;
        let device = &self.weights.device;
        Ok(match (spec.role, spec.shape.as_slice()) {
            (TensorRole::Gate, _) => Weight::Gate(values.first().copied().unwrap_or_default()),
            (_, &[rows, cols]) => {
                Weight::Table(lasting(TensorData::new(values, [rows, cols]), device))
            }
            _ => {
                let length = values.len();
                Weight::Vector(lasting(TensorData::new(values, [length]), device))
            }
        })
    }

    fn matrix(&self, rows: PackedRows) -> Result<PackedMatrix, KernelError> {
        let lent = self.lender.as_ref().and_then(|lender| lender.lend(&rows));
        lent.map_or_else(|| PackedMatrix::upload(rows, &self.device), Ok)
    }

    /// Puts the model together.
    ///
    /// # Errors
    /// [`ModelError::MissingTensors`] where some never came.
    pub fn build(mut self) -> Result<Flamingo, ModelError> {
        if let Some(first) = self.missing.keys().min() {
            return Err(ModelError::MissingTensors {
                count: self.missing.len(),
                first: first.clone(),
            });
        }
        Flamingo::from_weights(self.config, self.device, &mut self.weights)
    }
}

/// A loaded tensor in the form its role asks for.
enum Weight {
    Matrix(PackedMatrix),
    Stack(Vec<PackedMatrix>),
    Table(Tensor<2>),
    Vector(Tensor<1>),
    Gate(f32),
}

/// The loaded tensors, taken out by name as the layers are made.
///
/// Names, shapes and roles have been checked against the inventory, so a
/// lookup can only fail where a layer and the inventory disagree.
pub(crate) struct Weights {
    device: Device,
    loaded: HashMap<String, Weight>,
}

impl Weights {
    fn take(&mut self, name: &str) -> Result<Weight, ModelError> {
        self.loaded
            .remove(name)
            .ok_or_else(|| ModelError::MissingTensors {
                count: 1,
                first: name.to_owned(),
            })
    }

    fn largest_matrix(&self) -> Option<&PackedMatrix> {
        let matrices = self.loaded.values().flat_map(|weight| match weight {
            Weight::Matrix(matrix) => std::slice::from_ref(matrix),
            Weight::Stack(parts) => parts,
            Weight::Table(_) | Weight::Vector(_) | Weight::Gate(_) => &[],
        });
        matrices.max_by_key(|matrix| matrix.byte_len())
    }

    pub(crate) fn matrix(&mut self, name: &str) -> Result<PackedMatrix, ModelError> {
        match self.take(name)? {
            Weight::Matrix(matrix) => Ok(matrix),
            _ => Err(ModelError::UnexpectedTensor {
                name: name.to_owned(),
            }),
        }
    }

    pub(crate) fn stack(&mut self, name: &str) -> Result<Vec<PackedMatrix>, ModelError> {
        match self.take(name)? {
            Weight::Stack(parts) => Ok(parts),
            _ => Err(ModelError::UnexpectedTensor {
                name: name.to_owned(),
            }),
        }
    }

    pub(crate) fn table(&mut self, name: &str) -> Result<Tensor<2>, ModelError> {
        match self.take(name)? {
            Weight::Table(table) => Ok(table),
            _ => Err(ModelError::UnexpectedTensor {
                name: name.to_owned(),
            }),
        }
    }

    pub(crate) fn vector(&mut self, name: &str) -> Result<Tensor<1>, ModelError> {
        match self.take(name)? {
            Weight::Vector(vector) => Ok(vector),
            _ => Err(ModelError::UnexpectedTensor {
                name: name.to_owned(),
            }),
        }
    }

    pub(crate) fn gate(&mut self, name: &str) -> Result<f32, ModelError> {
        match self.take(name)? {
            Weight::Gate(gate) => Ok(gate),
            _ => Err(ModelError::UnexpectedTensor {
                name: name.to_owned(),
            }),
        }
    }
}
