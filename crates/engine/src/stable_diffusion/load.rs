//! [`Checkpoint`]: where the networks are, in a single file with the original names (or its shards) or in a folder of diffusers.
//!
//! What a path holds is `models::bundle`'s to say; a folder's sizes are read from its configurations (see `folder`), so that they
//! need not be published ones. Opening compares names and shapes and reads no weight. Weights are read one tensor at a time while they are packed, and the
//! file is mapped anew after every few megabytes: what is read of a mapping counts as the process's memory until then.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use formats::safetensors::TensorSource;
use graph::{Graph, PackedParameters, Precision};
use kernels::Cpu;
use models::bundle::{Bundle, BundleError, Network, Role};
use models::checkpoint::{Fit, Layout, Place, Source};
use models::unet::{self, Family};
use models::vae;
use models::weights::Report;
use sampling::Prediction;
use text::clip::{self, ClipEncoder};

use super::{Architecture, folder};
use crate::EngineError;
use crate::model::check_finite;

/// Bytes read of a file before its mapping is given back.
pub(super) const MAPPED: usize = 64 << 20;
const UNET: Place = Place { prefix: "model.diffusion_model.", layout: Layout::Original };
const VAE: Place = Place { prefix: "first_stage_model.", layout: Layout::Original };
/// An empty tensor by which some SDXL files say that their last timestep is pure noise.
const SAYS_PURE_NOISE: &str = "ztsnr";
/// The key of the metadata (github.com/Stability-AI/ModelSpec) that says what a model predicts.
const SAYS_PREDICTION: &str = "modelspec.prediction_type";

/// What is wrong with a checkpoint.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CheckpointProblem {
    /// A network is missing.
    #[error("holds no {network}{hint}")]
    Missing {
        /// What is missing.
        network: &'static str,
        /// What to do about it.
        hint: &'static str,
    },
    /// Tensors that do not fit a network.
    #[error("the weights do not fit the {network}: {report}")]
    Weights {
        /// Which network.
        network: &'static str,
        /// What fits and what does not.
        report: Box<Report>,
    },
    /// An autoencoder for other latents.
    #[error("the autoencoder has latents of {found} channels, the U-Net needs {expected}")]
    Latents {
        /// Channels that the U-Net takes.
        expected: usize,
        /// Channels that the autoencoder has.
        found: usize,
    },
    /// Text encoders of other widths than the U-Net reads.
    #[error("the text encoders give states of width {found}, the U-Net reads {expected}")]
    Text {
        /// Width that the U-Net reads.
        expected: usize,
        /// Width of the text encoders together.
        found: usize,
    },
    /// A configuration that cannot be read or is not one of this family.
    #[error("{key} {problem}")]
    Config {
        /// The key.
        key: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// The weights of a network: a file, and where each parameter is in it.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// What to open: a file or an index of shards.
    path: PathBuf,
    /// Every file that is read.
    files: Vec<PathBuf>,
    fit: Fit,
}

/// A checkpoint whose names and shapes were checked.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Name of the file or folder.
    pub name: String,
    /// The networks and their conventions.
    pub architecture: Architecture,
    pub(super) unet: Part,
    pub(super) vae: Part,
    /// Files of the text encoders, and where in them.
    pub(super) text: Vec<(PathBuf, clip::Place)>,
    /// Whether the autoencoder is from a file of its own.
    own_vae: bool,
}

/// Whether a path is one of this kind: a folder of diffusers, or files in which something of the family is recognised, even if
/// that is not enough for a picture.
pub fn is_checkpoint(path: &Path) -> bool {
    if path.is_dir() && folder::is_pipeline(path) {
        return true;
    }
    let Ok(source) = TensorSource::open(path) else { return false };
    source.note("family").is_none() && !matches!(Bundle::from_source(source), Err(BundleError::Nothing { .. }))
}

impl Checkpoint {
    /// Opens a single file, an index of shards or a folder; `vae` is a file to take the autoencoder from instead.
    pub fn open(path: &Path, vae: Option<&Path>) -> Result<Self, EngineError> {
        if path.is_dir() && folder::is_pipeline(path) {
            return folder::open(path, vae)?.checked(path);
        }
        let bundle = Bundle::open(path)?;
        let unet = bundle.require(Role::Unet)?;
        let Network::Unet { family, config, place } = unet.network else {
            return Err(wrong(path, CheckpointProblem::Missing { network: "U-Net", hint: "" }));
        };
        let mut architecture = Architecture::published(family, config);
        let says = unet.source.note(SAYS_PREDICTION).and_then(|name| match name {
            "v" => Some(Prediction::V),
            "epsilon" => Some(Prediction::Epsilon),
            _ => None,
        });
        architecture.prediction = bundle.prediction.or(says).unwrap_or(architecture.prediction);
        architecture.betas.zero_terminal_snr = unet.source.contains(SAYS_PURE_NOISE);
        let mut text = Vec::new();
        let roles: &[Role] = match family {
            Family::Sd1 | Family::Sd2 => &[Role::TextEncoder],
            Family::Sdxl => &[Role::TextEncoder, Role::TextEncoder2],
            Family::SdxlRefiner => &[Role::TextEncoder2],
        };
        for (role, model) in roles.iter().zip(&mut architecture.text) {
            let part = bundle.require(*role)?;
            if let Network::Text(found) = part.network {
                model.config = found.config;
                model.reading = bundle.reading(*role).unwrap_or(model.reading);
                text.push((PathBuf::from(part.source.name()), found.place));
            }
        }
        let vae_part = match vae {
            Some(vae) => Part::vae_alone(vae, &architecture.vae)?,
            None => match bundle.require(Role::Vae)?.network {
                Network::Vae { place, .. } => Part::vae(&bundle.require(Role::Vae)?.source, &architecture.vae, place)?,
                _ => return Err(wrong(path, CheckpointProblem::Missing { network: "autoencoder", hint: "" })),
            },
        };
        let unet = Part::unet(&unet.source, &architecture.unet, place)?;
        Self::from_parts(stem(path), architecture, unet, (vae_part, vae.is_some()), text).checked(path)
    }

    /// Opens a single file as a model of other sizes than the published ones.
    pub fn open_as(path: &Path, architecture: Architecture, vae: Option<&Path>) -> Result<Self, EngineError> {
        let source = TensorSource::open(path)?;
        let places: &[clip::Place] = match architecture.family {
            Family::Sd1 => &[clip::Place::SD1],
            Family::Sd2 => &[clip::Place::SD2],
            Family::Sdxl => &[clip::Place::SDXL_L, clip::Place::SDXL_G],
            Family::SdxlRefiner => &[clip::Place::REFINER_G],
        };
        let unet = Part::unet(&source, &architecture.unet, UNET)?;
        let vae_part = match vae {
            Some(vae) => Part::vae_alone(vae, &architecture.vae)?,
            None => Part::vae(&source, &architecture.vae, VAE)?,
        };
        let text = places.iter().map(|place| (path.to_owned(), *place)).collect();
        Self::from_parts(stem(path), architecture, unet, (vae_part, vae.is_some()), text).checked(path)
    }

    /// Puts a checkpoint together from files that were checked.
    pub(super) fn from_parts(
        name: String,
        architecture: Architecture,
        unet: Part,
        vae: (Part, bool),
        text: Vec<(PathBuf, clip::Place)>,
    ) -> Self {
        let (vae, own_vae) = vae;
        Self { name, architecture, unet, vae, text, own_vae }
    }

    /// Checks that what the text encoders give is what the U-Net reads.
    fn checked(self, path: &Path) -> Result<Self, EngineError> {
        let found = self.architecture.text.iter().map(|model| model.config.width).sum();
        let expected = self.architecture.unet.context;
        if found == expected { Ok(self) } else { Err(wrong(path, CheckpointProblem::Text { expected, found })) }
    }

    /// The files whose digests say which checkpoint this is, and those of an autoencoder of its own.
    pub(super) fn files(&self) -> Result<(Vec<PathBuf>, Option<Vec<PathBuf>>), EngineError> {
        let mut paths = self.unet.files.clone();
        if !self.own_vae {
            paths.extend(self.vae.files.iter().cloned());
        }
        for (path, _) in &self.text {
            paths.extend(files(&TensorSource::open(path)?));
        }
        paths.dedup();
        Ok((paths, self.own_vae.then(|| self.vae.files.clone())))
    }

    /// Loads a text encoder.
    pub(super) fn text_encoder(
        &self,
        index: usize,
        cpu: &Cpu,
        precision: Precision,
    ) -> Result<ClipEncoder, EngineError> {
        let (path, place) = &self.text[index];
        Ok(ClipEncoder::new(cpu, TensorSource::open(path)?, *place, self.architecture.text[index].config, precision)?)
    }
}

impl Part {
    pub(super) fn unet(source: &TensorSource, config: &unet::Config, place: Place) -> Result<Self, EngineError> {
        Self::new("U-Net", source, unet::fit(config, place, source.shapes())?)
    }

    pub(super) fn vae(source: &TensorSource, config: &vae::Config, place: Place) -> Result<Self, EngineError> {
        let stem = format!("{}decoder.conv_in.weight", place.prefix);
        if let Ok(&[_, found, _, _]) = source.shape(&stem)
            && found != config.latent
        {
            return Err(wrong(Path::new(source.name()), CheckpointProblem::Latents { expected: config.latent, found }));
        }
        Self::new("autoencoder", source, vae::fit(config, place, source.shapes())?)
    }

    /// The autoencoder of a file of its own, with the names of either layout.
    pub(super) fn vae_alone(path: &Path, config: &vae::Config) -> Result<Self, EngineError> {
        let file = TensorSource::open(path)?;
        let places = [
            (VAE, "decoder.mid.block_1.norm1.weight"),
            (Place { prefix: "", ..VAE }, "decoder.mid.block_1.norm1.weight"),
            (Place { prefix: "", layout: Layout::Diffusers }, "decoder.mid_block.resnets.0.norm1.weight"),
        ];
        let found = places.iter().find(|(place, name)| file.contains(&format!("{}{name}", place.prefix)));
        match found {
            Some((place, _)) => Self::vae(&file, config, *place),
            None => Err(wrong(path, CheckpointProblem::Missing { network: "autoencoder", hint: "" })),
        }
    }

    pub(super) fn new(network: &'static str, source: &TensorSource, fit: Fit) -> Result<Self, EngineError> {
        if !fit.report.is_complete() {
            let report = Box::new(fit.report);
            return Err(wrong(Path::new(source.name()), CheckpointProblem::Weights { network, report }));
        }
        Ok(Self { path: PathBuf::from(source.name()), files: files(source), fit })
    }

    /// Packs the weights that `graph` reads.
    pub(super) fn pack(
        &self,
        cpu: &Cpu,
        graph: &Graph,
        precision: Precision,
    ) -> Result<Arc<PackedParameters>, EngineError> {
        let mut reader = Reader { path: &self.path, file: None, read: 0 };
        let packed =
            PackedParameters::from_source(cpu, &[graph], precision, |name, values| match self.fit.source(name) {
                Some(source) => reader.fill(source, values),
                None => Err(graph::ParameterError::Missing { name: name.to_owned() }.into()),
            });
        packed.map(Arc::new)
    }
}

/// Reads tensors of a file and bounds how much of it is mapped.
struct Reader<'a> {
    path: &'a Path,
    file: Option<TensorSource>,
    /// Bytes read since the file was opened.
    read: usize,
}

impl Reader<'_> {
    fn fill(&mut self, source: &Source, values: &mut [f32]) -> Result<(), EngineError> {
        if self.read > MAPPED {
            self.file = None;
        }
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                self.read = 0;
                TensorSource::open(self.path)?
            }
        };
        self.read += file.tensor(&source.name)?.bytes.len();
        source.fill(values, |first, part| {
            file.read_f32_from(&source.name, first, part)?;
            check_finite(file.name(), &source.name, part)
        })?;
        self.file = Some(file);
        Ok(())
    }
}

/// The files of a source.
fn files(source: &TensorSource) -> Vec<PathBuf> {
    source.files().iter().map(|file| PathBuf::from(file.name())).collect()
}

pub(super) fn wrong(path: &Path, problem: CheckpointProblem) -> EngineError {
    EngineError::Checkpoint { file: path.display().to_string(), problem }
}

/// The name of a folder, or of a file without its extension.
pub(super) fn stem(path: &Path) -> String {
    let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
    name.unwrap_or_default().to_string_lossy().chars().filter(|c| !c.is_control()).collect()
}
