//! A small U-Net that uses every operation on pictures: gradients, batches, threads and fusion, and one set of packed weights
//! for pictures of any size.

mod common;

use std::sync::Arc;

use common::{Item, Network, Random, executor, parameters, set_items};
use graph::{Conv2dOptions, Executor, Graph, PackedParameters, Precision, ShapeError, Tensor, autodiff};
use kernels::Cpu;

const UNET: Network = Network { graph: network, item: |random| item_inputs((8, 12), random), fused: 6 };
const EPS: f32 = 1e-5;
const GROUPS: usize = 4;

/// A convolution of `out` channels with a bias.
fn conv(
    g: &mut Graph,
    name: &str,
    x: Tensor,
    out: usize,
    kernel: (usize, usize),
    options: Conv2dOptions,
) -> Result<Tensor, ShapeError> {
    let channels = g.shape(x)[3];
    let weight = g.parameter(&format!("{name}.weight"), &[out, kernel.0, kernel.1, channels])?;
    let bias = g.parameter(&format!("{name}.bias"), &[out])?;
    g.conv2d(x, weight, Some(bias), options)
}

fn norm(g: &mut Graph, name: &str, x: Tensor, silu: bool) -> Result<Tensor, ShapeError> {
    let channels = g.shape(x)[3];
    let weight = g.parameter(&format!("{name}.norm.weight"), &[channels])?;
    let bias = g.parameter(&format!("{name}.norm.bias"), &[channels])?;
    g.group_norm(x, weight, bias, GROUPS, EPS, silu)
}

const SAME: Conv2dOptions = Conv2dOptions { stride: 1, padding: [1; 4], upsample: 1, crop: (0, 0) };

/// x + two convolutions, each of what a norm and SiLU made: one SiLU within the norm, one beside it.
fn block(g: &mut Graph, name: &str, x: Tensor) -> Result<Tensor, ShapeError> {
    let channels = g.shape(x)[3];
    let h = norm(g, &format!("{name}.0"), x, true)?;
    let h = conv(g, &format!("{name}.0"), h, channels, (3, 3), SAME)?;
    let h = norm(g, &format!("{name}.1"), h, false)?;
    let h = g.silu(h)?;
    let h = conv(g, &format!("{name}.1"), h, channels, (3, 3), SAME)?;
    g.add(x, h)
}

fn sized(batch: usize, (height, width): (usize, usize)) -> Result<Graph, ShapeError> {
    let g = &mut Graph::new();
    let picture = [batch, height, width, 3];
    let (z, target) = (g.input("z", &picture)?, g.input("target", &picture)?);
    let weight = g.input("weight", &[batch])?;
    let plain = Conv2dOptions::default();

    let x = g.pixel_unshuffle(z, 2)?;
    let skip = conv(g, "stem", x, 8, (3, 3), SAME)?;
    let x = block(g, "outer", skip)?;
    // One row an item, as a time embedding is added.
    let rows = g.timestep_embedding(weight, 6, 100.0)?;
    let time = g.parameter("time.weight", &[8, 6])?;
    let rows = g.linear(rows, time, None)?;
    let x = g.add_per_item(x, rows)?;
    // Differences are wrong across the bend of a ReLU: its channels are kept on either side.
    let sides = g.constant(&[8], [1.5, -1.5].repeat(4))?;
    let h = g.tanh(x)?;
    let h = g.add_broadcast(h, sides)?;
    let h = g.relu(h)?;
    let x = g.add(x, h)?;
    let x = conv(g, "down", x, 12, (3, 3), Conv2dOptions { stride: 2, padding: [0, 1, 0, 1], ..SAME })?;
    let x = block(g, "inner", x)?;
    let h = norm(g, "middle", x, false)?;
    let h = conv(g, "middle.in", h, 16, (1, 1), plain)?;
    let h = g.silu(h)?;
    let out = g.parameter("middle.out.weight", &[12, 2, 4, 16])?;
    let h = g.conv2d(h, out, None, Conv2dOptions { padding: [1, 0, 2, 1], ..plain })?;
    let x = g.add(h, x)?;
    // One weight for the picture and for its double: two packed gradient operands.
    let up = g.parameter("up.weight", &[12, 3, 3, 12])?;
    let x = g.conv2d(x, up, None, SAME)?;
    let x = g.conv2d(x, up, None, Conv2dOptions { upsample: 2, ..SAME })?;
    let x = g.concat(&[x, skip])?;
    let x = norm(g, "head", x, true)?;
    let x = conv(g, "head", x, 12, (3, 3), SAME)?;
    let x = g.pixel_shuffle(x, 2)?;
    g.output("x", x)?;
    let (loss, by_item) = g.weighted_squared_error(x, target, weight)?;
    g.output("loss", loss)?;
    g.output("loss_by_item", by_item)?;
    Ok(std::mem::take(g))
}

fn network(batch: usize) -> Result<Graph, ShapeError> {
    sized(batch, (8, 12))
}

fn item_inputs((height, width): (usize, usize), random: &mut Random) -> Item {
    vec![
        ("z", random.fill(height * width * 3)),
        ("target", random.fill(height * width * 3)),
        ("weight", vec![1.0 + random.next().abs()]),
    ]
}

#[test]
fn gradients_equal_central_differences() {
    UNET.gradients_equal_central_differences();
}

#[test]
fn an_item_alone_equals_the_item_in_a_batch() {
    UNET.an_item_alone_equals_the_item_in_a_batch();
}

#[test]
fn thread_count_changes_no_bit() {
    UNET.thread_count_changes_no_bit();
}

#[test]
fn fusing_keeps_the_result() {
    UNET.fusing_keeps_the_result();
}

#[test]
fn running_twice_gives_the_same() {
    UNET.running_twice_gives_the_same();
}

#[test]
fn small_batches_add_up() {
    UNET.small_batches_add_up();
}

#[test]
fn every_picture_size_reads_the_same_packed_weights() {
    for precision in [Precision::F32, Precision::auto(Cpu::detected(1).isa)] {
        let differentiated = |size| {
            let mut g = sized(2, size).unwrap();
            let loss = g.outputs()[1].1;
            autodiff::gradients(&mut g, loss).unwrap();
            g
        };
        let (random, cpu) = (&mut Random(8), Cpu::detected(1));
        let (one, other) = (differentiated((8, 12)), differentiated((20, 4)));
        let p = parameters(&one, random);
        let items: Vec<_> = (0..2).map(|_| item_inputs((20, 4), random)).collect();
        let (mut own, _) = executor(&cpu, &other, &p, precision);
        let packed = Arc::new(PackedParameters::new(&cpu, &[&one], &p, precision).unwrap());
        let mut shared = Executor::new(&cpu, Arc::new(other), packed).unwrap();
        for exec in [&mut own, &mut shared] {
            set_items(exec, &items);
            exec.run().unwrap();
        }
        testkit::assert_same_bits("x", shared.output("x"), own.output("x"));
        for ((name, got), (_, want)) in shared.gradients().zip(own.gradients()) {
            testkit::assert_same_bits(name, got, want);
        }
    }
}
