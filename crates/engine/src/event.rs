//! What a running job tells its caller, and how the caller stops it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Image, Recipe};

/// Stops a job within one evaluation of the network. Clones share the switch.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that is not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the job to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the job was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A running job's news, in order. `R` is the kind of recipe that its pictures have.
#[derive(Debug)]
pub enum Event<'a, R = Recipe> {
    /// The job begins.
    Started {
        /// Pictures to come.
        images: u32,
        /// Sampler steps of each.
        steps: u32,
        /// Picture size.
        size: crate::Size,
        /// Whether the prompt was longer than the model reads and was cut.
        prompt_cut: bool,
    },
    /// One sampler step of one picture is done.
    Progress {
        /// Which picture, from 0.
        image: u32,
        /// Steps done, from 1.
        step: u32,
        /// Steps in all.
        steps: u32,
        /// Seconds since the job began.
        seconds: f64,
        /// The picture as it emerges.
        preview: Preview<'a>,
    },
    /// A picture is done.
    Image {
        /// Which picture, from 0.
        index: u32,
        /// The picture.
        image: &'a Image<R>,
    },
    /// The job is done.
    Done {
        /// Pictures made.
        images: u32,
        /// Seconds since the job began.
        seconds: f64,
    },
}

/// The clean picture predicted so far; converted only when asked for.
#[derive(Debug, Clone, Copy)]
pub struct Preview<'a> {
    /// Premultiplied RGBA in [-1, 1], `[H, W, 4]` f32; empty when no previews were asked for.
    pub values: &'a [f32],
    /// Picture size.
    pub size: crate::Size,
}

impl Preview<'_> {
    /// Straight RGBA8, `[H, W, 4]`.
    pub fn pixels(&self) -> Vec<u8> {
        crate::pixels::to_pixels(self.values)
    }
}
