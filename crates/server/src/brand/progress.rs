//! How far the packages are that are being made.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use utoipa::ToSchema;

/// How far a package is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeliveryProgress {
    /// Files that are made.
    pub done: usize,
    /// Files it will have.
    pub files: usize,
}

/// The packages that are being made, by campaign; of two of one campaign the one that was heard of last.
#[derive(Default)]
pub struct Making(Mutex<HashMap<String, DeliveryProgress>>);

impl Making {
    /// Begins to tell of a campaign's package, until what is given is dropped.
    pub fn begin<'a>(&'a self, campaign: &'a str) -> Told<'a> {
        Told { making: self, campaign }
    }

    /// How far a campaign's package is; none when none is being made.
    pub fn of(&self, campaign: &str) -> Option<DeliveryProgress> {
        self.lock().get(campaign).copied()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, DeliveryProgress>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells of one package.
pub struct Told<'a> {
    making: &'a Making,
    campaign: &'a str,
}

impl Told<'_> {
    /// So many are made.
    pub fn tell(&self, progress: DeliveryProgress) {
        self.making.lock().insert(self.campaign.to_owned(), progress);
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.making.lock().remove(self.campaign);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_is_not_told_any_more() {
        let making = Making::default();
        let told = making.begin("spring");
        assert_eq!(making.of("spring"), None);
        told.tell(DeliveryProgress { done: 3, files: 8 });
        assert_eq!((making.of("spring"), making.of("other")), (Some(DeliveryProgress { done: 3, files: 8 }), None));
        drop(told);
        assert_eq!(making.of("spring"), None);
    }
}
