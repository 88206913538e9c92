//! A model made of tensors that arrive one by one.
//!
//! Each tensor is checked against the configuration's inventory, handed to the
//! device and forgotten: the heap never holds more than the one in flight.

use std::collections::{HashMap, HashSet};

use burn::tensor::{Device, Tensor, TensorData};
use flamingo_architecture::{FlamingoConfig, TensorRole, TensorSpec};
use flamingo_kernels::{ComputeDevice, KernelError, PackedMatrix, PackedRows, lasting};
use flamingo_weights::{LoadedTensor, TensorType, blocks};

use crate::error::{ModelError, WeightError};
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

/// Matrices that read the same input, or their biases, on their way to become one.
#[derive(Default)]
struct Stack {
    /// Names of the parts, in order.
    names: Vec<String>,
    /// Those that have come.
    parts: HashMap<String, Part>,
}

/// A part of a stack.
enum Part {
    Matrix(PackedRows),
    Vector(Vec<f32>),
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

    /// Backs every matrix that comes with the largest one of `other`, so that a warm-up
    /// model needs almost no memory. Its values are garbage.
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
        let finite = match blocks::first_not_finite(info.tensor_type, &data) {
            None => Ok(()),
            Some(index) => Err(WeightError::NotFinite { index }),
        };
        finite
            .and_then(|()| self.hold(info.tensor_type, data, &spec))
            .map_err(|source| ModelError::Weight {
                name: name.clone(),
                source,
            })?;
        self.inserted.insert(name);
        Ok(())
    }

    /// Puts a tensor on the device, or keeps it until its stack is whole.
    fn hold(
        &mut self,
        tensor_type: TensorType,
        data: Vec<u8>,
        spec: &TensorSpec,
    ) -> Result<(), WeightError> {
        let part = match (spec.role, spec.rows_and_columns()) {
            (TensorRole::Matrix, Some((rows, columns))) => {
                Part::Matrix(PackedRows::new(tensor_type, rows, columns, data)?)
            }
            _ => {
                let mut values = vec![0.0; spec.shape.iter().product()];
                blocks::dequantize_row(tensor_type, &data, &mut values)?;
                Part::Vector(values)
            }
        };
        let (name, weight) = match &spec.stack {
            Some(stack) => match self.stack(stack, &spec.name, part)? {
                Some(weight) => (stack, weight),
                None => return Ok(()),
            },
            None => (&spec.name, self.upload(part, spec)?),
        };
        self.weights.loaded.insert(name.clone(), weight);
        Ok(())
    }

    /// Adds a part to its stack. Once it is whole, the parts go to the device: matrices
    /// that are packed alike as one, biases as one vector.
    fn stack(
        &mut self,
        stack: &str,
        name: &str,
        part: Part,
    ) -> Result<Option<Weight>, WeightError> {
        let waiting = self.stacks.get_mut(stack).expect(
            "invariant: a part of a stack arrives once, and the stack ends with its last part",
        );
        waiting.parts.insert(name.to_owned(), part);
        if waiting.parts.len() < waiting.names.len() {
            return Ok(None);
        }
        let mut matrices: Vec<PackedRows> = Vec::new();
        let mut bias: Vec<f32> = Vec::new();
        for name in &waiting.names {
            let part = waiting
                .parts
                .remove(name)
                .expect("invariant: as many parts have come as the stack has names");
            match (matrices.last_mut(), part) {
                (Some(last), Part::Matrix(part)) if last.tensor_type == part.tensor_type => {
                    last.rows += part.rows;
                    // What is kept for ever takes no more room than it needs.
                    last.bytes.reserve_exact(part.bytes.len());
                    last.bytes.extend_from_slice(&part.bytes);
                }
                (_, Part::Matrix(part)) => matrices.push(part),
                (_, Part::Vector(part)) => bias.extend(part),
            }
        }
        self.stacks.remove(stack);
        if matrices.is_empty() {
            return Ok(Some(self.vector(bias)));
        }
        let matrices = matrices.into_iter().map(|rows| self.matrix(rows));
        Ok(Some(Weight::Matrices(matrices.collect::<Result<_, _>>()?)))
    }

    fn upload(&self, part: Part, spec: &TensorSpec) -> Result<Weight, WeightError> {
        let values = match part {
            Part::Matrix(rows) => return Ok(Weight::Matrices(vec![self.matrix(rows)?])),
            Part::Vector(values) => values,
        };
        let table = spec.rows_and_columns();
        Ok(match (spec.role, table, &values[..]) {
            (TensorRole::Gate, _, &[gate]) => Weight::Gate(gate),
            (_, Some((rows, columns)), _) => {
                let data = TensorData::new(values, [rows, columns]);
                Weight::Table(lasting(data, &self.weights.device))
            }
            _ => self.vector(values),
        })
    }

    fn vector(&self, values: Vec<f32>) -> Weight {
        let length = values.len();
        let data = TensorData::new(values, [length]);
        Weight::Vector(lasting(data, &self.weights.device))
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

/// A loaded tensor, or stack of them, in the form its role asks for.
enum Weight {
    Matrices(Vec<PackedMatrix>),
    Table(Tensor<2>),
    Vector(Tensor<1>),
    Gate(f32),
}

/// The loaded tensors, taken out by the layers as these are made.
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
            Weight::Matrices(parts) => &parts[..],
            Weight::Table(_) | Weight::Vector(_) | Weight::Gate(_) => &[],
        });
        matrices.max_by_key(|matrix| matrix.byte_len())
    }

    /// The matrices of one stack, or the one of a single tensor; those that are packed
    /// alike are one.
    pub(crate) fn matrices(
        &mut self,
        specs: &[TensorSpec],
    ) -> Result<Vec<PackedMatrix>, ModelError> {
        let name = held_as(specs);
        match self.take(name)? {
            Weight::Matrices(parts) => Ok(parts),
            _ => Err(unexpected(name)),
        }
    }

    pub(crate) fn matrix(&mut self, spec: &TensorSpec) -> Result<PackedMatrix, ModelError> {
        let mut parts = self.matrices(std::slice::from_ref(spec))?;
        match (parts.pop(), parts.is_empty()) {
            (Some(matrix), true) => Ok(matrix),
            _ => Err(unexpected(&spec.name)),
        }
    }

    pub(crate) fn optional_matrix(
        &mut self,
        spec: Option<&TensorSpec>,
    ) -> Result<Option<PackedMatrix>, ModelError> {
        spec.map(|spec| self.matrix(spec)).transpose()
    }

    pub(crate) fn table(&mut self, spec: &TensorSpec) -> Result<Tensor<2>, ModelError> {
        match self.take(&spec.name)? {
            Weight::Table(table) => Ok(table),
            _ => Err(unexpected(&spec.name)),
        }
    }

    /// The vector of one stack, or that of a single tensor.
    pub(crate) fn vectors(&mut self, specs: &[TensorSpec]) -> Result<Tensor<1>, ModelError> {
        let name = held_as(specs);
        match self.take(name)? {
            Weight::Vector(vector) => Ok(vector),
            _ => Err(unexpected(name)),
        }
    }

    pub(crate) fn vector(&mut self, spec: &TensorSpec) -> Result<Tensor<1>, ModelError> {
        self.vectors(std::slice::from_ref(spec))
    }

    pub(crate) fn gate(&mut self, spec: &TensorSpec) -> Result<f32, ModelError> {
        match self.take(&spec.name)? {
            Weight::Gate(gate) => Ok(gate),
            _ => Err(unexpected(&spec.name)),
        }
    }
}

/// The name that these tensors are held under: their stack's, or the only one's own.
fn held_as(specs: &[TensorSpec]) -> &str {
    let first = specs
        .first()
        .expect("invariant: a description names at least one tensor");
    first.stack.as_deref().unwrap_or(&first.name)
}

fn unexpected(name: &str) -> ModelError {
    ModelError::UnexpectedTensor {
        name: name.to_owned(),
    }
}
