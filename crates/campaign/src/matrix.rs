//! Every combination of some slots' values, by number; nothing is kept but the values.

use std::collections::BTreeMap;

/// Slots with their values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matrix {
    slots: Vec<(String, Vec<String>)>,
}

impl Matrix {
    /// A matrix of slots with their values; the last slot varies fastest.
    pub fn new(slots: Vec<(String, Vec<String>)>) -> Self {
        Self { slots }
    }

    /// How many combinations there are; without slots one, the empty one. `None` above 2^64.
    pub fn count(&self) -> Option<u64> {
        self.slots.iter().try_fold(1_u64, |product, (_, values)| product.checked_mul(values.len() as u64))
    }

    /// Puts combination `number` (from 0) into `values`; numbers past the last begin again.
    pub fn put(&self, mut number: u64, values: &mut BTreeMap<String, String>) {
        for (name, choices) in self.slots.iter().rev() {
            let count = choices.len() as u64;
            if let Some(value) = number.checked_rem(count).and_then(|at| choices.get(at as usize)) {
                values.insert(name.clone(), value.clone());
                number /= count;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(counts: &[usize]) -> Matrix {
        let slot = |(i, count): (usize, &usize)| (format!("s{i}"), (0..*count).map(|v| v.to_string()).collect());
        Matrix::new(counts.iter().enumerate().map(slot).collect())
    }

    #[test]
    fn the_last_slot_varies_fastest() {
        let matrix = matrix(&[2, 3]);
        assert_eq!(matrix.count(), Some(6));
        let texts: Vec<String> = (0..6)
            .map(|number| {
                let mut values = BTreeMap::new();
                matrix.put(number, &mut values);
                format!("{}{}", values["s0"], values["s1"])
            })
            .collect();
        assert_eq!(texts, ["00", "01", "02", "10", "11", "12"]);
    }

    #[test]
    fn extremes() {
        assert_eq!(Matrix::default().count(), Some(1));
        assert_eq!(matrix(&[3, 0]).count(), Some(0));
        assert_eq!(matrix(&[1000; 7]).count(), None);
        let mut values = BTreeMap::new();
        matrix(&[0]).put(5, &mut values);
        assert!(values.is_empty());
    }
}
