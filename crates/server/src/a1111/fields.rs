//! The fields of txt2img and img2img that are understood; others are ignored, as there.

use serde::{Deserialize, Deserializer};

/// What a client may send. Numbers that stand for words are checked where they are used.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Fields {
    pub prompt: Option<String>,
    pub negative_prompt: Option<String>,
    #[serde(deserialize_with = "seed")]
    pub seed: Option<u64>,
    #[serde(deserialize_with = "seed")]
    pub subseed: Option<u64>,
    pub subseed_strength: Option<f32>,
    pub sampler_name: Option<String>,
    pub sampler_index: Option<String>,
    pub scheduler: Option<String>,
    pub batch_size: Option<u32>,
    pub n_iter: Option<u32>,
    pub steps: Option<u32>,
    pub cfg_scale: Option<f32>,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub denoising_strength: Option<f32>,
    pub override_settings: Option<Overrides>,
    pub send_images: Option<bool>,
    // Of txt2img.
    #[serde(deserialize_with = "flag")]
    pub enable_hr: Option<bool>,
    pub hr_scale: Option<f32>,
    pub hr_upscaler: Option<String>,
    pub hr_second_pass_steps: Option<u32>,
    pub hr_resize_x: Option<u32>,
    pub hr_resize_y: Option<u32>,
    pub hr_sampler_name: Option<String>,
    pub hr_scheduler: Option<String>,
    pub hr_prompt: Option<String>,
    pub hr_negative_prompt: Option<String>,
    // Of img2img.
    pub init_images: Option<Vec<String>>,
    pub resize_mode: Option<u32>,
    pub mask: Option<String>,
    pub mask_blur: Option<f32>,
    pub mask_blur_x: Option<f32>,
    pub inpainting_fill: Option<u32>,
    #[serde(deserialize_with = "flag")]
    pub inpaint_full_res: Option<bool>,
    pub inpaint_full_res_padding: Option<u32>,
    #[serde(deserialize_with = "flag")]
    pub inpainting_mask_invert: Option<bool>,
    pub include_init_images: Option<bool>,
}

/// Settings for one call.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Overrides {
    pub sd_model_checkpoint: Option<String>,
    #[serde(rename = "CLIP_stop_at_last_layers")]
    pub clip_skip: Option<u32>,
}

/// True and false are also 1 and 0.
fn flag<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<bool>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected true, false, 0 or 1")]
    enum Flag {
        Bool(bool),
        Number(u8),
    }
    match Option::<Flag>::deserialize(reader)? {
        None => Ok(None),
        Some(Flag::Bool(is)) => Ok(Some(is)),
        Some(Flag::Number(number @ (0 | 1))) => Ok(Some(number == 1)),
        Some(Flag::Number(_)) => Err(serde::de::Error::custom("expected true, false, 0 or 1")),
    }
}

/// A number below zero, or an empty text, is a seed that nobody chose.
fn seed<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a whole number")]
    enum Seed {
        Chosen(u64),
        Below(i64),
        Text(String),
    }
    match Option::<Seed>::deserialize(reader)? {
        None => Ok(None),
        Some(Seed::Chosen(seed)) => Ok(Some(seed)),
        Some(Seed::Below(seed)) => Ok(u64::try_from(seed).ok()),
        Some(Seed::Text(text)) if text.is_empty() => Ok(None),
        Some(Seed::Text(_)) => Err(serde::de::Error::custom("expected a whole number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_send_is_read() {
        let read = |text: &str| serde_json::from_str::<Fields>(text);
        for (text, seed) in [("-1", None), ("null", None), ("\"\"", None), ("7", Some(7))] {
            assert_eq!(read(&format!("{{\"seed\": {text}}}")).unwrap().seed, seed, "{text}");
        }
        for (text, flag) in [("1", Some(true)), ("false", Some(false)), ("null", None)] {
            assert_eq!(read(&format!("{{\"inpaint_full_res\": {text}}}")).unwrap().inpaint_full_res, flag, "{text}");
        }
        for bad in [r#"{"seed": "x"}"#, r#"{"seed": 1.5}"#, r#"{"enable_hr": 2}"#, r#"{"enable_hr": "yes"}"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
