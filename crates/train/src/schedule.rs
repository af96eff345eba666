//! Warm-up–stable–decay: the learning rate's multiplier as a pure function of progress.

use crate::config::TrainConfig;

/// Multiplier in `[0, 1]` of the peak learning rate for optimiser step `step` (counted from 0) of a
/// run that has already seen `pictures` examples: linear warm-up, constant, then linear to zero over
/// the run's last `decay_pictures`.
pub fn multiplier(config: &TrainConfig, step: u64, pictures: u64) -> f32 {
    let warm = match config.optimiser.warmup_steps {
        0 => 1.0,
        n => ((step + 1) as f64 / n as f64).min(1.0),
    };
    let decay = match config.optimiser.decay_pictures {
        0 => 1.0,
        n => (config.pictures.saturating_sub(pictures) as f64 / n as f64).min(1.0),
    };
    (warm * decay) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_holds_and_falls() {
        let mut config: TrainConfig = toml::from_str("name='x'\ndata='d'\noutput='o'\npictures=1000").unwrap();
        config.optimiser.warmup_steps = 10;
        config.optimiser.decay_pictures = 200;
        assert_eq!(multiplier(&config, 0, 0), 0.1);
        assert_eq!(multiplier(&config, 9, 90), 1.0);
        assert_eq!(multiplier(&config, 50, 800), 1.0);
        assert_eq!(multiplier(&config, 60, 900), 0.5);
        assert_eq!(multiplier(&config, 70, 1000), 0.0);
    }
}
