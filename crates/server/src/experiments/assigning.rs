//! Who sees what, answered from memory: a published test is looked up by its token, a person's creative follows from a hash. The
//! store is read when a test is published, changed or withdrawn, never for a person.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use axum::body::Bytes;
use axum::http::HeaderValue;
use experiment::Assigner;
use serde::Deserialize;
use serde_json::json;
use store::{Asset, Experiment};
use tokio::sync::OnceCell;

use super::link;
use crate::app::App;
use crate::error::ApiError;
use crate::picture::{self, Format, Wanted};

/// Bytes of pictures that are kept in memory, of all tests together; what has no room is made anew each time.
const ROOM: usize = 128 << 20;

/// As what somebody wants the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum As {
    /// The key of the creative, as JSON.
    #[default]
    Json,
    /// The picture itself, as JPEG.
    Picture,
    /// A redirect to where the creative leads.
    Redirect,
}

/// Every test that assigns people.
#[derive(Debug, Default)]
pub struct Assigning {
    published: RwLock<HashMap<String, Arc<Published>>>,
}

/// A test that assigns people.
#[derive(Debug)]
pub struct Published {
    assigner: Assigner,
    arms: Vec<Arm>,
}

#[derive(Debug)]
struct Arm {
    json: Bytes,
    location: Option<HeaderValue>,
    asset: Option<Asset>,
    picture: OnceCell<Bytes>,
}

/// Bytes of pictures in memory.
static HELD: AtomicUsize = AtomicUsize::new(0);

impl Assigning {
    /// Reads every published test. Blocks.
    pub fn load(&self, store: &store::Store) -> Result<(), ApiError> {
        let mut found = HashMap::new();
        for experiment in store.published_experiments()? {
            if let Some(token) = experiment.token.clone() {
                found.insert(token, Arc::new(Published::new(store, &experiment)?));
            }
        }
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = found;
        Ok(())
    }

    /// The test of a token.
    pub fn of(&self, token: &str) -> Option<Arc<Published>> {
        self.published.read().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }
}

impl Published {
    fn new(store: &store::Store, experiment: &Experiment) -> Result<Self, ApiError> {
        let weights: Vec<f64> = experiment.arms.iter().map(|arm| arm.weight).collect();
        let arm = |(i, creative): (usize, &store::Creative)| {
            let link = link(experiment, creative);
            let told = json!({ "creative": creative.key, "index": i, "url": link });
            Arm {
                json: told.to_string().into(),
                location: link.and_then(|link| HeaderValue::from_str(&link).ok()),
                asset: creative.asset.as_ref().and_then(|id| store.asset(id).ok()),
                picture: OnceCell::new(),
            }
        };
        Ok(Self {
            assigner: Assigner::new(&experiment.id, &weights)?,
            arms: experiment.arms.iter().enumerate().map(arm).collect(),
        })
    }

    fn arm(&self, unit: &str) -> Result<&Arm, ApiError> {
        self.arms.get(self.assigner.arm(unit)).ok_or_else(|| ApiError::internal("a person without a creative"))
    }

    /// The answer for a person, as JSON.
    pub fn json(&self, unit: &str) -> Result<Bytes, ApiError> {
        Ok(self.arm(unit)?.json.clone())
    }

    /// Where a person is led.
    pub fn location(&self, unit: &str) -> Result<HeaderValue, ApiError> {
        self.arm(unit)?.location.clone().ok_or_else(|| ApiError::field("as", "the test has no landing page to lead to"))
    }

    /// The picture for a person, as JPEG without the text in it.
    pub async fn picture(&self, app: &Arc<App>, unit: &str) -> Result<Bytes, ApiError> {
        let arm = self.arm(unit)?;
        let make = || async {
            let asset = arm.asset.clone().ok_or_else(|| ApiError::not_found("this picture was removed"))?;
            let made = app.blocking(move |app| {
                let png = app.store.asset_bytes(&asset).map_err(|_| ApiError::not_found("this picture was removed"))?;
                picture::convert(png.into(), Wanted { format: Format::Jpeg, bare: true, ..Wanted::default() })
            });
            made.await
        };
        if arm.picture.get().is_none() && HELD.load(Ordering::Relaxed) >= ROOM {
            return make().await;
        }
        let kept = arm.picture.get_or_try_init(|| async {
            let bytes = make().await?;
            HELD.fetch_add(bytes.len(), Ordering::Relaxed);
            Ok::<_, ApiError>(bytes)
        });
        Ok(kept.await?.clone())
    }
}

impl Drop for Arm {
    fn drop(&mut self) {
        HELD.fetch_sub(self.picture.get().map_or(0, Bytes::len), Ordering::Relaxed);
    }
}
