//! [`Executor`]: runs a planned graph on the CPU. After construction it allocates nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kernels::Cpu;
use kernels::elementwise::add_assign;
use kernels::gemm::Update;

use crate::execute::{Operands, execute};
use crate::graph::{Graph, MAX_OPERANDS, Role, Tensor};
use crate::packed::{PackedParameters, Store, Use, use_of};
use crate::plan::{ALIGNMENT, Plan, Slot};
use crate::{Op, OpKind};

/// An executor cannot be built, filled or run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecutorError {
    /// The packed weights lack one the graph reads, or hold it in another shape.
    #[error("parameter {0} was not packed for this graph")]
    NotPacked(String),
    /// An operand is computed by no earlier node.
    #[error("{op} (node {node}) reads a tensor that has no value")]
    NoValue {
        /// Index of the node.
        node: usize,
        /// Its operation.
        op: String,
    },
    /// A named output or gradient is computed by no node.
    #[error("output {0} is computed by no node")]
    NoOutput(String),
    /// The graph has no input of that name.
    #[error("the graph has no input {0}")]
    UnknownInput(String),
    /// Values for an input do not fit its shape.
    #[error("input {name}: expected {expected} values, found {found}")]
    InputLength {
        /// Name of the input.
        name: String,
        /// Elements of its shape.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// An embedding was asked for a row its table does not have.
    #[error("embedding id {id} is outside the table of {rows} rows")]
    Id {
        /// The id as given.
        id: String,
        /// Rows of the table.
        rows: usize,
    },
}

/// Where an operand of a step is.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// Index into the cuts of the step.
    Arena(usize),
    /// In the memory of the output, which the operation updates.
    InPlace,
    Plain(usize),
    Constant(usize),
    Matrix(usize),
}

/// One part of the arena a step touches.
#[derive(Debug, Clone, Copy)]
struct Cut {
    slot: Slot,
    /// Position among the outputs; inputs have none.
    output: Option<usize>,
}

#[derive(Debug)]
struct Step {
    node: usize,
    /// Depends on held inputs alone.
    held: bool,
    /// Writes a gradient that it can also add to.
    adds: bool,
    inputs: Vec<Source>,
    /// Sorted by offset, disjoint.
    cuts: Vec<Cut>,
}

/// A graph ready to run: memory planned, weights resolved.
#[derive(Debug)]
pub struct Executor {
    cpu: Cpu,
    graph: Arc<Graph>,
    packed: Arc<PackedParameters>,
    plan: Plan,
    steps: Vec<Step>,
    arena: Vec<f32>,
    /// First element of the arena on a 64-byte boundary.
    base: usize,
    /// Gradients whose operations cannot add, and what earlier runs left there.
    apart: Vec<(Slot, Vec<f32>)>,
    /// Version of the weights for which the held nodes were computed; none when they must be computed.
    held: Option<u64>,
    /// Seconds by node since profiling was switched on.
    times: Option<Vec<Duration>>,
}

impl Executor {
    /// Plans `graph` and resolves its weights in `packed`.
    pub fn new(cpu: &Cpu, graph: Arc<Graph>, packed: Arc<PackedParameters>) -> Result<Self, ExecutorError> {
        let plan = Plan::new(&graph);
        let roots = graph.storage_roots();
        let mut computed = vec![false; graph.tensors.len()];
        for (_, tensor) in graph.inputs() {
            computed[tensor.index()] = true;
        }
        let mut steps = Vec::with_capacity(graph.nodes.len());
        for (position, &at) in plan.order().iter().enumerate() {
            let node = &graph.nodes[at];
            if node.op != Op::Reshape {
                let step = step(&graph, &packed, &plan, &roots, &computed, at)?;
                steps.push(Step { held: position < plan.held(), ..step });
            }
            for output in &node.outputs {
                computed[output.index()] = true;
            }
        }
        for (name, tensor) in graph.outputs.iter().chain(&graph.gradients) {
            if !computed[tensor.index()] || plan.slot(*tensor).is_none() {
                return Err(ExecutorError::NoOutput(name.clone()));
            }
        }
        let added: Vec<Tensor> = steps.iter().filter(|s| s.adds).map(|s| graph.nodes[s.node].outputs[0]).collect();
        let apart = graph.gradients.iter().filter(|(_, t)| !added.contains(t));
        let apart = apart.filter_map(|(_, t)| plan.slot(*t)).map(|slot| (slot, vec![0.0; slot.len])).collect();
        let arena = vec![0.0f32; plan.len() + ALIGNMENT];
        let base = arena.as_ptr().align_offset(size_of::<f32>() * ALIGNMENT).min(ALIGNMENT);
        Ok(Self { cpu: cpu.clone(), graph, packed, plan, steps, arena, base, apart, held: None, times: None })
    }

    /// The graph that is run.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// Bytes of activations, gradients included.
    pub fn arena_bytes(&self) -> usize {
        size_of_val(self.arena.as_slice())
    }

    /// The values of an input, to be filled in place. They stay until they are written again.
    pub fn input_mut(&mut self, name: &str) -> Result<&mut [f32], ExecutorError> {
        let tensor = self.graph.names.get(name).copied();
        let tensor = tensor.filter(|t| matches!(self.graph.tensors[t.index()].role, Role::Input(_)));
        let slot = tensor.and_then(|t| self.plan.slot(t));
        let slot = slot.ok_or_else(|| ExecutorError::UnknownInput(name.to_owned()))?;
        if tensor.is_some_and(|t| self.graph.held.contains(&t)) {
            self.held = None;
        }
        Ok(&mut self.arena[self.base + slot.offset..][..slot.len])
    }

    /// Sets an input; the values stay until they are set again. A held input that gets the values it has counts as not set.
    pub fn set_input(&mut self, name: &str, values: &[f32]) -> Result<(), ExecutorError> {
        let held = self.held;
        let target = self.input_mut(name)?;
        if target.len() != values.len() {
            let (expected, found) = (target.len(), values.len());
            return Err(ExecutorError::InputLength { name: name.to_owned(), expected, found });
        }
        if target == values {
            self.held = held;
        } else {
            target.copy_from_slice(values);
        }
        Ok(())
    }

    /// Runs all nodes; those that depend on held inputs alone only if one was written or the weights were refreshed.
    pub fn run(&mut self) -> Result<(), ExecutorError> {
        self.run_nodes(false)
    }

    /// As [`Executor::run`], but adds the gradients to those that the runs before left: a large batch in small parts.
    pub fn run_adding(&mut self) -> Result<(), ExecutorError> {
        for (slot, earlier) in &mut self.apart {
            earlier.copy_from_slice(&self.arena[self.base + slot.offset..][..slot.len]);
        }
        self.run_nodes(true)?;
        for (slot, earlier) in &self.apart {
            add_assign(&self.cpu, &mut self.arena[self.base + slot.offset..][..slot.len], earlier);
        }
        Ok(())
    }

    fn run_nodes(&mut self, adding: bool) -> Result<(), ExecutorError> {
        let store = self.packed.read();
        let arena = &mut self.arena[self.base..];
        let fresh = self.held == Some(store.version);
        self.held = None;
        for step in self.steps.iter().filter(|s| !(fresh && s.held)) {
            let start = self.times.is_some().then(Instant::now);
            let node = &self.graph.nodes[step.node];
            let mut operands = operands(&self.graph, step, &store, arena);
            if adding && step.adds {
                operands.update = Update::Add;
            }
            execute(&self.cpu, &self.graph, node, self.packed.precision(), &mut operands)?;
            if let (Some(times), Some(start)) = (&mut self.times, start) {
                times[step.node] += start.elapsed();
            }
        }
        self.held = Some(store.version);
        Ok(())
    }

    /// Values of a named output after a run.
    ///
    /// # Panics
    /// When the graph has no output of that name.
    pub fn output(&self, name: &str) -> &[f32] {
        let found = self.graph.outputs.iter().find(|(n, _)| n == name);
        let (_, tensor) = found.unwrap_or_else(|| panic!("the graph has no output {name}"));
        self.values(*tensor)
    }

    /// Gradient of a parameter after a run; none when the loss does not depend on it.
    pub fn gradient(&self, name: &str) -> Option<&[f32]> {
        self.graph.gradients.iter().find(|(n, _)| n == name).map(|(_, t)| self.values(*t))
    }

    /// All gradients by parameter name, in the order of [`Graph::gradients`].
    pub fn gradients(&self) -> impl ExactSizeIterator<Item = (&str, &[f32])> {
        self.graph.gradients.iter().map(|(name, t)| (name.as_str(), self.values(*t)))
    }

    fn values(&self, tensor: Tensor) -> &[f32] {
        let slot = self.plan.slot(tensor).expect("construction checked that outputs are stored");
        &self.arena[self.base + slot.offset..][..slot.len]
    }

    /// Starts (again from zero) or stops measuring the time of each node.
    pub fn set_profiling(&mut self, on: bool) {
        self.times = on.then(|| vec![Duration::ZERO; self.graph.nodes.len()]);
    }

    /// Time by kind of operation since profiling started, longest first.
    pub fn profile(&self) -> Vec<(OpKind, Duration)> {
        let mut sums = OpKind::ALL.map(|kind| (kind, Duration::ZERO));
        for (index, time) in self.node_times() {
            let kind = self.graph.nodes[index].op.kind();
            if let Some(sum) = sums.iter_mut().find(|(k, _)| *k == kind) {
                sum.1 += time;
            }
        }
        let mut sums: Vec<_> = sums.into_iter().filter(|(_, t)| !t.is_zero()).collect();
        sums.sort_by_key(|(_, t)| std::cmp::Reverse(*t));
        sums
    }

    /// Time by node index since profiling started.
    pub fn node_times(&self) -> impl Iterator<Item = (usize, Duration)> {
        self.times.iter().flatten().copied().enumerate()
    }
}

fn step(
    graph: &Graph,
    packed: &PackedParameters,
    plan: &Plan,
    roots: &[Tensor],
    computed: &[bool],
    at: usize,
) -> Result<Step, ExecutorError> {
    let node = &graph.nodes[at];
    let no_value = || ExecutorError::NoValue { node: at, op: format!("{:?}", node.op) };
    let mut cuts: Vec<Cut> = Vec::new();
    for (i, output) in node.outputs.iter().enumerate() {
        cuts.push(Cut { slot: plan.slot(*output).ok_or_else(no_value)?, output: Some(i) });
    }
    for tensor in &node.inputs {
        if let Some(slot) = plan.slot(*tensor)
            && !cuts.iter().any(|c| c.slot.offset == slot.offset)
        {
            cuts.push(Cut { slot, output: None });
        }
    }
    cuts.sort_by_key(|c| c.slot.offset);
    let mut inputs = Vec::with_capacity(node.inputs.len());
    for (position, tensor) in node.inputs.iter().enumerate() {
        let root = roots[tensor.index()];
        let info = &graph.tensors[root.index()];
        inputs.push(match &info.role {
            Role::Parameter(name) => {
                let kind = use_of(&node.op, position, &info.shape);
                let found = packed.find(name, &info.shape, kind);
                let index = found.ok_or_else(|| ExecutorError::NotPacked(name.clone()))?;
                if kind == Use::Plain { Source::Plain(index) } else { Source::Matrix(index) }
            }
            Role::Constant(_) => Source::Constant(root.index()),
            Role::Input(_) | Role::Computed => {
                let slot = plan.slot(*tensor).filter(|_| computed[tensor.index()]).ok_or_else(no_value)?;
                let cut = cuts.iter().position(|c| c.slot.offset == slot.offset).ok_or_else(no_value)?;
                if cuts[cut].output.is_some() { Source::InPlace } else { Source::Arena(cut) }
            }
        });
    }
    let gradient = |t: &Tensor| graph.gradients.iter().any(|(_, g)| g == t);
    let read = |t: &Tensor| graph.nodes.iter().any(|n| n.inputs.contains(t));
    let can_add = matches!(node.op, Op::LinearWeightGradient | Op::Conv2dWeightGradient { .. });
    let adds = can_add && node.outputs.iter().all(|t| gradient(t) && !read(t));
    Ok(Step { node: at, held: false, adds, inputs, cuts })
}

/// Borrows the operands of a step: disjoint parts of the arena, weights and constants.
fn operands<'a>(graph: &'a Graph, step: &Step, store: &'a Store, arena: &'a mut [f32]) -> Operands<'a> {
    let mut operands = Operands::default();
    let mut read: [&'a [f32]; 2 * MAX_OPERANDS] = [&[]; 2 * MAX_OPERANDS];
    let mut rest = arena;
    let mut at = 0;
    for (i, cut) in step.cuts.iter().enumerate() {
        let (part, tail) = rest.split_at_mut(cut.slot.offset - at + cut.slot.len);
        let part = &mut part[cut.slot.offset - at..];
        match cut.output {
            Some(output) => operands.outputs[output] = part,
            None => read[i] = part,
        }
        at = cut.slot.offset + cut.slot.len;
        rest = tail;
    }
    for (position, source) in step.inputs.iter().enumerate() {
        match *source {
            Source::InPlace => {}
            Source::Arena(cut) => operands.inputs[position] = read[cut],
            Source::Plain(i) => operands.inputs[position] = &store.plain[i],
            Source::Constant(t) => {
                if let Role::Constant(values) = &graph.tensors[t].role {
                    operands.inputs[position] = values;
                }
            }
            Source::Matrix(i) => operands.matrix = Some(&store.matrices[i]),
        }
    }
    operands
}
