//! Ridge regression to one-hot labels: the simplest classifier of vectors, in closed form.

/// A linear map from vectors to one score a class.
pub struct Ridge {
    /// `[input + 1][class]`, the constant last.
    weights: Vec<Vec<f64>>,
    classes: usize,
}

impl Ridge {
    /// Fits `x` to the classes `y` (below `classes`), with the penalty `ridge` for each example.
    ///
    /// # Panics
    /// When the rows of `x` differ in length.
    pub fn fit(x: &[Vec<f32>], y: &[usize], classes: usize, ridge: f64) -> Self {
        let n = x.first().map_or(0, Vec::len) + 1;
        let mut gram = vec![vec![0.0; n]; n];
        let mut weights = vec![vec![0.0; classes]; n];
        for (x, &y) in x.iter().zip(y) {
            assert_eq!(x.len() + 1, n, "rows of one length");
            let x: Vec<f64> = x.iter().map(|&x| f64::from(x)).chain([1.0]).collect();
            for i in 0..n {
                weights[i][y] += x[i];
                for j in 0..=i {
                    gram[i][j] += x[i] * x[j];
                }
            }
        }
        for (i, row) in gram.iter_mut().enumerate() {
            row[i] += ridge * x.len().max(1) as f64;
        }
        cholesky_solve(&mut gram, &mut weights);
        Self { weights, classes }
    }

    /// The class with the largest score.
    pub fn class(&self, x: &[f32]) -> usize {
        let score = |class: usize| -> f64 {
            let (constant, rest) = self.weights.split_last().expect("at least the constant");
            x.iter().zip(rest).map(|(&x, w)| f64::from(x) * w[class]).sum::<f64>() + constant[class]
        };
        (0..self.classes).map(|c| (score(c), c)).max_by(|a, b| a.0.total_cmp(&b.0)).map_or(0, |(_, class)| class)
    }
}

/// Solves `a · x = b` for symmetric positive `a` (its lower half); `b` becomes `x`.
fn cholesky_solve(a: &mut [Vec<f64>], b: &mut [Vec<f64>]) {
    let n = a.len();
    for i in 0..n {
        for j in 0..=i {
            let sum = a[i][j] - (0..j).map(|k| a[i][k] * a[j][k]).sum::<f64>();
            a[i][j] = if i == j { sum.sqrt() } else { sum / a[j][j] };
        }
    }
    for c in 0..b[0].len() {
        for i in 0..n {
            b[i][c] = (b[i][c] - (0..i).map(|k| a[i][k] * b[k][c]).sum::<f64>()) / a[i][i];
        }
        for i in (0..n).rev() {
            b[i][c] = (b[i][c] - (i + 1..n).map(|k| a[k][i] * b[k][c]).sum::<f64>()) / a[i][i];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_are_told_apart_and_the_penalty_shrinks() {
        let x: Vec<Vec<f32>> =
            [[0.0, 0.1], [0.1, 0.0], [1.0, 0.1], [0.9, 0.0], [0.1, 1.0], [0.0, 0.9]].map(|p| p.to_vec()).to_vec();
        let y = [0, 0, 1, 1, 2, 2];
        let ridge = Ridge::fit(&x, &y, 3, 1e-6);
        assert_eq!(x.iter().map(|x| ridge.class(x)).collect::<Vec<_>>(), y);
        let size = |penalty| Ridge::fit(&x, &y, 3, penalty).weights[0].iter().map(|w| w * w).sum::<f64>();
        assert!(size(1.0) < size(1e-6));
    }
}
