//! What the user sets: above all what an hour of the machine costs.

use serde::{Deserialize, Serialize};
use store::Store;
use utoipa::ToSchema;

use crate::error::ApiError;

/// Highest price.
const MAX_PRICE: f64 = 1e6;

/// Settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What an hour of the machine costs, 0 to 1e6; used when `watts` or `price_per_kwh` is absent.
    pub price_per_hour: f64,
    /// What prices are in, 1 to 8 characters; shown and never converted.
    pub currency: String,
    /// Watts that the machine draws under load, 0 to 100000.
    pub watts: Option<f64>,
    /// Price of a kilowatt-hour, 0 to 1e6.
    pub price_per_kwh: Option<f64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { price_per_hour: 0.10, currency: "EUR".into(), watts: None, price_per_kwh: None }
    }
}

impl Settings {
    /// What an hour costs.
    pub fn hour(&self) -> f64 {
        match (self.watts, self.price_per_kwh) {
            (Some(watts), Some(price)) => watts / 1000.0 * price,
            _ => self.price_per_hour,
        }
    }

    /// What so many seconds cost.
    pub fn cost(&self, seconds: f64) -> f64 {
        seconds / 3600.0 * self.hour()
    }

    /// The kept settings; what was never set has its usual value.
    pub fn load(store: &Store) -> Result<Self, ApiError> {
        let kept = store.settings()?.remove("settings").unwrap_or_default();
        Ok(serde_json::from_value(kept).unwrap_or_default())
    }

    /// Checks and keeps them.
    pub fn save(&self, store: &Store) -> Result<(), ApiError> {
        ApiError::in_range("price_per_hour", self.price_per_hour, 0.0..=MAX_PRICE)?;
        ApiError::in_range("price_per_kwh", self.price_per_kwh.unwrap_or(0.0), 0.0..=MAX_PRICE)?;
        ApiError::in_range("watts", self.watts.unwrap_or(0.0), 0.0..=100_000.0)?;
        let characters = self.currency.chars().count();
        if !(1..=8).contains(&characters) || self.currency.chars().any(char::is_control) {
            return Err(ApiError::field("currency", "must be 1 to 8 printable characters"));
        }
        let value = serde_json::to_value(self).map_err(ApiError::internal)?;
        Ok(store.set_setting("settings", &value)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_has_a_price_too() {
        let settings = Settings { watts: Some(200.0), price_per_kwh: Some(0.5), ..Settings::default() };
        assert!((settings.hour() - 0.1).abs() < 1e-12);
        assert!((Settings::default().cost(36.0) - 0.001).abs() < 1e-12);
    }

    #[test]
    fn kept_and_checked() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(Settings::load(&store).unwrap(), Settings::default());
        let mine = Settings { price_per_hour: 2.5, ..Settings::default() };
        mine.save(&store).unwrap();
        assert_eq!(Settings::load(&store).unwrap(), mine);
        for bad in [f64::NAN, -0.1, 2e6, f64::INFINITY] {
            let settings = Settings { price_per_hour: bad, ..Settings::default() };
            assert_eq!(settings.save(&store).unwrap_err().field.as_deref(), Some("price_per_hour"));
        }
    }
}
