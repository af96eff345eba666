//! The training configuration: one TOML file, every field with a default and a range.
//!
//! Units: `pictures` counts training examples seen (an example seen twice counts twice), times are
//! flow times (0 clean, 1 noise), learning rates are per optimiser step.

use std::path::{Path, PathBuf};

use engine::PrecisionChoice;
use sampling::Schedule;
use serde::{Deserialize, Serialize};

use crate::TrainError;

/// Everything `calotype train` reads from its configuration file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Name of the run; it becomes the model's name.
    pub name: String,
    /// Folder of a built dataset, or of `picture` + `.txt` pairs.
    pub data: PathBuf,
    /// Folder that receives checkpoints, curves, samples and the model files.
    pub output: PathBuf,
    /// Side of the square training pictures in pixels; a multiple of the model's patch.
    #[serde(default = "defaults::resolution")]
    pub resolution: usize,
    /// Examples per optimiser step.
    #[serde(default = "defaults::batch")]
    pub batch: usize,
    /// Examples computed at a time, which divides `batch`; 0 chooses. The gradients of the parts are added.
    #[serde(default)]
    pub micro_batch: usize,
    /// Total number of examples to have seen when the run ends.
    pub pictures: u64,
    /// Caption tokens the network sees, the two markers included; longer captions are cut.
    #[serde(default = "defaults::text_tokens")]
    pub text_tokens: usize,
    /// At how many places of the network's grid the model makes its last prediction, 1 to 3 (`docs/adr/0021-the-last-prediction-at-three-places.md`).
    /// More than one has fewer seams, for pictures that can be anywhere with nothing around them. Default: as in `init`, or else 1.
    #[serde(default)]
    pub shifts: Option<u32>,
    /// Share of the pictures that are shown mirrored, of those whose captions name no side, direction or writing.
    #[serde(default)]
    pub mirror: f32,
    /// Seed of the initial parameters, the order of examples and the noise.
    #[serde(default = "defaults::seed")]
    pub seed: u64,
    /// Start from these weights (a safetensors file), with a fresh optimiser. `[model]` may have twice the patch, or a
    /// detail network that these have not: the network grows (`jit::grow`), and draws as before until it has learned more.
    #[serde(default)]
    pub init: Option<PathBuf>,
    /// Start from the newest checkpoint of this other run: weights, averages, optimiser and counters. A run of a part of a
    /// model (finisher, early or late times) also names the model that it is for, as `init`.
    #[serde(default)]
    pub branch_from: Option<PathBuf>,
    /// `bf16`, `f32` or `auto` (bf16 where the processor multiplies it).
    #[serde(default)]
    pub precision: PrecisionChoice,
    /// The network.
    #[serde(default)]
    pub model: models::jit::Config,
    /// Train an enlarger instead; `resolution` is then the side of the enlarged pictures.
    #[serde(default)]
    pub enlarger: Option<EnlargerConfig>,
    /// Teach a trained model, which is `init`, to finish its pictures instead; `[model]` is then not used.
    #[serde(default)]
    pub finisher: Option<FinisherConfig>,
    /// Train an early expert for a trained model, which is `init`, instead (`docs/adr/0026-an-early-expert.md`); `[model]` is then not
    /// used. It begins as the model's network, or goes on from the expert that it has.
    #[serde(default)]
    pub early: bool,
    /// Train the network of a model with an early expert, which is `init`, on the flow times that the expert leaves to it instead;
    /// `[model]` is then not used, expert and finisher stay as they are. A finisher is then trained after it, since it corrects
    /// what this network gives.
    #[serde(default)]
    pub late: bool,
    /// Teach a trained model to draw in four, two and one steps instead; `model.step_length` must be true.
    #[serde(default)]
    pub turbo: Option<TurboConfig>,
    /// The optimiser.
    #[serde(default)]
    pub optimiser: OptimiserConfig,
    /// The noise process and the conditioning.
    #[serde(default)]
    pub flow: FlowConfig,
    /// What is written while the run goes on.
    #[serde(default)]
    pub report: ReportConfig,
}

/// What an enlarger learns from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnlargerConfig {
    /// The network.
    pub sizes: models::enlarger::Config,
    /// The model whose pictures it will enlarge: `default`, or a path.
    pub generator: String,
    /// Side in pixels of the crops of small pictures.
    pub crop: usize,
    /// Largest flow time from which the generator draws a small picture again.
    pub max_time: f32,
    /// Share of small pictures that are left as they are.
    pub plain: f32,
}

impl Default for EnlargerConfig {
    fn default() -> Self {
        let sizes = models::enlarger::Config::default();
        EnlargerConfig { sizes, generator: "default".into(), crop: 64, max_time: 0.3, plain: 0.2 }
    }
}

/// How large a finisher is (`docs/adr/0024-a-finisher.md`).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FinisherConfig {
    /// Channels of its finest level, 8 to 256.
    pub width: usize,
}

impl Default for FinisherConfig {
    fn default() -> Self {
        FinisherConfig { width: 64 }
    }
}

/// What few steps are learned from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TurboConfig {
    /// The model whose many steps are imitated: `default`, or a path.
    pub teacher: String,
    /// Its steps. With its schedule they must visit the times 3/4, 1/2 and 1/4.
    pub steps: usize,
    /// Its schedule.
    pub schedule: Schedule,
    /// Its guidance.
    pub guidance: f32,
    /// Flow times between which the guidance acts.
    pub guidance_interval: (f32, f32),
}

impl Default for TurboConfig {
    fn default() -> Self {
        let usual = engine::Request::default();
        let engine::Request { schedule, guidance, guidance_interval, .. } = usual;
        TurboConfig { teacher: "default".into(), steps: 20, schedule, guidance, guidance_interval }
    }
}

/// Muon on the blocks' matrices and on convolutions, AdamW on everything else; warm-up, constant, decay.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimiserConfig {
    /// Peak learning rate of AdamW, and of Muon times `muon_rate` (Muon's update is scaled to AdamW's RMS).
    pub learning_rate: f32,
    /// Steps of linear warm-up.
    pub warmup_steps: u64,
    /// Examples over which the rate falls linearly to zero at the end of the run; 0 keeps it constant.
    pub decay_pictures: u64,
    /// AdamW's first moment decay.
    pub beta1: f32,
    /// AdamW's second moment decay.
    pub beta2: f32,
    /// Muon's learning rate as a multiple of `learning_rate`.
    pub muon_rate: f32,
    /// Whether Muon also trains the kernels of convolutions (`docs/adr/0024-a-finisher.md`); runs begun when AdamW did go on with
    /// false.
    pub muon_convolutions: bool,
    /// Muon's momentum.
    pub momentum: f32,
    /// Newton–Schulz iterations of Muon; 0 trains the matrices with AdamW too.
    pub newton_schulz_steps: usize,
    /// Decoupled weight decay on matrices.
    pub weight_decay: f32,
    /// Gradients are scaled down to this global norm.
    pub clip: f32,
    /// Relative widths of the two power-function averages (EDM2, arXiv 2312.02696).
    pub averages: [f32; 2],
}

impl Default for OptimiserConfig {
    fn default() -> Self {
        OptimiserConfig {
            learning_rate: 4e-4,
            warmup_steps: 500,
            decay_pictures: 0,
            beta1: 0.9,
            beta2: 0.95,
            muon_rate: 1.0,
            muon_convolutions: true,
            momentum: 0.95,
            newton_schulz_steps: 4,
            weight_decay: 0.01,
            clip: 1.0,
            averages: [0.05, 0.10],
        }
    }
}

/// Flow-matching settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlowConfig {
    /// Mean of the normal under the sigmoid that draws `1 - t`.
    pub logit_mean: f32,
    /// Standard deviation of that normal.
    pub logit_std: f32,
    /// Share of examples whose `t` is uniform instead.
    pub uniform: f32,
    /// The velocity's denominator is `max(t, min_time)`.
    pub min_time: f32,
    /// Share of examples whose caption is dropped, for classifier-free guidance.
    pub caption_drop: f32,
    /// Weight of the squared error of the jumps where patches meet, beside that of the pixels; 0 for none.
    pub seams: f32,
}

impl Default for FlowConfig {
    fn default() -> Self {
        FlowConfig { logit_mean: -0.8, logit_std: 0.8, uniform: 0.1, min_time: 0.05, caption_drop: 0.1, seams: 0.0 }
    }
}

/// Checkpoints, curves and sample sheets.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReportConfig {
    /// Minutes between checkpoints.
    pub checkpoint_minutes: f64,
    /// Steps between lines of `loss.csv`.
    pub log_steps: u64,
    /// Examples between sample sheets; 0 draws one only at the end.
    pub sample_pictures: u64,
    /// Prompts of the sample sheet.
    pub prompts: Vec<String>,
}

impl Default for ReportConfig {
    fn default() -> Self {
        ReportConfig {
            checkpoint_minutes: 10.0,
            log_steps: 20,
            sample_pictures: 50_000,
            prompts: [
                "a red heart",
                "a smiling cat face",
                "a slice of pizza",
                "a blue car",
                "a rocket, 3d render",
                "a green apple, flat illustration",
                "a house",
                "a soccer ball",
                "a yellow star",
                "a tree",
                "a cup of coffee",
                "a 3d render of a red fox",
                "a sunflower",
                "a purple butterfly, soft gradient",
                "a line icon of a key",
                "a birthday cake",
            ]
            .map(String::from)
            .to_vec(),
        }
    }
}

mod defaults {
    pub fn resolution() -> usize {
        64
    }
    pub fn batch() -> usize {
        128
    }
    pub fn text_tokens() -> usize {
        16
    }
    pub fn seed() -> u64 {
        1
    }
}

impl TrainConfig {
    /// Reads and checks a configuration file. Relative paths in it are taken from the file's folder,
    /// and a leading `~/` from the user's home.
    pub fn open(path: &Path) -> Result<Self, TrainError> {
        let text = std::fs::read_to_string(path).map_err(|source| TrainError::Io {
            path: path.into(),
            doing: "reading the configuration",
            source,
        })?;
        let mut config: TrainConfig = toml::from_str(&text)
            .map_err(|error| TrainError::ConfigSyntax { path: path.into(), message: error.to_string() })?;
        let base = path.parent().unwrap_or(Path::new("."));
        config.data = resolve(base, &config.data);
        config.output = resolve(base, &config.output);
        config.init = config.init.map(|p| resolve(base, &p));
        config.branch_from = config.branch_from.map(|p| resolve(base, &p));
        let model = |name: &mut String| {
            if name != engine::store::DEFAULT_MODEL {
                *name = resolve(base, Path::new(name)).to_string_lossy().into_owned();
            }
        };
        config.enlarger.iter_mut().for_each(|enlarger| model(&mut enlarger.generator));
        config.turbo.iter_mut().for_each(|turbo| model(&mut turbo.teacher));
        config.check()?;
        Ok(config)
    }

    /// Checks every range; the error names the field.
    pub fn check(&self) -> Result<(), TrainError> {
        let bad = |field: &'static str, expected: &str, found: String| {
            Err(TrainError::ConfigRange { field, expected: expected.into(), found })
        };
        for (field, expected, is_set) in [
            ("model.finish_width", "0: [finisher] trains one after the network", self.model.finish_width > 0),
            ("model.early", "false: `early = true` trains an expert after the network", self.model.early),
        ] {
            if is_set {
                return bad(field, expected, "another".into());
            }
        }
        let kinds = [
            ("enlarger", self.enlarger.is_some()),
            ("finisher", self.finisher.is_some()),
            ("early", self.early),
            ("late", self.late),
            ("turbo", self.turbo.is_some()),
        ];
        let mut kinds = kinds.into_iter().filter(|(_, is_wanted)| *is_wanted);
        if let (Some((one, _)), Some((other, _))) = (kinds.next(), kinds.next()) {
            return bad(other, &format!("nothing beside [{one}]"), "both".into());
        }
        if self.init.is_none() && self.is_part() {
            return bad("init", "the model that it is for", "none".into());
        }
        if let Some(finisher) = &self.finisher
            && !(8..=256).contains(&finisher.width)
        {
            return bad("finisher.width", "8 to 256", finisher.width.to_string());
        }
        match &self.enlarger {
            Some(enlarger) => self.check_enlarger(enlarger)?,
            None => {
                self.model.validate().map_err(|error| TrainError::ConfigRange {
                    field: "model",
                    expected: "a buildable network".into(),
                    found: error.to_string(),
                })?;
                let patch = self.model.patch;
                if self.resolution == 0 || !self.resolution.is_multiple_of(patch) || self.resolution > 256 {
                    return bad("resolution", &format!("a multiple of {patch} up to 256"), self.resolution.to_string());
                }
            }
        }
        if let Some(turbo) = &self.turbo {
            self.check_turbo(turbo)?;
        }
        if !(1..=4096).contains(&self.batch) {
            return bad("batch", "1 to 4096", self.batch.to_string());
        }
        if self.micro_batch > 0 && !self.batch.is_multiple_of(self.micro_batch) {
            return bad(
                "micro_batch",
                &format!("a divisor of the batch of {}", self.batch),
                self.micro_batch.to_string(),
            );
        }
        if !(4..=128).contains(&self.text_tokens) {
            return bad("text_tokens", "4 to 128", self.text_tokens.to_string());
        }
        if self.shifts.is_some_and(|shifts| !(1..=engine::MAX_SHIFTS).contains(&shifts)) {
            return bad("shifts", &format!("1 to {}", engine::MAX_SHIFTS), self.shifts.unwrap_or_default().to_string());
        }
        if !(0.0..=1.0).contains(&self.mirror) {
            return bad("mirror", "0 to 1", self.mirror.to_string());
        }
        if self.pictures == 0 {
            return bad("pictures", "at least 1", "0".into());
        }
        // A part of a model is for the model `init`, wherever it begins.
        if self.init.is_some() && self.branch_from.is_some() && !self.is_part() {
            return bad("init", "only one of init and branch_from", "both".into());
        }
        let o = &self.optimiser;
        let share = |x: f32| (0.0..1.0).contains(&x);
        if !(o.learning_rate > 0.0 && o.learning_rate < 1.0) {
            return bad("optimiser.learning_rate", "above 0, below 1", o.learning_rate.to_string());
        }
        if !(o.muon_rate > 0.0 && o.muon_rate <= 100.0) {
            return bad("optimiser.muon_rate", "above 0, at most 100", o.muon_rate.to_string());
        }
        if !(share(o.beta1) && share(o.beta2) && share(o.momentum)) {
            return bad(
                "optimiser.beta1, beta2, momentum",
                "0 up to 1",
                format!("{}, {}, {}", o.beta1, o.beta2, o.momentum),
            );
        }
        if o.newton_schulz_steps > 10 {
            return bad("optimiser.newton_schulz_steps", "0 to 10", o.newton_schulz_steps.to_string());
        }
        if o.clip.is_nan() || o.clip <= 0.0 {
            return bad("optimiser.clip", "above 0", o.clip.to_string());
        }
        if !o.averages.iter().all(|&width| width > 0.0 && width < 0.28) {
            return bad("optimiser.averages", "widths above 0, below 0.28", format!("{:?}", o.averages));
        }
        let f = &self.flow;
        if !(f.logit_std >= 0.0 && f.logit_mean.is_finite()) {
            return bad("flow.logit_std", "0 or more", f.logit_std.to_string());
        }
        if !(f.min_time > 0.0 && f.min_time < 1.0) {
            return bad("flow.min_time", "above 0, below 1", f.min_time.to_string());
        }
        if !((0.0..=1.0).contains(&f.uniform) && share(f.caption_drop)) {
            return bad("flow.uniform, caption_drop", "0 to 1", format!("{}, {}", f.uniform, f.caption_drop));
        }
        if !(0.0..=100.0).contains(&f.seams) {
            return bad("flow.seams", "0 to 100", f.seams.to_string());
        }
        if !(self.report.checkpoint_minutes > 0.0 && self.report.log_steps > 0) {
            return bad(
                "report.checkpoint_minutes, log_steps",
                "above 0",
                format!("{}, {}", self.report.checkpoint_minutes, self.report.log_steps),
            );
        }
        Ok(())
    }

    /// Whether the run trains a part of the model `init`, whose other parts stay.
    fn is_part(&self) -> bool {
        self.finisher.is_some() || self.early || self.late
    }

    fn check_enlarger(&self, enlarger: &EnlargerConfig) -> Result<(), TrainError> {
        use models::enlarger::FACTOR;
        let bad = |field, expected: String, found: String| Err(TrainError::ConfigRange { field, expected, found });
        enlarger.sizes.validate()?;
        if !self.resolution.is_multiple_of(FACTOR) || !(64..=1024).contains(&self.resolution) {
            return bad("resolution", format!("a multiple of {FACTOR} from 64 to 1024"), self.resolution.to_string());
        }
        let small = self.resolution / FACTOR;
        if !(8..=small).contains(&enlarger.crop) {
            return bad("enlarger.crop", format!("8 to {small}"), enlarger.crop.to_string());
        }
        if !(0.0..1.0).contains(&enlarger.max_time) || !(0.0..=1.0).contains(&enlarger.plain) {
            let found = format!("{}, {}", enlarger.max_time, enlarger.plain);
            return bad("enlarger.max_time, plain", "0 to 1".into(), found);
        }
        Ok(())
    }

    fn check_turbo(&self, turbo: &TurboConfig) -> Result<(), TrainError> {
        use crate::task::{TURBO_GROUP, turbo_stops};
        let bad = |field, expected: String, found: String| Err(TrainError::ConfigRange { field, expected, found });
        if !self.model.step_length {
            return bad("model.step_length", "true, to learn steps of several lengths".into(), "false".into());
        }
        if !self.batch.is_multiple_of(TURBO_GROUP) {
            return bad("batch", format!("a multiple of {TURBO_GROUP}"), self.batch.to_string());
        }
        if !(1..=200).contains(&turbo.steps) || turbo_stops(&turbo.schedule.times(turbo.steps)).is_none() {
            let found = format!("{}, {}", turbo.steps, turbo.schedule);
            return bad("turbo.steps, schedule", "at most 200 that visit 3/4, 1/2 and 1/4".into(), found);
        }
        let (low, high) = turbo.guidance_interval;
        if !((0.0..=30.0).contains(&turbo.guidance) && (0.0..=1.0).contains(&low) && (low..=1.0).contains(&high)) {
            let found = format!("{}, {low} to {high}", turbo.guidance);
            return bad("turbo.guidance, guidance_interval", "0 to 30, inside 0 to 1".into(), found);
        }
        Ok(())
    }

    /// Examples computed at a time: `micro_batch`, or the largest divisor of `batch` whose activations fit the caches.
    pub fn micro_batch(&self) -> usize {
        /// Picture tokens at a time; the speed is about the same from half to twice as many.
        const TOKENS: usize = 1024;
        if self.micro_batch > 0 {
            return self.micro_batch;
        }
        let tokens = match &self.enlarger {
            // About as many values as that many tokens of the default width.
            Some(enlarger) => enlarger.crop.pow(2) / 4,
            None if self.finisher.is_some() => self.resolution.pow(2) / 16,
            // The detail network's activations weigh as much as the trunk's of one token in each 512 pixels.
            None if self.model.detail_width > 0 => {
                (self.resolution / self.model.patch).pow(2).max(self.resolution.pow(2) / 512)
            }
            None => (self.resolution / self.model.patch).pow(2),
        };
        let fits = |part: &usize| self.batch.is_multiple_of(*part) && part * tokens <= TOKENS;
        (1..=self.batch).rev().find(fits).unwrap_or(1)
    }

    /// Optimiser steps of the whole run.
    pub fn steps(&self) -> u64 {
        self.pictures.div_ceil(self.batch as u64)
    }
}

fn resolve(base: &Path, path: &Path) -> PathBuf {
    if let (Ok(rest), Some(home)) = (path.strip_prefix("~"), std::env::home_dir()) {
        return home.join(rest);
    }
    base.join(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(extra: &str) -> Result<TrainConfig, TrainError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        let text = format!("name = 'x'\ndata = 'd'\noutput = '~/o'\npictures = 1000\n{extra}");
        std::fs::write(&path, text).unwrap();
        TrainConfig::open(&path)
    }

    #[test]
    fn paths_are_relative_to_the_file_and_home() {
        let config = parse("").unwrap();
        assert!(config.data.is_absolute() && config.data.ends_with("d"));
        assert_eq!(config.output, std::env::home_dir().unwrap().join("o"));
        assert_eq!(config.steps(), 8);
    }

    #[test]
    fn each_bad_field_is_named() {
        for (extra, field) in [
            ("resolution = 63", "resolution"),
            ("batch = 0", "batch"),
            ("text_tokens = 1000", "text_tokens"),
            ("shifts = 4", "shifts"),
            ("[optimiser]\nlearning_rate = nan", "learning_rate"),
            ("[optimiser]\nclip = 0.0", "clip"),
            ("[optimiser]\naverages = [0.05, 0.9]", "averages"),
            ("[flow]\nmin_time = 0.0", "min_time"),
            ("[flow]\nseams = -1.0", "seams"),
            ("mirror = 1.5", "mirror"),
            ("[model]\nfinish_width = 64", "model.finish_width"),
            ("[model]\nearly = true", "model.early"),
            ("[finisher]", "init"),
            ("early = true", "init"),
            ("late = true", "init"),
            ("init = 'm'\nearly = true\nlate = true", "late"),
            ("init = 'm'\nearly = true\n[finisher]", "early"),
            ("init = 'm'\n[finisher]\nwidth = 7", "finisher.width"),
            ("init = 'm'\n[finisher]\n[enlarger]", "finisher"),
            ("colour = 1", "colour"),
        ] {
            let message = parse(extra).unwrap_err().to_string();
            assert!(message.contains(field), "{extra}: {message}");
        }
    }
}
