//! What every network must show, from its graph and one item's inputs. A network has the outputs `x` `[B, ..]`, `loss` `[1]`
//! and `loss_by_item` `[B]`.

use std::sync::Arc;

use graph::{Executor, Graph, PackedParameters, Parameters, Precision, ShapeError, autodiff};
use kernels::Cpu;

/// Small deterministic generator (splitmix64), uniform in [-1, 1).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    pub fn fill(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.next()).collect()
    }
}

/// Inputs of one item by name.
pub type Item = Vec<(&'static str, Vec<f32>)>;

/// A network under test.
pub struct Network {
    /// The forward graph for a batch.
    pub graph: fn(usize) -> Result<Graph, ShapeError>,
    /// Random inputs of one item.
    pub item: fn(&mut Random) -> Item,
    /// Nodes that fusion saves.
    pub fused: usize,
}

/// The two precisions worth telling apart on this machine.
fn precisions() -> [Precision; 2] {
    [Precision::F32, Precision::auto(Cpu::detected(1).isa)]
}

/// Random weights, those of norms around one.
pub fn parameters(g: &Graph, random: &mut Random) -> Parameters {
    let mut parameters = Parameters::new();
    for (name, tensor) in g.parameters() {
        let shape = g.shape(tensor);
        let centre = if name.contains("norm") && !name.contains("bias") { 1.0 } else { 0.0 };
        let data = (0..g.len(tensor)).map(|_| centre + 0.4 * random.next()).collect();
        parameters.insert(name, shape, data).unwrap();
    }
    parameters
}

/// Sets a batch of items.
pub fn set_items(executor: &mut Executor, items: &[Item]) {
    for at in 0..items[0].len() {
        let values: Vec<f32> = items.iter().flat_map(|item| item[at].1.iter().copied()).collect();
        executor.set_input(items[0][at].0, &values).unwrap();
    }
}

/// An executor with its own packed weights.
pub fn executor(
    cpu: &Cpu,
    g: &Graph,
    parameters: &Parameters,
    precision: Precision,
) -> (Executor, Arc<PackedParameters>) {
    let packed = Arc::new(PackedParameters::new(cpu, &[g], parameters, precision).unwrap());
    (Executor::new(cpu, Arc::new(g.clone()), packed.clone()).unwrap(), packed)
}

impl Network {
    fn graph(&self, batch: usize) -> Graph {
        (self.graph)(batch).unwrap()
    }

    fn differentiated(&self, batch: usize) -> Graph {
        let mut g = self.graph(batch);
        let loss = g.outputs().iter().find(|(n, _)| n == "loss").unwrap().1;
        autodiff::gradients(&mut g, loss).unwrap();
        g
    }

    fn items(&self, count: usize, random: &mut Random) -> Vec<Item> {
        (0..count).map(|_| (self.item)(random)).collect()
    }

    /// Bound: along a random direction u in each parameter, |(L(p + εu) − L(p − εu)) / 2ε − ⟨g, u⟩| ≤ 2 % of ⟨g, u⟩ and 0.2 % of
    /// ‖g‖ plus a floor for the rounding of L. Along the gradient itself, one that is a tenth too long must exceed it.
    pub fn gradients_equal_central_differences(&self) {
        let g = self.differentiated(3);
        assert_eq!(g.gradients().len(), g.parameters().count(), "every parameter has a gradient");
        let random = &mut Random(1);
        let mut p = parameters(&g, random);
        let items = self.items(3, random);
        let (mut exec, packed) = executor(&Cpu::detected(2), &g, &p, Precision::F32);
        set_items(&mut exec, &items);
        exec.run().unwrap();
        let analytic: Vec<(String, Vec<f32>)> = exec.gradients().map(|(n, v)| (n.to_owned(), v.to_vec())).collect();
        let by_item = exec.output("loss_by_item");
        let mean = by_item.iter().sum::<f32>() / by_item.len() as f32;
        assert!((mean - exec.output("loss")[0]).abs() <= 1e-5 * mean);

        for (name, gradient) in &analytic {
            let norm = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
            for trial in 0..3 {
                let direction: Vec<f32> = match trial {
                    // Along the gradient itself the derivative is largest.
                    0 => gradient.iter().map(|g| g / norm).collect(),
                    _ => {
                        let u = random.fill(gradient.len());
                        let length = u.iter().map(|x| x * x).sum::<f32>().sqrt();
                        u.iter().map(|x| x / length).collect()
                    }
                };
                let original = p.get(name).unwrap().data.clone();
                let mut at = |step: f32| {
                    let data = p.data_mut(name).unwrap();
                    for ((d, o), u) in data.iter_mut().zip(&original).zip(&direction) {
                        *d = o + step * u;
                    }
                    packed.refresh(&p).unwrap();
                    exec.run().unwrap();
                    f64::from(exec.output("loss")[0])
                };
                let step = 1e-2;
                let numeric = (at(step) - at(-step)) / (2.0 * f64::from(step));
                at(0.0);
                let exact: f64 = gradient.iter().zip(&direction).map(|(g, u)| f64::from(g * u)).sum();
                let bound = 0.02 * f64::from(norm).min(exact.abs()) + 2e-3 * f64::from(norm) + 5e-5;
                let error = (numeric - exact).abs();
                assert!(error <= bound, "{name}: numeric {numeric}, analytic {exact}, norm {norm}");
                let wrong = (numeric - 1.1 * exact).abs();
                assert!(trial > 0 || wrong > bound, "{name}: a gradient one tenth too long passes too, norm {norm}");
            }
        }
    }

    pub fn an_item_alone_equals_the_item_in_a_batch(&self) {
        for precision in precisions() {
            let random = &mut Random(2);
            let batch = self.graph(3);
            let p = parameters(&batch, random);
            let items = self.items(3, random);
            let (mut all, _) = executor(&Cpu::detected(2), &batch, &p, precision);
            set_items(&mut all, &items);
            all.run().unwrap();
            let (mut alone, _) = executor(&Cpu::detected(1), &self.graph(1), &p, precision);
            for (i, item) in items.iter().enumerate() {
                set_items(&mut alone, std::slice::from_ref(item));
                alone.run().unwrap();
                let x = alone.output("x");
                testkit::assert_same_bits(
                    &format!("item {i}, {precision:?}"),
                    x,
                    &all.output("x")[i * x.len()..][..x.len()],
                );
            }
        }
    }

    pub fn thread_count_changes_no_bit(&self) {
        for precision in precisions() {
            let g = self.differentiated(3);
            let random = &mut Random(3);
            let p = parameters(&g, random);
            let items = self.items(3, random);
            let mut bits: Vec<Vec<u32>> = Vec::new();
            for threads in [1, 2, 3] {
                let (mut exec, _) = executor(&Cpu::detected(threads), &g, &p, precision);
                set_items(&mut exec, &items);
                exec.run().unwrap();
                let values = exec.gradients().flat_map(|(_, v)| v).chain(exec.output("x"));
                bits.push(values.map(|v| v.to_bits()).collect());
            }
            assert!(bits[0] == bits[1] && bits[0] == bits[2], "{precision:?}");
        }
    }

    pub fn fusing_keeps_the_result(&self) {
        let random = &mut Random(4);
        let plain = self.graph(2);
        let fused = graph::fuse::fuse(&plain);
        assert_eq!(fused.nodes().len() + self.fused, plain.nodes().len());
        let p = parameters(&plain, random);
        let items = self.items(2, random);
        let mut results = Vec::new();
        for g in [&plain, &fused] {
            let (mut exec, _) = executor(&Cpu::detected(1), g, &p, Precision::F32);
            set_items(&mut exec, &items);
            exec.run().unwrap();
            results.push(exec.output("x").to_vec());
        }
        testkit::assert_close("fused", &results[1], &results[0], 0.0, 1e-5);
    }

    pub fn running_twice_gives_the_same(&self) {
        let random = &mut Random(5);
        let g = self.differentiated(1);
        let p = parameters(&g, random);
        let item = (self.item)(random);
        let (mut exec, _) = executor(&Cpu::detected(1), &g, &p, Precision::F32);
        set_items(&mut exec, std::slice::from_ref(&item));
        exec.run().unwrap();
        let first: Vec<f32> = exec.gradients().flat_map(|(_, v)| v).copied().collect();
        exec.run().unwrap();
        let second: Vec<f32> = exec.gradients().flat_map(|(_, v)| v).copied().collect();
        testkit::assert_same_bits("second run", &second, &first);
    }

    pub fn small_batches_add_up(&self) {
        let random = &mut Random(7);
        let (cpu, g) = (Cpu::detected(1), self.differentiated(1));
        let p = parameters(&g, random);
        let items = self.items(3, random);
        let (mut all, _) = executor(&cpu, &self.differentiated(3), &p, Precision::F32);
        set_items(&mut all, &items);
        all.run().unwrap();
        let (mut one, _) = executor(&cpu, &g, &p, Precision::F32);
        for _ in 0..2 {
            for (i, item) in items.iter().enumerate() {
                set_items(&mut one, std::slice::from_ref(item));
                if i == 0 { one.run().unwrap() } else { one.run_adding().unwrap() }
            }
            for ((name, want), (_, sum)) in all.gradients().zip(one.gradients()) {
                let mean: Vec<f32> = sum.iter().map(|x| x / items.len() as f32).collect();
                testkit::assert_close(name, &mean, want, 1e-3, 1e-5);
            }
        }
    }
}
