//! [`Graph`]: nodes in execution order and the tensors between them.

use std::collections::HashMap;

use crate::{Op, ShapeError};

/// A node has at most this many inputs, and as many outputs.
pub(crate) const MAX_OPERANDS: usize = 32;

/// Handle of a tensor of one graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tensor(pub u32);

impl Tensor {
    /// Index into [`Graph::tensors`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Where the values of a tensor come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Role {
    /// Set by the caller before a run, under this name.
    Input(String),
    /// A learned weight of this name.
    Parameter(String),
    /// Fixed values that are part of the graph (rotary tables).
    Constant(Vec<f32>),
    /// Output of a node.
    Computed,
}

/// Shape and role of a tensor. All elements are f32, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorInfo {
    /// Dimensions, outermost first.
    pub shape: Vec<usize>,
    /// Source of the values.
    pub role: Role,
}

impl TensorInfo {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the tensor has no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One operation with its operands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What is computed.
    pub op: Op,
    /// Operands in the order [`Op`] documents.
    pub inputs: Vec<Tensor>,
    /// Results in the order [`Op`] documents.
    pub outputs: Vec<Tensor>,
}

/// A list of operations in execution order. Build it with the methods named after the operations.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) tensors: Vec<TensorInfo>,
    pub(crate) names: HashMap<String, Tensor>,
    pub(crate) outputs: Vec<(String, Tensor)>,
    pub(crate) gradients: Vec<(String, Tensor)>,
    pub(crate) held: Vec<Tensor>,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// A named tensor the caller fills before each run (its values stay until they are set again).
    pub fn input(&mut self, name: &str, shape: &[usize]) -> Result<Tensor, ShapeError> {
        if self.names.contains_key(name) {
            return Err(ShapeError::new(format!("input {name}"), "a name used once", "a second use"));
        }
        self.named(name, shape, Role::Input(name.to_owned()))
    }

    /// A learned weight. Asking again for the same name and shape gives the same tensor.
    pub fn parameter(&mut self, name: &str, shape: &[usize]) -> Result<Tensor, ShapeError> {
        if let Some(&tensor) = self.names.get(name) {
            let info = &self.tensors[tensor.index()];
            if !matches!(info.role, Role::Parameter(_)) || info.shape != shape {
                let found = format!("{shape:?}");
                return Err(ShapeError::new(format!("parameter {name}"), format!("{:?}", info.shape), found));
            }
            return Ok(tensor);
        }
        self.named(name, shape, Role::Parameter(name.to_owned()))
    }

    fn named(&mut self, name: &str, shape: &[usize], role: Role) -> Result<Tensor, ShapeError> {
        if shape.is_empty() || shape.contains(&0) {
            return Err(ShapeError::new(name, "a shape without zeros", format!("{shape:?}")));
        }
        let tensor = self.tensor(shape, role);
        self.names.insert(name.to_owned(), tensor);
        Ok(tensor)
    }

    /// Fixed values that belong to the graph.
    pub fn constant(&mut self, shape: &[usize], values: Vec<f32>) -> Result<Tensor, ShapeError> {
        if shape.iter().product::<usize>() != values.len() || values.is_empty() {
            let found = format!("{} values", values.len());
            return Err(ShapeError::new("constant", format!("values for {shape:?}"), found));
        }
        Ok(self.tensor(shape, Role::Constant(values)))
    }

    /// Names a tensor whose values the caller reads after a run.
    pub fn output(&mut self, name: &str, tensor: Tensor) -> Result<(), ShapeError> {
        if self.outputs.iter().any(|(n, _)| n == name) {
            return Err(ShapeError::new(format!("output {name}"), "a name used once", "a second use"));
        }
        self.outputs.push((name.to_owned(), tensor));
        Ok(())
    }

    /// Declares that an input changes rarely (the text of a picture during sampling). What depends on held inputs and
    /// parameters alone is computed when one of them was set or the weights were refreshed, and kept between runs.
    pub fn hold(&mut self, input: Tensor) -> Result<(), ShapeError> {
        if !matches!(self.tensors[input.index()].role, Role::Input(_)) {
            return Err(ShapeError::new("hold", "an input", "another tensor"));
        }
        if !self.held.contains(&input) {
            self.held.push(input);
        }
        Ok(())
    }

    /// Whether each node depends on held inputs, parameters and constants alone; none does without a held input.
    pub(crate) fn held_nodes(&self) -> Vec<bool> {
        let mut fixed: Vec<bool> =
            self.tensors.iter().map(|t| matches!(t.role, Role::Parameter(_) | Role::Constant(_))).collect();
        for tensor in &self.held {
            fixed[tensor.index()] = true;
        }
        let hold = |node: &Node| {
            let held = !self.held.is_empty() && node.inputs.iter().all(|t| fixed[t.index()]);
            for output in &node.outputs {
                fixed[output.index()] = held;
            }
            held
        };
        self.nodes.iter().map(hold).collect()
    }

    pub(crate) fn tensor(&mut self, shape: &[usize], role: Role) -> Tensor {
        let index = u32::try_from(self.tensors.len()).expect("a graph has fewer than 2^32 tensors");
        self.tensors.push(TensorInfo { shape: shape.to_vec(), role });
        Tensor(index)
    }

    /// Appends a node with one new tensor per output shape; shapes were checked by the caller.
    pub(crate) fn push(&mut self, op: Op, inputs: Vec<Tensor>, shapes: &[&[usize]]) -> Vec<Tensor> {
        let outputs: Vec<Tensor> = shapes.iter().map(|shape| self.tensor(shape, Role::Computed)).collect();
        self.nodes.push(Node { op, inputs, outputs: outputs.clone() });
        outputs
    }

    /// Dimensions of a tensor.
    pub fn shape(&self, tensor: Tensor) -> &[usize] {
        &self.tensors[tensor.index()].shape
    }

    /// Number of elements of a tensor.
    pub fn len(&self, tensor: Tensor) -> usize {
        self.tensors[tensor.index()].len()
    }

    /// Whether the graph has no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Nodes in execution order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Whether any node reads a tensor.
    pub(crate) fn is_read(&self, tensor: Tensor) -> bool {
        self.nodes.iter().any(|node| node.inputs.contains(&tensor))
    }

    /// All tensors; [`Tensor::index`] points into it.
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// Named outputs.
    pub fn outputs(&self) -> &[(String, Tensor)] {
        &self.outputs
    }

    /// Gradients by parameter name, after [`crate::autodiff::gradients`].
    pub fn gradients(&self) -> &[(String, Tensor)] {
        &self.gradients
    }

    /// Named inputs, in the order they were added.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, Tensor)> {
        self.tensors.iter().enumerate().filter_map(|(i, info)| match &info.role {
            Role::Input(name) => Some((name.as_str(), Tensor(i as u32))),
            _ => None,
        })
    }

    /// Parameters, in the order they were added.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, Tensor)> {
        self.tensors.iter().enumerate().filter_map(|(i, info)| match &info.role {
            Role::Parameter(name) => Some((name.as_str(), Tensor(i as u32))),
            _ => None,
        })
    }

    /// The tensor whose memory `tensor` shares (itself unless it is a reshape).
    pub(crate) fn storage_roots(&self) -> Vec<Tensor> {
        let mut roots: Vec<Tensor> = (0..self.tensors.len() as u32).map(Tensor).collect();
        for node in &self.nodes {
            if node.op == Op::Reshape {
                roots[node.outputs[0].index()] = roots[node.inputs[0].index()];
            }
        }
        roots
    }
}
