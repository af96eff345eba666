//! How pictures are sampled: what `generate`, `plan` and `eval` share.

use clap::Args;
use engine::Order;

/// Options of guidance, sampler and schedule.
#[derive(Debug, Args)]
pub struct SamplingArgs {
    /// Guidance scale, 0 to 30; 1 turns it off [default: 3; Stable Diffusion: 7].
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub guidance: Option<f32>,
    /// Flow times between which guidance acts (1 = noise, 0 = clean) [default: 0.32,1; Stable Diffusion: 0,1].
    #[arg(long, value_name = "LOW,HIGH", value_parser = interval)]
    pub guidance_interval: Option<Interval>,
    /// Scale of the guidance away from what the network predicts without its middle block, 0 to 10: shapes become simpler and
    /// firmer; 0 turns it off [default: 0.5]; not for Stable Diffusion.
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub skip_guidance: Option<f32>,
    /// Sampler: euler, heun, dpmpp_2m or dpmpp_2m_sde; Stable Diffusion also euler_ancestral, ddim, uni_pc, lcm [default:
    /// dpmpp_2m_sde; Stable Diffusion: dpmpp_2m].
    #[arg(long, value_name = "NAME")]
    pub sampler: Option<String>,
    /// How much of a step's noise is drawn anew, 0 to 2, by samplers that do so [default: the sampler's; for dpmpp_2m_sde 0.5,
    /// Stable Diffusion: 1].
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub eta: Option<f32>,
    /// Schedule: linear, shifted or shifted:X (X > 1 spends more steps near the noise) [default: shifted:3]; Stable Diffusion:
    /// normal, karras, exponential, simple, sgm_uniform, trailing, leading [default: karras].
    #[arg(long, value_name = "NAME")]
    pub schedule: Option<String>,
}

impl SamplingArgs {
    /// An order that says nothing else.
    pub fn order(&self) -> Order {
        Order {
            guidance: self.guidance,
            guidance_interval: self.guidance_interval.map(|interval| (interval.low, interval.high)),
            skip_guidance: self.skip_guidance,
            sampler: self.sampler.clone(),
            eta: self.eta,
            schedule: self.schedule.clone(),
            ..Order::default()
        }
    }
}

/// Two flow times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower one.
    pub low: f32,
    /// The higher one.
    pub high: f32,
}

/// Reads `LOW,HIGH`; the engine checks the range.
fn interval(text: &str) -> Result<Interval, String> {
    let number = |part: &str| part.trim().parse().map_err(|_| format!("'{part}' is not a number"));
    let (low, high) = text.split_once(',').ok_or("expected two times with a comma between them, such as 0.1,1")?;
    Ok(Interval { low: number(low)?, high: number(high)? })
}
