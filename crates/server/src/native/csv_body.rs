//! CSV files as bodies. A file is read while it arrives and never kept as a whole; it is sent as it is, with the type `text/csv`,
//! which no form of another page can send without asking first.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::Response;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;

use crate::app::App;
use crate::error::ApiError;

/// How long the rest of a file that was refused may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pieces of a body that wait to be read.
const PIECES: usize = 4;

/// Gives the file to `work`, which may block.
pub async fn read_csv(
    app: &Arc<App>,
    request: Request,
    work: impl FnOnce(&App, &mut dyn Read) -> Result<Response, ApiError> + Send + 'static,
) -> Result<Response, ApiError> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    if !kind.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case("text/csv") {
        let message = "the body must be the file itself, with the header Content-Type: text/csv";
        return Err(ApiError::status(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_csv", message));
    }
    let (sender, pieces) = mpsc::channel(PIECES);
    let reading = app.blocking(move |app| work(app, &mut Body { pieces, piece: Bytes::new() }));
    let feeding = async {
        let mut body = request.into_body().into_data_stream();
        let mut reads_on = true;
        while let Some(piece) = body.next().await {
            // Whoever reads may have seen enough.
            let is_broken = piece.is_err();
            reads_on = reads_on && sender.send(piece.map_err(io::Error::other)).await.is_ok();
            if is_broken {
                break;
            }
        }
        drop(sender);
    };
    tokio::pin!(reading, feeding);
    tokio::select! {
        answer = &mut reading => {
            // Most clients hear an answer only after they have said everything.
            let _ = tokio::time::timeout(PATIENCE, feeding).await;
            answer
        }
        () = &mut feeding => reading.await,
    }
}

/// A body as it arrives.
struct Body {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.piece.len());
        buffer[..count].copy_from_slice(&self.piece.split_to(count));
        Ok(count)
    }
}
