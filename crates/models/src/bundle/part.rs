//! One network of a model: what it is, where its tensors are, how they fit, in which precision they are stored.

use std::collections::BTreeMap;
use std::fmt;

use formats::safetensors::{self, Dtype, TensorSource};
use text::clip;

use super::{BundleError, Family};
use crate::checkpoint::{Fit, Layout, Place};
use crate::weights::{Report, WrongShape};
use crate::{taesd, unet, vae};

/// What a part is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The network that is asked at every step.
    Unet,
    /// The first, or only, text encoder.
    TextEncoder,
    /// OpenCLIP ViT-bigG/14 of SDXL.
    TextEncoder2,
    /// The autoencoder.
    Vae,
    /// The tiny autoencoder's half from pictures to latents.
    TaesdEncoder,
    /// The tiny autoencoder's half from latents to pictures.
    TaesdDecoder,
}

impl Role {
    /// A short name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unet => "unet",
            Self::TextEncoder => "text_encoder",
            Self::TextEncoder2 => "text_encoder_2",
            Self::Vae => "vae",
            Self::TaesdEncoder => "taesd_encoder",
            Self::TaesdDecoder => "taesd_decoder",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unet => "U-Net",
            Self::TextEncoder => "text encoder",
            Self::TextEncoder2 => "second text encoder",
            Self::Vae => "VAE",
            Self::TaesdEncoder => "TAESD encoder",
            Self::TaesdDecoder => "TAESD decoder",
        })
    }
}

/// The network of a part, and where a file keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// A U-Net.
    Unet {
        /// Its family.
        family: Family,
        /// Sizes, with the input channels of the file: 9 for inpainting.
        config: unet::Config,
        /// Where.
        place: Place,
    },
    /// A text encoder.
    Text(clip::Detected),
    /// An autoencoder.
    Vae {
        /// Sizes.
        config: vae::Config,
        /// Where.
        place: Place,
    },
    /// A half of the tiny autoencoder.
    Taesd {
        /// Which half.
        half: taesd::Half,
        /// Under which names.
        layout: Layout,
    },
}

/// One network of a model.
#[derive(Debug, Clone)]
pub struct Part {
    /// What it is for.
    pub role: Role,
    /// The network, and where the source keeps it.
    pub network: Network,
    /// The tensors.
    pub source: TensorSource,
    /// How they fit.
    pub report: Report,
    /// How they are stored.
    pub precision: Precision,
    /// Where each parameter is; nothing for text encoders, which load themselves.
    pub fit: Option<Fit>,
}

/// A parameter could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// The file's fault.
    #[error(transparent)]
    File(#[from] safetensors::Error),
    /// The network has no such parameter, or the file lacks it.
    #[error("{file}: no parameter {parameter}")]
    Parameter {
        /// The file.
        file: String,
        /// The name in the network.
        parameter: String,
    },
}

impl Part {
    /// Compares the tensors of a source with a network.
    pub(super) fn new(role: Role, network: Network, source: &TensorSource) -> Result<Self, BundleError> {
        let (report, fit) = match network {
            Network::Unet { config, place, .. } => whole(unet::fit(&config, place, source.shapes())?),
            Network::Vae { config, place } => whole(vae::fit(&config, place, source.shapes())?),
            Network::Taesd { half, layout } => whole(taesd::fit(half, layout, source.shapes())?),
            Network::Text(text) => (report(clip::fit(&text.config, text.place, source.shapes())), None),
        };
        let precision = Precision::of(source, &report.loaded);
        Ok(Self { role, network, source: source.clone(), report, precision, fit })
    }

    /// The values of a parameter of the graph, in the graph's order of axes.
    pub fn read(&self, parameter: &str) -> Result<Vec<f32>, ReadError> {
        let found = self.fit.as_ref().and_then(|fit| fit.source(parameter));
        let stored = found.filter(|stored| self.source.contains(&stored.name)).ok_or_else(|| {
            let (file, parameter) = (self.source.name().to_owned(), parameter.to_owned());
            ReadError::Parameter { file, parameter }
        })?;
        let shape = self.source.shape(&stored.name)?;
        let count = |shape: &[usize]| shape.iter().product::<usize>();
        // Of the right size even in a part that was reported as unfit.
        if count(shape) != count(&stored.shape) {
            self.source.to_f32_of_shape(&stored.name, &stored.shape)?;
        }
        let mut values = vec![0.0; count(shape)];
        stored.fill(&mut values, |first, part| self.source.read_f32_from(&stored.name, first, part))?;
        Ok(values)
    }

    /// What comes before the names of the part in its file.
    pub fn prefix(&self) -> &'static str {
        match self.network {
            Network::Unet { place, .. } | Network::Vae { place, .. } => place.prefix,
            Network::Text(text) => text.place.prefix,
            Network::Taesd { .. } => "",
        }
    }

    /// Whose names the tensors have.
    pub fn names(&self) -> &'static str {
        match self.network {
            Network::Unet { place: Place { layout, .. }, .. }
            | Network::Vae { place: Place { layout, .. }, .. }
            | Network::Taesd { layout, .. } => match layout {
                Layout::Original => "original",
                Layout::Diffusers => "diffusers",
            },
            Network::Text(text) => match text.place.layout {
                clip::Layout::OpenClip => "open_clip",
                clip::Layout::Transformers | clip::Layout::Bare => "transformers",
            },
        }
    }

    /// What it is, in a few words.
    pub fn title(&self) -> String {
        let what = match self.network {
            Network::Unet { family, .. } => format!("U-Net of {}", super::needs(family).title),
            Network::Text(_) => "text encoder".to_owned(),
            Network::Vae { .. } => "VAE of Stable Diffusion".to_owned(),
            Network::Taesd { .. } => self.role.to_string(),
        };
        self.kind().map_or(what.clone(), |kind| format!("{what}, {kind}"))
    }

    /// Which of its kind it is, where there are several.
    pub fn kind(&self) -> Option<String> {
        match self.network {
            Network::Unet { config, .. } => match config.in_channels {
                4 => None,
                9 => Some("for inpainting".to_owned()),
                channels => Some(format!("with {channels} input channels")),
            },
            Network::Text(text) => Some(text.title().to_owned()),
            Network::Vae { .. } | Network::Taesd { .. } => None,
        }
    }
}

fn whole(fit: Fit) -> (Report, Option<Fit>) {
    (fit.report.clone(), Some(fit))
}

fn report(report: text::LoadReport) -> Report {
    let wrong = |w: text::WrongShape| WrongShape { name: w.name, expected: w.expected, found: w.found };
    Report {
        loaded: report.loaded,
        missing: report.missing,
        unused: report.unused,
        wrong_shape: report.wrong_shape.into_iter().map(wrong).collect(),
    }
}

/// Elements stored in each type, the most frequent first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Precision(pub Vec<(Dtype, usize)>);

impl Precision {
    /// How these tensors of a source are stored.
    pub fn of(source: &TensorSource, names: &[String]) -> Self {
        let mut counts = BTreeMap::new();
        for view in names.iter().filter_map(|name| source.tensor(name).ok()) {
            *counts.entry(view.dtype).or_insert(0) += view.elements();
        }
        let mut counts: Vec<(Dtype, usize)> = counts.into_iter().collect();
        counts.sort_by_key(|&(dtype, count)| (std::cmp::Reverse(count), dtype));
        Self(counts)
    }

    /// Elements of all types.
    pub fn elements(&self) -> usize {
        self.0.iter().map(|(_, count)| count).sum()
    }
}

/// `F16`, or `F16 and F32` when there are several types.
impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|(dtype, _)| dtype.name()).collect();
        f.write_str(&names.join(" and "))
    }
}
