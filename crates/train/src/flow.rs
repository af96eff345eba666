//! Rectified flow with data prediction: what one training example is.
//!
//! `z = (1 - t) x + t ε` with `t = 0` clean and `t = 1` noise (Liu et al., arXiv 2209.03003). The network
//! gives `x̂`; the loss is the squared error of the velocity `(z - x) / max(t, min_time)` ("JiT", Li and He,
//! arXiv 2511.13720), which is the squared error of `x̂` weighed by `1 / max(t, min_time)²`.
//!
//! Every random number is a pure function of (seed, example number, purpose), so a run can go on from any
//! example and does not depend on batch size or threads.

use sampling::noise::{NoiseAddress, Purpose, fill_normal, fill_uniform};

use crate::config::FlowConfig;

pub(crate) fn address(seed: u64, example: u64, purpose: Purpose) -> NoiseAddress {
    NoiseAddress { seed, image: example as u32, step: (example >> 32) as u32, purpose }
}

/// The choices of one example: which record, which of its captions, whether the caption is dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Picks the record.
    pub record: u64,
    /// Picks the caption.
    pub caption: u64,
    /// True when the example is trained without its caption.
    pub drop: bool,
    /// Below the configured share, the picture is mirrored if it may be.
    pub mirror: f32,
}

/// The choices of example number `example` under `seed`.
pub fn choice(config: &FlowConfig, seed: u64, example: u64) -> Choice {
    let words = |purpose| {
        let mut u = [0.0f32; 4];
        fill_uniform(address(seed, example, purpose), &mut u);
        // 24 random bits each.
        u.map(|x| (x * 16_777_216.0) as u64)
    };
    let order = words(Purpose::TrainingOrder);
    let text = words(Purpose::TrainingChoice);
    Choice {
        record: order[0] << 40 | order[1] << 16 | order[2] >> 8,
        caption: text[0] << 40 | text[1] << 16 | text[2] >> 8,
        mirror: order[3] as f32 / 16_777_216.0,
        drop: (text[3] as f32) < config.caption_drop * 16_777_216.0,
    }
}

/// The flow time of example number `example`: `1 - sigmoid(mean + std · N(0, 1))`, or uniform for the
/// configured share of examples.
pub fn time(config: &FlowConfig, seed: u64, example: u64) -> f32 {
    let mut u = [0.0f32; 2];
    fill_uniform(address(seed, example, Purpose::TrainingTime), &mut u);
    if u[0] < config.uniform {
        return u[1];
    }
    let mut normal = [0.0f32; 5];
    // Elements 0 and 1 share their random words with the uniforms above; 4 does not.
    fill_normal(address(seed, example, Purpose::TrainingTime), &mut normal);
    1.0 / (1.0 + (config.logit_mean + config.logit_std * normal[4]).exp())
}

/// The weight of the squared error of `x̂` at time `t`.
pub fn weight(config: &FlowConfig, t: f32) -> f32 {
    t.max(config.min_time).powi(-2)
}

/// Writes `x` of one example from `pixels`, premultiplied RGBA bytes `[H, W, 4]`: the same shape, f32 in [-1, 1], the rows of
/// `width` pixels turned around if `mirrored`.
pub fn clean(pixels: &[u8], width: usize, mirrored: bool, x: &mut [f32]) {
    for (row, x) in pixels.chunks_exact(4 * width).zip(x.chunks_exact_mut(4 * width)) {
        for (i, x) in x.chunks_exact_mut(4).enumerate() {
            let from = 4 * if mirrored { width - 1 - i } else { i };
            for (x, &byte) in x.iter_mut().zip(&row[from..from + 4]) {
                *x = f32::from(byte) * (2.0 / 255.0) - 1.0;
            }
        }
    }
}

/// Writes `z` of one example: its picture `x` with noise of deviation `noise_scale`.
pub fn mix(seed: u64, example: u64, t: f32, noise_scale: f32, x: &[f32], z: &mut [f32]) {
    fill_normal(address(seed, example, Purpose::TrainingNoise), z);
    for (z, x) in z.iter_mut().zip(x) {
        *z = (1.0 - t) * *x + t * noise_scale * *z;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_stated_distribution() {
        let config = FlowConfig::default();
        let times: Vec<f32> = (0..20_000).map(|e| time(&config, 3, e)).collect();
        assert!(times.iter().all(|t| (0.0..=1.0).contains(t)));
        let mut sorted = times.clone();
        sorted.sort_by(f32::total_cmp);
        // 90 % have median 1 - sigmoid(-0.8) = 0.69; uniform ones pull the median a little down.
        assert!((sorted[10_000] - 0.675).abs() < 0.02, "{}", sorted[10_000]);
        let low = times.iter().filter(|&&t| t < 0.1).count() as f32 / 20_000.0;
        assert!((0.005..0.02).contains(&low), "{low}");
    }

    #[test]
    fn captions_are_dropped_at_the_stated_rate() {
        let config = FlowConfig::default();
        let dropped = (0..20_000).filter(|&e| choice(&config, 5, e).drop).count();
        assert!((1_800..2_200).contains(&dropped), "{dropped}");
        assert_ne!(choice(&config, 5, 1).record, choice(&config, 5, 1 << 32 | 1).record);
    }

    #[test]
    fn the_ends_of_the_path_are_picture_and_noise() {
        let pixels = [0u8, 255, 51, 204, 0, 0, 255, 0];
        let (mut x, mut z) = ([0.0; 8], [0.0; 8]);
        clean(&pixels, 2, true, &mut x);
        assert_eq!(x[..4], [-1.0, -1.0, 1.0, -1.0]);
        clean(&pixels, 2, false, &mut x);
        mix(1, 9, 0.0, 1.0, &x, &mut z);
        assert_eq!(x, z);
        assert!((x[0] + 1.0).abs() < 1e-6 && (x[1] - 1.0).abs() < 1e-6 && (x[2] + 0.6).abs() < 1e-6);
        let mut noise = [0.0; 8];
        fill_normal(address(1, 9, Purpose::TrainingNoise), &mut noise);
        mix(1, 9, 1.0, 1.0, &x, &mut z);
        assert_eq!(z, noise);
        mix(1, 9, 1.0, 2.0, &x, &mut z);
        assert_eq!(z, noise.map(|n| 2.0 * n));
    }
}
