//! What every kind of run promises.

use std::path::Path;

use kernels::Cpu;
use simd::Isa;
use train::trainer::Trainer;
use train::{TrainConfig, checkpoint};

/// Four steps on one thread give the bits of two steps on two threads and, from their checkpoint in `folder`, two on three.
pub fn stopping_and_threads_change_no_bit(config: &TrainConfig, folder: &Path) {
    let isa = Isa::detected();
    let trainer = |threads| Trainer::new(&Cpu::new(isa, threads), config).unwrap();
    let steps = |trainer: &mut Trainer, count: usize| {
        for _ in 0..count {
            trainer.step().unwrap();
        }
    };
    let bits = |trainer: &Trainer| -> Vec<u32> {
        trainer.masters().iter().flat_map(|p| p.data.iter().map(|x| x.to_bits())).collect()
    };
    let mut whole = trainer(1);
    steps(&mut whole, 4);
    let mut first = trainer(2);
    steps(&mut first, 2);
    first.save(folder).unwrap();
    let mut second = trainer(3);
    second.restore(&checkpoint::newest(folder).unwrap().unwrap()).unwrap();
    steps(&mut second, 2);
    assert!(bits(&second) == bits(&whole), "the parameters differ");
}
