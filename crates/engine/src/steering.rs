//! What steers a prediction: guidance towards the text, and away from the network without its middle block.

use models::jit;
use sampling::{Guidance, combine, push};

/// How predictions are steered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Steering {
    /// Towards the text.
    pub(crate) guidance: Guidance,
    /// Scale of the guidance away from the weakened network, where the other one acts and no finisher does; 0 = none.
    pub(crate) skip: f32,
}

/// Which predictions one evaluation makes of each picture; the conditional one is always the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sides {
    /// The conditional one.
    One,
    /// And the unconditional one.
    Two,
    /// And the conditional one of the weakened network.
    Three,
}

impl Sides {
    /// All, in the order in which a picture comes to them.
    pub(crate) const ALL: [Self; 3] = [Self::Three, Self::Two, Self::One];

    /// How many.
    pub(crate) fn count(self) -> usize {
        self as usize + 1
    }

    /// Whether the graph must know how to weaken the network.
    pub(crate) fn is_weakened(self) -> bool {
        self == Self::Three
    }
}

impl Steering {
    /// What is predicted at time `t`.
    pub(crate) fn sides(self, t: f32) -> Sides {
        match self.guidance.is_guided(t) {
            false => Sides::One,
            true if self.skip != 0.0 && t > jit::finish::FROM => Sides::Three,
            true => Sides::Two,
        }
    }

    /// The steered prediction of pictures whose `sides` stand one after the other in `predictions`.
    pub(crate) fn combine(self, sides: Sides, mut predictions: Vec<f32>) -> Vec<f32> {
        let others = predictions.split_off(predictions.len() / sides.count());
        let (unconditional, weakened) = others.split_at(others.len().min(predictions.len()));
        let conditional = if sides.is_weakened() { predictions.clone() } else { Vec::new() };
        if sides != Sides::One {
            combine(self.guidance.scale, unconditional, &mut predictions);
        }
        if sides.is_weakened() {
            push(self.skip, weakened, &conditional, &mut predictions);
        }
        predictions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEERING: Steering = Steering { guidance: Guidance { scale: 3.0, low: 0.3, high: 1.0 }, skip: 2.0 };

    #[test]
    fn sides_follow_the_time() {
        let at = |steering: Steering| [0.8, 0.5, 0.1].map(|t| steering.sides(t));
        assert_eq!(at(STEERING), Sides::ALL);
        assert_eq!(at(Steering { skip: 0.0, ..STEERING }), [Sides::Two, Sides::Two, Sides::One]);
        let unguided = Guidance { scale: 1.0, ..STEERING.guidance };
        assert_eq!(at(Steering { guidance: unguided, ..STEERING }), [Sides::One; 3]);
    }

    #[test]
    fn each_side_has_its_part() {
        assert_eq!(STEERING.combine(Sides::One, vec![1.0, 2.0]), [1.0, 2.0]);
        assert_eq!(STEERING.combine(Sides::Two, vec![1.0, 2.0, 0.0, 4.0]), [3.0, -2.0]);
        assert_eq!(STEERING.combine(Sides::Three, vec![1.0, 2.0, 0.0, 4.0, 2.0, 1.0]), [1.0, 0.0]);
    }
}
