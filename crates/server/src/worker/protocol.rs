//! What server and worker tell each other.

use std::path::PathBuf;

use engine::Order;
use serde::{Deserialize, Serialize};

/// What the server asks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Command {
    /// Draw.
    Draw(Box<Draw>),
    /// Stop drawing a job, or do not begin it.
    Cancel {
        /// Id of the job.
        job: String,
    },
    /// Load a model that will be needed soon.
    Load {
        /// Name or path of the model.
        model: String,
    },
    /// Predict.
    Plan {
        /// Name or path of the model.
        model: String,
        /// The job by names.
        order: Box<Order>,
        /// Price of the machine an hour.
        price_per_hour: f64,
    },
}

/// A job for the worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Draw {
    /// Id of the job.
    pub job: String,
    /// Name or path of the model.
    pub model: String,
    /// The job by names.
    pub order: Order,
    /// PNG file to start from.
    pub start: Option<PathBuf>,
    /// PNG file that is white where to draw.
    pub mask: Option<PathBuf>,
}

/// What the worker says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum News {
    /// A job begins.
    Started {
        /// Pictures to come.
        images: u32,
        /// Sampler steps of each.
        steps: u32,
        /// Whether the prompt was longer than the model reads.
        prompt_cut: bool,
    },
    /// A step is done.
    Progress {
        /// Which picture, from 0.
        image: u32,
        /// Steps done.
        step: u32,
    },
    /// How a picture looks by now; its PNG file follows.
    Preview {
        /// Which picture, from 0.
        image: u32,
        /// Steps done.
        step: u32,
        /// Length of the file.
        bytes: usize,
    },
    /// A picture is done; its PNG file follows.
    Image {
        /// Which picture, from 0.
        index: u32,
        /// Its seed.
        seed: u64,
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// Its recipe as JSON text.
        recipe: String,
        /// 64 bits that are alike for pictures that look alike.
        dhash: u64,
        /// Length of the file.
        bytes: usize,
    },
    /// The job is done.
    Done {
        /// Seconds of drawing.
        seconds: f64,
    },
    /// The job ended without its pictures.
    Failed {
        /// Why.
        message: String,
        /// Whether it was cancelled.
        cancelled: bool,
        /// Seconds of drawing.
        seconds: f64,
    },
    /// A prediction.
    Planned {
        /// The engine's plan.
        plan: serde_json::Value,
    },
    /// A prediction that could not be made.
    NotPlanned {
        /// Field of the request that is wrong.
        field: Option<String>,
        /// Why.
        message: String,
    },
}

impl News {
    /// Bytes that follow the line.
    pub fn payload(&self) -> usize {
        match self {
            Self::Preview { bytes, .. } | Self::Image { bytes, .. } => *bytes,
            _ => 0,
        }
    }
}
