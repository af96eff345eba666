//! `calotype serve`: standard HTTP interfaces over one durable queue; the engine works in a process of its own.
//!
//! ```text
//! campaigns ─────────► feeder ──┐
//! native, OpenAI, A1111, MCP ─► submit ─► store ─► queue ─► worker process (engine) ─► store
//!                                                    └─► news (progress, preview, asset, done) ─► whoever listens
//! ```

#![forbid(unsafe_code)]

mod a1111;
mod app;
mod bakeoffs;
mod brand;
mod campaigns;
mod config;
mod error;
mod experiments;
mod extract;
mod live;
mod mcp;
mod metrics;
mod models;
mod native;
mod openai;
mod page;
mod picture;
mod planner;
mod prices;
mod queue;
mod rate;
mod router;
mod security;
mod serve;
mod settings;
mod studio;
pub mod worker;

use std::net::SocketAddr;
use std::sync::Arc;

use store::{MIN_KEY_BYTES, Store};
use tokio::net::TcpListener;

pub use bakeoffs::{
    BakeoffPlan, BakeoffProgress, BakeoffReport, BakeoffRequest, DuelView, DuelsView, GroupResult, ShownDuel, Standing,
};
pub use brand::{DeliveryProgress, DeliveryRequest, Picks};
pub use campaigns::{CampaignPlan, CampaignReport, Satisfaction};
pub use config::{DEFAULT_PORT, DEFAULT_RATE, HEADER_TIMEOUT, ServeConfig, default_data_folder};
pub use error::ServeError;
pub use experiment::Assignment;
pub use experiments::{
    CreativeRequest, ExperimentReport, ExperimentRequest, ExperimentView, ImportView, NextRequest, NextRound,
    PowerPlan, PowerRequest, SharesView, plan_experiment,
};
pub use native::{CampaignView, LinkView, NewLink};
pub use prices::{PriceAnswer, PriceRequest};
pub use store::{ImportMode, Stage, Verdict, now_ms};
pub use studio::{Delivered, Exported, RunProgress, Studio};
pub use worker::process::WorkerCommand;

use app::App;
use rate::Rate;
use security::{Guard, key_digest};

/// A server that listens and does not answer yet.
pub struct Server {
    app: Arc<App>,
    listener: TcpListener,
    config: ServeConfig,
}

impl Server {
    /// Opens the data folder and the address.
    pub async fn bind(config: ServeConfig) -> Result<Self, ServeError> {
        let address = config.address()?;
        let store = Arc::new(Store::open(&config.data)?);
        let mut keys: Vec<(String, [u8; 32])> = store.keys()?.into_iter().map(|key| (key.id, key.sha256)).collect();
        if let Some(key) = &config.environment_key {
            if key.len() < MIN_KEY_BYTES {
                let message = format!("has {} bytes; at least {MIN_KEY_BYTES} are needed", key.len());
                return Err(ServeError::Field { field: "CALOTYPE_KEY", message });
            }
            keys.push(("environment".into(), key_digest(key)));
        }
        let needs_key = config.require_key || !address.is_loopback();
        if needs_key && keys.is_empty() {
            return Err(ServeError::NeedsKey { host: config.host.clone() });
        }
        let models = Arc::new(models::Models::new(&config.models_folder()));
        let listener = TcpListener::bind(SocketAddr::new(address, config.port))
            .await
            .map_err(|source| ServeError::Listen { address: format!("{}:{}", config.host, config.port), source })?;
        let app = Arc::new(App::new(
            store,
            models,
            config.worker.clone(),
            Guard::new(&config, keys, needs_key),
            Rate::new(config.rate),
        ));
        app.assigning.load(&app.store)?;
        Ok(Self { app, listener, config })
    }

    /// Where it listens.
    pub fn address(&self) -> Result<SocketAddr, ServeError> {
        Ok(self.listener.local_addr()?)
    }

    /// Serves until `stop` is done; then no job is begun any more, the running one may end within the grace time or waits for
    /// the next start, and open connections are closed.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), ServeError> {
        let Self { app, listener, config } = self;
        let queue = tokio::spawn(app.queue.clone().run(config.worker.clone(), config.grace));
        let feeder = tokio::spawn(campaigns::feed(app.clone()));
        let router = router::router(app.clone());
        let stopping = async move {
            stop.await;
            app.queue.stop();
            let _ = tokio::join!(queue, feeder);
        };
        serve::serve(listener, router, config.header_timeout, stopping).await
    }
}

/// Makes a key under a name and keeps its digest; the key is told this once.
pub fn add_key(data: &std::path::Path, name: &str) -> Result<String, ServeError> {
    let key = security::new_key();
    Store::open(data)?.add_key(name, key_digest(&key))?;
    Ok(key)
}

/// Names of the keys.
pub fn key_names(data: &std::path::Path) -> Result<Vec<String>, ServeError> {
    Ok(Store::open(data)?.keys()?.into_iter().map(|key| key.name).collect())
}

/// Forgets the key of a name.
pub fn remove_key(data: &std::path::Path, name: &str) -> Result<(), ServeError> {
    Ok(Store::open(data)?.remove_key(name)?)
}
