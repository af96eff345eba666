//! Convolutions that multiply as Winograd's, forward and backward: gradients, batches, threads and fusion, and what they are priced at.

mod common;

use common::{Item, Network, Random};
use graph::cost::Cost;
use graph::{Conv2dOptions, Graph, OpKind, PackedParameters, Parameters, Precision, ShapeError, Tensor, autodiff};
use kernels::Cpu;

const NETWORK: Network = Network { graph: network, item: item_inputs, fused: 3 };
const PICTURE: [usize; 3] = [7, 6, 2];
const SAME: Conv2dOptions = Conv2dOptions { stride: 1, padding: [1; 4], upsample: 1, crop: (0, 0) };

fn conv(g: &mut Graph, name: &str, x: Tensor, out: usize, options: Conv2dOptions) -> Result<Tensor, ShapeError> {
    let channels = g.shape(x)[3];
    let weight = g.parameter(&format!("{name}.weight"), &[out, 3, 3, channels])?;
    let bias = g.parameter(&format!("{name}.bias"), &[out])?;
    g.conv2d(x, weight, Some(bias), options)
}

/// Wide enough in the middle; one of the wide convolutions moves its picture, one doubles it.
fn network(batch: usize) -> Result<Graph, ShapeError> {
    let g = &mut Graph::new();
    let [height, width, channels] = PICTURE;
    let (rows, columns) = (2 * height, 2 * width);
    let z = g.input("z", &[batch, height, width, channels])?;
    let target = g.input("target", &[batch, rows, columns, channels])?;
    let weight = g.input("weight", &[batch])?;

    // Sums over so many channels of random weights are brought back to the size of one value.
    let x = conv(g, "in", z, 64, SAME)?;
    let h = g.scale(x, 0.2)?;
    let h = conv(g, "first", h, 96, Conv2dOptions { padding: [2, 0, 0, 2], ..SAME })?;
    let h = g.silu(h)?;
    let h = g.scale(h, 0.2)?;
    let h = conv(g, "second", h, 64, SAME)?;
    let x = g.add(x, h)?;
    let x = g.scale(x, 0.2)?;
    let x = conv(g, "doubled", x, 64, Conv2dOptions { upsample: 2, ..SAME })?;
    let x = g.silu(x)?;
    let x = g.scale(x, 0.2)?;
    let x = conv(g, "out", x, channels, SAME)?;
    g.output("x", x)?;
    let (loss, by_item) = g.weighted_squared_error(x, target, weight)?;
    g.output("loss", loss)?;
    g.output("loss_by_item", by_item)?;
    Ok(std::mem::take(g))
}

fn item_inputs(random: &mut Random) -> Item {
    let pixels = PICTURE.iter().product::<usize>();
    vec![("z", random.fill(pixels)), ("target", random.fill(4 * pixels)), ("weight", vec![1.0 + random.next().abs()])]
}

#[test]
fn gradients_equal_central_differences() {
    NETWORK.gradients_equal_central_differences();
}

#[test]
fn an_item_alone_equals_the_item_in_a_batch() {
    NETWORK.an_item_alone_equals_the_item_in_a_batch();
}

#[test]
fn thread_count_changes_no_bit() {
    NETWORK.thread_count_changes_no_bit();
}

#[test]
fn fusing_keeps_the_result() {
    NETWORK.fusing_keeps_the_result();
}

#[test]
fn running_twice_gives_the_same() {
    NETWORK.running_twice_gives_the_same();
}

#[test]
fn small_batches_add_up() {
    NETWORK.small_batches_add_up();
}

#[test]
fn gradients_do_fewer_operations_than_are_counted() {
    let mut g = network(1).unwrap();
    let loss = g.outputs()[1].1;
    autodiff::gradients(&mut g, loss).unwrap();
    let cost = Cost::new(&g, Precision::Bf16);
    for kind in [OpKind::Conv, OpKind::ConvInputGradient, OpKind::ConvWeightGradient] {
        let (fewer, fewest) = (cost.kind(kind), Cost::new(&g, Precision::F32).kind(kind));
        assert!(fewest.done < fewer.done && fewer.done < fewer.flops, "{fewer:?} {fewest:?}");
    }
}

#[test]
fn packed_weights_take_what_the_price_says() {
    let g = &mut Graph::new();
    let x = g.input("x", &[1, 8, 8, 64]).unwrap();
    let h = conv(g, "first", x, 96, SAME).unwrap();
    let y = conv(g, "second", h, 64, SAME).unwrap();
    let tokens = g.reshape(y, &[1, 64, 64]).unwrap();
    let matrix = g.parameter("matrix", &[32, 64]).unwrap();
    let y = g.linear(tokens, matrix, None).unwrap();
    let (target, weight) = (g.input("target", &[1, 64, 32]).unwrap(), g.input("weight", &[1]).unwrap());
    let (loss, _) = g.weighted_squared_error(y, target, weight).unwrap();
    autodiff::gradients(g, loss).unwrap();
    let mut parameters = Parameters::new();
    for (name, tensor) in g.parameters() {
        parameters.insert(name, g.shape(tensor), vec![0.5; g.len(tensor)]).unwrap();
    }
    // Whole panels: nothing is padded.
    let packed = PackedParameters::new(&Cpu::detected(1), &[g], &parameters, Precision::F32).unwrap();
    assert_eq!(packed.bytes() as u64, Cost::new(g, Precision::F32).packed_bytes);
}
