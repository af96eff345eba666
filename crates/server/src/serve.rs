//! Connections: HTTP/1.1, each on a task of its own. A client that does not send the head of its request in time is cut off, or
//! a few slow ones could hold all connections there are.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::error::ServeError;

/// Time that answers have to go out when the server stops; streams without end are cut.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Pause when no connection can be taken, as when there are too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stopping` is done, then lets answers go out.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    header_timeout: Duration,
    stopping: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let (end, ended) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut stopping = pin!(stopping);
    loop {
        tokio::select! {
            () = &mut stopping => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    _ = connections.spawn(connection(stream, peer, router.clone(), header_timeout, ended.clone()));
                }
                Err(error) => {
                    tracing::warn!("a connection cannot be taken: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    end.send_replace(());
    // Whoever is not done by then is cut off with the set.
    let _ = tokio::time::timeout(LAST_WORDS, async { while connections.join_next().await.is_some() {} }).await;
    Ok(())
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    header_timeout: Duration,
    mut ended: watch::Receiver<()>,
) {
    // Small answers and events go out at once.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router.layer(axum::Extension(ConnectInfo(peer))));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(header_timeout);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    // What breaks a connection is the client's to know.
    tokio::select! {
        _ = connection.as_mut() => {}
        _ = ended.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
