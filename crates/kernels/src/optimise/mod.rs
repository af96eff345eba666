//! Optimiser steps on flat parameter slices: AdamW, Muon, moving average, gradient norm and clipping.

mod adamw;
mod muon;

pub use adamw::{AdamWStep, adamw_step, ema_update, scale_in_place, squared_norm};
pub use muon::{MuonScratch, MuonStep, NEWTON_SCHULZ_QUINTIC, POLAR_EXPRESS, muon_step};
