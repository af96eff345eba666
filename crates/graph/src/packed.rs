//! [`PackedParameters`]: the weights of a set of graphs as the kernels read them.
//!
//! A weight of products (linear layers, convolutions) is packed once for the forward product, and once more for its input
//! gradient when a graph has that node. Pictures of every size read the same packed weight. Everything else (biases, norm
//! weights, tables) stays f32. Nothing else is kept, so a checkpoint can be dropped after packing.

use std::collections::{HashMap, HashSet};
use std::sync::{RwLock, RwLockReadGuard, mpsc};

use kernels::Cpu;
use kernels::conv::{ConvShape, pack_transposed_weight};
use kernels::gemm::{Layout, PackedMatrix, Precision};
use kernels::winograd;

use crate::graph::{Graph, Role, Tensor};
use crate::{Conv2dOptions, Op, ParameterError, Parameters};

/// Buffers of parameters as f32: one is filled while the other is packed.
const BUFFERS: usize = 2;

/// How a node reads a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Use {
    /// `[K, N]` operand of a forward product; a convolution's K is kh·kw·Ci.
    Forward,
    /// `[N, K]` operand of an input gradient.
    Backward,
    /// Flipped and transposed, the operand of a convolution's input gradient. Doubling its input sums weights.
    Flipped { upsample: usize },
    /// Transformed, the operand of a convolution that multiplies as Winograd's.
    Winograd,
    /// Flipped, transposed and transformed, for an input gradient that does.
    WinogradFlipped,
    /// Plain f32.
    Plain,
}

#[derive(Debug)]
struct Entry {
    shape: Vec<usize>,
    /// How it is read, and where in the store each operand is: among the matrices, or the plain ones.
    places: Vec<(Use, usize)>,
}

/// The storage behind the lock.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) matrices: Vec<PackedMatrix>,
    pub(crate) plain: Vec<Vec<f32>>,
    /// Number of refreshes.
    pub(crate) version: u64,
}

/// Weights packed for one instruction set and precision, shared by executors (in an `Arc`).
#[derive(Debug)]
pub struct PackedParameters {
    cpu: Cpu,
    precision: Precision,
    names: Vec<String>,
    entries: HashMap<String, Entry>,
    store: RwLock<Store>,
}

impl PackedParameters {
    /// Packs what the graphs read of `parameters`.
    pub fn new(
        cpu: &Cpu,
        graphs: &[&Graph],
        parameters: &Parameters,
        precision: Precision,
    ) -> Result<Self, ParameterError> {
        let (packed, mut store) = Self::empty(cpu, graphs, precision)?;
        for name in &packed.names {
            packed.fill(name, values(parameters, name)?, &mut store)?;
        }
        Ok(packed.with(store))
    }

    /// Packs what the graphs read; `source` writes the f32 values of one parameter, as many as its shape has, over what the slice
    /// holds. It runs on a thread of its own, one parameter ahead of the packing; a checkpoint never has to be in memory as f32
    /// as a whole.
    pub fn from_source<E: From<ParameterError> + Send>(
        cpu: &Cpu,
        graphs: &[&Graph],
        precision: Precision,
        mut source: impl FnMut(&str, &mut [f32]) -> Result<(), E> + Send,
    ) -> Result<Self, E> {
        let (packed, mut store) = Self::empty(cpu, graphs, precision)?;
        let len = |name: &String| packed.entries[name].shape.iter().product::<usize>();
        let largest = packed.names.iter().map(len).max().unwrap_or(0);
        // Two buffers go around.
        let (give, read) = mpsc::sync_channel::<Vec<f32>>(1);
        let (put_back, free) = mpsc::channel::<Vec<f32>>();
        std::thread::scope(|scope| {
            let names = &packed.names;
            let reader = scope.spawn(move || {
                for (number, name) in names.iter().enumerate() {
                    let buffer = if number < BUFFERS { Ok(kernels::memory::zeroed(largest)) } else { free.recv() };
                    let Ok(mut buffer) = buffer else { break };
                    source(name, &mut buffer[..len(name)])?;
                    if give.send(buffer).is_err() {
                        break; // Packing has failed.
                    }
                }
                Ok(())
            });
            let mut filled = Ok(());
            for name in names {
                let Ok(buffer) = read.recv() else { break };
                filled = packed.fill(name, &buffer[..len(name)], &mut store);
                if filled.is_err() {
                    break;
                }
                // Nobody takes it any more after the last.
                let _ = put_back.send(buffer);
            }
            drop((read, put_back));
            reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).and(filled.map_err(E::from))
        })?;
        Ok(packed.with(store))
    }

    /// Storage for everything that the graphs read.
    fn empty(cpu: &Cpu, graphs: &[&Graph], precision: Precision) -> Result<(Self, Store), ParameterError> {
        let (names, entries, store) = (Vec::new(), HashMap::new(), RwLock::new(Store::default()));
        let mut packed = Self { cpu: cpu.clone(), precision, names, entries, store };
        let mut store = Store::default();
        for graph in graphs {
            packed.reserve(graph, &mut store)?;
        }
        Ok((packed, store))
    }

    fn with(self, store: Store) -> Self {
        Self { store: RwLock::new(store), ..self }
    }

    /// Creates storage for every use a graph makes of its parameters.
    fn reserve(&mut self, graph: &Graph, store: &mut Store) -> Result<(), ParameterError> {
        for (tensor, name, kind) in uses(graph) {
            let shape = graph.shape(tensor);
            let entry = self.entries.entry(name.to_owned()).or_insert_with(|| {
                self.names.push(name.to_owned());
                Entry { shape: shape.to_vec(), places: Vec::new() }
            });
            if entry.shape != shape {
                let found = format!("{shape:?} in another graph");
                return Err(ParameterError::Shape { name: name.into(), expected: entry.shape.clone(), found });
            }
            if entry.places.iter().any(|(known, _)| *known == kind) {
                continue;
            }
            let place = match matrix_size(kind, shape, self.precision) {
                Some((k, n)) => {
                    store.matrices.push(PackedMatrix::new(self.cpu.isa, self.precision, k, n));
                    store.matrices.len() - 1
                }
                None => {
                    store.plain.push(Vec::new());
                    store.plain.len() - 1
                }
            };
            entry.places.push((kind, place));
        }
        Ok(())
    }

    fn fill(&self, name: &str, data: &[f32], store: &mut Store) -> Result<(), ParameterError> {
        let entry = &self.entries[name];
        if data.len() != entry.shape.iter().product::<usize>() {
            let found = format!("{} values", data.len());
            return Err(ParameterError::Shape { name: name.into(), expected: entry.shape.clone(), found });
        }
        for &(kind, place) in &entry.places {
            let picture = |upsample| any_picture(&entry.shape, upsample);
            match kind {
                // weight [N, K] or [Co, kh, kw, Ci]: the forward operand [K, N] is its transpose, the backward operand [N, K] the
                // weight itself.
                Use::Forward => store.matrices[place].pack(&self.cpu, data, Layout::NK),
                Use::Backward => store.matrices[place].pack(&self.cpu, data, Layout::KN),
                Use::Flipped { upsample } => {
                    pack_transposed_weight(&self.cpu, &picture(upsample), data, &mut store.matrices[place]);
                }
                Use::Winograd => winograd::pack_weight(&self.cpu, &picture(1), data, &mut store.matrices[place]),
                Use::WinogradFlipped => {
                    winograd::pack_transposed_weight(&self.cpu, &picture(1), data, &mut store.matrices[place]);
                }
                Use::Plain => {
                    store.plain[place].clear();
                    store.plain[place].extend_from_slice(data);
                }
            }
        }
        Ok(())
    }

    /// Packs again after the weights changed. Waits for running executors.
    pub fn refresh(&self, parameters: &Parameters) -> Result<(), ParameterError> {
        let mut store = self.store.write().unwrap_or_else(|e| e.into_inner());
        store.version += 1;
        for name in &self.names {
            self.fill(name, values(parameters, name)?, &mut store)?;
        }
        Ok(())
    }

    /// Names of the packed parameters, in the order the graphs read them.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Precision of the matrix products.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Memory held.
    pub fn bytes(&self) -> usize {
        let store = self.read();
        store.matrices.iter().map(PackedMatrix::bytes).sum::<usize>()
            + store.plain.iter().map(|p| size_of_val(p.as_slice())).sum::<usize>()
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Store> {
        self.store.read().unwrap_or_else(|e| e.into_inner())
    }

    /// Index into the store for one use of a parameter, if it was packed with this shape.
    pub(crate) fn find(&self, name: &str, shape: &[usize], kind: Use) -> Option<usize> {
        let entry = self.entries.get(name).filter(|e| e.shape == shape)?;
        entry.places.iter().find(|(known, _)| *known == kind).map(|(_, place)| *place)
    }
}

/// Bytes of the parameters that a graph reads once they are packed, but for the padding of the last panels.
pub(crate) fn packed_bytes(graph: &Graph, precision: Precision) -> u64 {
    let mut counted = HashSet::new();
    let mut bytes = 0;
    for (tensor, name, kind) in uses(graph) {
        if counted.insert((name, kind)) {
            let shape = graph.shape(tensor);
            bytes += match (matrix_size(kind, shape, precision), precision) {
                (Some((k, n)), Precision::Bf16) => 2 * k * n,
                (Some((k, n)), Precision::F32) => 4 * k * n,
                (None, _) => 4 * shape.iter().product::<usize>(),
            } as u64;
        }
    }
    bytes
}

/// Rows and columns of the packed operand that a parameter of this shape becomes; none if it stays as it is.
fn matrix_size(kind: Use, shape: &[usize], precision: Precision) -> Option<(usize, usize)> {
    match kind {
        Use::Forward => Some((shape[1..].iter().product(), shape[0])),
        Use::Backward => Some((shape[0], shape[1])),
        Use::Flipped { upsample } => {
            let conv = any_picture(shape, upsample);
            Some((conv.transposed_patch(), conv.channels_in))
        }
        Use::Winograd => Some(winograd::packed_size(precision, &any_picture(shape, 1))),
        Use::WinogradFlipped => {
            let transposed = winograd::transposed(&any_picture(shape, 1)).expect("`use_of` found that it fits");
            Some(winograd::packed_size(precision, &transposed))
        }
        Use::Plain => None,
    }
}

fn values<'a>(parameters: &'a Parameters, name: &str) -> Result<&'a [f32], ParameterError> {
    match parameters.get(name) {
        Some(parameter) => Ok(&parameter.data),
        None => Err(ParameterError::Missing { name: name.into() }),
    }
}

/// Packing reads a convolution's kernel, channels and upsampling only, so the smallest picture stands for all.
fn any_picture(weight: &[usize], upsample: usize) -> ConvShape {
    smallest_picture(weight, &Conv2dOptions { upsample, ..Conv2dOptions::default() })
}

/// A convolution of a picture as large as the kernel.
fn smallest_picture(weight: &[usize], options: &Conv2dOptions) -> ConvShape {
    options.shape(&[1, weight[1], weight[2], weight[3]], weight)
}

/// How input `position` of an operation, a parameter of this shape, is read.
pub(crate) fn use_of(op: &Op, position: usize, shape: &[usize]) -> Use {
    match (op, position) {
        (Op::Conv2d { options, .. }, 1) if winograd::fits(&smallest_picture(shape, options)) => Use::Winograd,
        (Op::Linear { .. } | Op::Conv2d { .. }, 1) => Use::Forward,
        (Op::LinearInputGradient, 1) => Use::Backward,
        (Op::Conv2dInputGradient { options }, 1)
            if winograd::transposed(&smallest_picture(shape, options)).is_some() =>
        {
            Use::WinogradFlipped
        }
        (Op::Conv2dInputGradient { options }, 1) => Use::Flipped { upsample: options.upsample },
        _ => Use::Plain,
    }
}

/// Every use of a parameter in execution order: its tensor, name and kind.
fn uses(graph: &Graph) -> Vec<(Tensor, &str, Use)> {
    let roots = graph.storage_roots();
    let mut found = Vec::new();
    for node in graph.nodes.iter().filter(|n| n.op != Op::Reshape) {
        for (position, tensor) in node.inputs.iter().enumerate() {
            let root = roots[tensor.index()];
            if let Role::Parameter(name) = &graph.tensors[root.index()].role {
                found.push((root, name.as_str(), use_of(&node.op, position, graph.shape(root))));
            }
        }
    }
    found
}
