//! [`Plan`]: where each computed tensor lives in one arena, from the interval in which it is needed.
//!
//! Offsets are found first-fit in order of falling size (Pisarchyk & Lee 2020, "Efficient memory management for deep neural
//! net inference", greedy by size). Graph inputs, outputs and gradients stay for the whole run, gradients also from one run
//! to the next. A sum is written over an operand that nothing reads afterwards. Nodes that depend on held inputs alone come first, and what other nodes read of them
//! keeps its place between runs.

use crate::Op;
use crate::graph::{Graph, Tensor};

/// Offsets are multiples of this many f32 (64 bytes).
pub const ALIGNMENT: usize = 16;

/// Part of the arena that holds a tensor, in f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// First element.
    pub offset: usize,
    /// Number of elements.
    pub len: usize,
}

/// Steps (positions in [`Plan::order`]) during which a stored tensor must keep its values (inclusive).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// First step.
    pub first: usize,
    /// Last step.
    pub last: usize,
}

/// Memory plan of a graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    slots: Vec<Option<Slot>>,
    lifetimes: Vec<Option<Lifetime>>,
    order: Vec<usize>,
    held: usize,
    len: usize,
}

impl Plan {
    /// Plans the arena of a graph.
    pub fn new(graph: &Graph) -> Self {
        let held_nodes = graph.held_nodes();
        let mut execution: Vec<usize> = (0..graph.nodes.len()).collect();
        execution.sort_by_key(|&node| !held_nodes[node]);
        let held = held_nodes.iter().filter(|&&h| h).count();
        let mut roots = graph.storage_roots();
        let mut kept = vec![false; graph.tensors.len()];
        let named = graph.outputs.iter().chain(&graph.gradients).map(|(_, t)| *t);
        let mut from_held = vec![false; graph.tensors.len()];
        for output in execution[..held].iter().flat_map(|&n| &graph.nodes[n].outputs) {
            from_held[output.index()] = true;
        }
        let later = execution[held..].iter().flat_map(|&n| &graph.nodes[n].inputs).copied();
        let crossing = later.filter(|t| from_held[t.index()]);
        for tensor in graph.inputs().map(|(_, t)| t).chain(named).chain(crossing) {
            kept[roots[tensor.index()].index()] = true;
        }
        let mut lifetimes = lifetimes(graph, &execution, &roots, &kept);
        add_in_place(graph, &execution, &mut roots, &mut kept, &mut lifetimes);
        for (_, gradient) in &graph.gradients {
            if let Some(life) = &mut lifetimes[roots[gradient.index()].index()] {
                life.first = 0;
            }
        }
        let mut order: Vec<usize> = (0..lifetimes.len()).filter(|&t| lifetimes[t].is_some()).collect();
        order.sort_by_key(|&t| (std::cmp::Reverse(graph.tensors[t].len()), t));
        let mut slots: Vec<Option<Slot>> = vec![None; lifetimes.len()];
        let mut placed: Vec<(Slot, Lifetime)> = Vec::with_capacity(order.len());
        let mut len = 0;
        for t in order {
            let Some(life) = lifetimes[t] else { continue };
            let slot = Slot { offset: first_fit(&placed, life, graph.tensors[t].len()), len: graph.tensors[t].len() };
            len = len.max(end(slot));
            // `placed` stays sorted by offset.
            let at = placed.partition_point(|(s, _)| s.offset <= slot.offset);
            placed.insert(at, (slot, life));
            slots[t] = Some(slot);
        }
        for t in 0..slots.len() {
            slots[t] = slots[roots[t].index()];
        }
        Self { slots, lifetimes, order: execution, held, len }
    }

    /// Place of a tensor; none for parameters, constants and tensors nobody computes.
    pub fn slot(&self, tensor: Tensor) -> Option<Slot> {
        self.slots[tensor.index()]
    }

    /// When a tensor must be kept; none for tensors in the memory of another (reshapes, sums in place), parameters and
    /// constants.
    pub fn lifetime(&self, tensor: Tensor) -> Option<Lifetime> {
        self.lifetimes[tensor.index()]
    }

    /// Indices of the nodes in the order they run: first those that depend on held inputs alone.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// How many nodes at the start of the order depend on held inputs alone.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Length of the arena in f32.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Size of the arena in bytes.
    pub fn peak_bytes(&self) -> usize {
        self.len * size_of::<f32>()
    }
}

fn end(slot: Slot) -> usize {
    (slot.offset + slot.len).next_multiple_of(ALIGNMENT)
}

/// Lowest offset where `len` elements fit among those placed (sorted by offset) that live at the same time.
fn first_fit(placed: &[(Slot, Lifetime)], life: Lifetime, len: usize) -> usize {
    let mut offset = 0;
    for (slot, other) in placed {
        if other.last < life.first || life.last < other.first {
            continue;
        }
        if offset + len <= slot.offset {
            break;
        }
        offset = offset.max(end(*slot));
    }
    offset
}

fn lifetimes(graph: &Graph, order: &[usize], roots: &[Tensor], kept: &[bool]) -> Vec<Option<Lifetime>> {
    let end = order.len().saturating_sub(1);
    let mut lives: Vec<Option<Lifetime>> = vec![None; graph.tensors.len()];
    for (_, tensor) in graph.inputs() {
        lives[tensor.index()] = Some(Lifetime { first: 0, last: end });
    }
    for (step, &at) in order.iter().enumerate() {
        let node = &graph.nodes[at];
        for tensor in node.outputs.iter().filter(|t| roots[t.index()] == **t) {
            let last = if kept[tensor.index()] { end } else { step };
            lives[tensor.index()] = Some(Lifetime { first: step, last });
        }
        for tensor in &node.inputs {
            if let Some(life) = &mut lives[roots[tensor.index()].index()] {
                life.last = life.last.max(step);
            }
        }
    }
    lives
}

/// Lets each [`Op::Add`] take the memory of an operand whose last reader it is.
fn add_in_place(
    graph: &Graph,
    order: &[usize],
    roots: &mut [Tensor],
    kept: &mut [bool],
    lives: &mut [Option<Lifetime>],
) {
    for (step, &at) in order.iter().enumerate() {
        let node = &graph.nodes[at];
        match node.op {
            // A reshape of a sum follows it to its new place.
            Op::Reshape => roots[node.outputs[0].index()] = roots[node.inputs[0].index()],
            Op::Add => {
                let (a, b, out) = (roots[node.inputs[0].index()], roots[node.inputs[1].index()], node.outputs[0]);
                let dies = |t: Tensor| !kept[t.index()] && lives[t.index()].is_some_and(|l| l.last == step);
                let Some(taken) = [a, b].into_iter().find(|&t| dies(t)).filter(|_| a != b) else { continue };
                if let (Some(life), Some(own)) = (lives[out.index()].take(), &mut lives[taken.index()]) {
                    own.last = own.last.max(life.last);
                }
                kept[taken.index()] = kept[out.index()];
                roots[out.index()] = taken;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small deterministic generator (splitmix64).
    fn next(state: &mut u64) -> usize {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as usize
    }

    fn random_graph(seed: u64) -> Graph {
        let mut state = seed;
        let mut g = Graph::new();
        let mut live = vec![g.input("x", &[3, 8]).unwrap()];
        for i in 0..40 {
            let a = live[next(&mut state) % live.len()];
            let new = match next(&mut state) % 5 {
                0 => g.silu(a).unwrap(),
                1 => {
                    let width = g.shape(a)[g.shape(a).len() - 1];
                    let n = 1 + next(&mut state) % 70;
                    let w = g.parameter(&format!("w{i}"), &[n, width]).unwrap();
                    g.linear(a, w, None).unwrap()
                }
                2 => g.add(a, a).unwrap(),
                3 => {
                    let len = g.len(a);
                    g.reshape(a, &[len]).unwrap()
                }
                _ => g.concat(&[a, a]).unwrap(),
            };
            live.push(new);
            if seed % 2 == 1 && i == 20 {
                live.push(g.input("z", &[5, 4]).unwrap());
                g.hold(live[0]).unwrap();
            }
            if next(&mut state).is_multiple_of(7) {
                g.output(&format!("o{i}"), new).unwrap();
            }
        }
        g
    }

    #[test]
    fn no_two_live_tensors_overlap() {
        for seed in 0..200 {
            let g = random_graph(seed);
            let plan = Plan::new(&g);
            let stored: Vec<(Slot, Lifetime)> = (0..g.tensors().len() as u32)
                .filter_map(|t| Some((plan.slot(Tensor(t))?, plan.lifetime(Tensor(t))?)))
                .collect();
            assert!(stored.len() > 10);
            for (i, (a, la)) in stored.iter().enumerate() {
                assert!(a.offset.is_multiple_of(ALIGNMENT) && a.offset + a.len <= plan.len());
                for (b, lb) in &stored[..i] {
                    let together = la.first <= lb.last && lb.first <= la.last;
                    let overlap = a.offset < b.offset + b.len && b.offset < a.offset + a.len;
                    assert!(!(together && overlap), "seed {seed}: {a:?} {la:?} and {b:?} {lb:?}");
                }
            }
        }
    }

    #[test]
    fn a_sum_takes_the_place_of_a_dead_operand() {
        let mut g = Graph::new();
        let x = g.input("x", &[8]).unwrap();
        let a = g.silu(x).unwrap();
        let b = g.gelu(x).unwrap();
        let c = g.add(a, b).unwrap();
        let d = g.add(c, a).unwrap();
        let e = g.add(d, d).unwrap();
        g.output("d", d).unwrap();
        g.output("e", e).unwrap();
        let plan = Plan::new(&g);
        // a is read again, so b is overwritten; then c, not x or a.
        assert_eq!(plan.slot(c), plan.slot(b));
        assert_eq!(plan.slot(d), plan.slot(c));
        assert_ne!(plan.slot(e), plan.slot(d));
    }

    #[test]
    fn memory_is_reused() {
        let mut g = Graph::new();
        let mut x = g.input("x", &[1000]).unwrap();
        for _ in 0..50 {
            x = g.silu(x).unwrap();
        }
        g.output("y", x).unwrap();
        assert!(Plan::new(&g).len() <= 3 * 1008);
    }
}
