//! Names of samplers and schedules there and here.

use engine::Kind;

use crate::error::ApiError;

/// Their name, ours.
pub const SAMPLERS: [(&str, &str); 8] = [
    ("Euler", "euler"),
    ("Euler a", "euler_ancestral"),
    ("Heun", "heun"),
    ("DDIM", "ddim"),
    ("DPM++ 2M", "dpmpp_2m"),
    ("DPM++ 2M SDE", "dpmpp_2m_sde"),
    ("UniPC", "uni_pc"),
    ("LCM", "lcm"),
];

/// Samplers that are known there and that no model has here.
const OTHERS: [&str; 12] = [
    "DPM++ SDE",
    "DPM++ 2S a",
    "DPM++ 3M SDE",
    "DPM++ 2M SDE Heun",
    "DPM2",
    "DPM2 a",
    "DPM fast",
    "DPM adaptive",
    "LMS",
    "Restart",
    "PLMS",
    "DDIM CFG++",
];

/// Their name, our name.
pub const SCHEDULES: [(&str, &str); 10] = [
    ("Automatic", ""),
    ("Normal", "normal"),
    ("Uniform", "normal"),
    ("Karras", "karras"),
    ("Exponential", "exponential"),
    ("Simple", "simple"),
    ("SGM Uniform", "sgm_uniform"),
    ("Trailing", "trailing"),
    ("DDIM", "leading"),
    ("Linear", "linear"),
];

/// Sampler and schedule by our names; none = the model's usual one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Sampler.
    pub sampler: Option<String>,
    /// Schedule.
    pub schedule: Option<String>,
}

/// What a client means. Its name for a sampler may end in that of a schedule ("DPM++ 2M Karras"). Our own models have few
/// samplers, while clients send "Euler a" unasked: a known name that a model of ours lacks is its usual sampler.
pub fn choose(kind: &Kind, sampler: Option<&str>, schedule: Option<&str>) -> Result<Chosen, ApiError> {
    let (samplers, schedules) = crate::native::models::names(kind);
    let mut scheduled = schedule.filter(|name| !name.is_empty()).map(str::to_owned);
    let mut name = sampler.filter(|name| !name.is_empty()).map(str::to_owned);
    if let Some(whole) = &name
        && ours(whole).is_none()
        && let Some((label, _)) = SCHEDULES.iter().find(|(label, _)| whole.ends_with(&format!(" {label}")))
    {
        scheduled.get_or_insert((*label).to_owned());
        name = Some(whole[..whole.len() - label.len() - 1].to_owned());
    }
    let is_own = matches!(kind, Kind::Own(_));
    let sampler = match name.as_deref() {
        None | Some("Automatic") => None,
        Some(name) => match ours(name) {
            Some(own) if samplers.iter().any(|sampler| sampler == own) => Some(own.to_owned()),
            Some(_) if is_own => None,
            None if is_own && OTHERS.iter().any(|other| other.eq_ignore_ascii_case(name)) => None,
            _ => return Err(ApiError::not_found("Sampler not found")),
        },
    };
    let schedule = match scheduled.as_deref() {
        None => None,
        Some(name) => {
            let known = SCHEDULES.iter().find(|(label, own)| label.eq_ignore_ascii_case(name) || *own == name);
            match known.map(|(_, own)| *own).or_else(|| schedules.iter().map(String::as_str).find(|own| *own == name)) {
                Some("") => None,
                Some(own) if schedules.iter().any(|schedule| schedule == own) => Some(own.to_owned()),
                Some(_) if is_own => None,
                _ => return Err(ApiError::not_found("Scheduler not found")),
            }
        }
    };
    Ok(Chosen { sampler, schedule })
}

fn ours(name: &str) -> Option<&'static str> {
    let found = SAMPLERS.iter().find(|(label, own)| label.eq_ignore_ascii_case(name) || *own == name);
    found.map(|(_, own)| *own)
}

/// Their name for a sampler of ours.
pub fn theirs(sampler: &str) -> String {
    SAMPLERS.iter().find(|(_, own)| *own == sampler).map_or(sampler, |(label, _)| label).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_send_is_understood() {
        let Ok(own) = Kind::open(engine::store::DEFAULT_MODEL) else { return };
        let chosen = |sampler, schedule| choose(&own, sampler, schedule);
        assert_eq!(chosen(None, None).unwrap(), Chosen::default());
        assert_eq!(chosen(Some("Euler"), None).unwrap().sampler.as_deref(), Some("euler"));
        assert_eq!(chosen(Some("Euler a"), Some("Automatic")).unwrap(), Chosen::default());
        assert_eq!(chosen(Some("DPM++ 2M Karras"), None).unwrap().sampler.as_deref(), Some("dpmpp_2m"));
        assert_eq!(chosen(Some("Euler"), Some("linear")).unwrap().schedule.as_deref(), Some("linear"));
        assert!(chosen(Some("Nonsense"), None).is_err());
        assert!(chosen(None, Some("Nonsense")).is_err());
    }
}
