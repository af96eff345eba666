//! Options of `verify`.

use std::path::PathBuf;

use clap::Args;

/// Options of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The picture.
    pub image: PathBuf,
    /// The model it was made with, if that is not the built-in one.
    #[arg(long, value_name = "NAME|PATH")]
    pub model: Option<String>,
    /// The picture it was developed from, if there was one.
    #[arg(long, value_name = "IMAGE")]
    pub vary: Option<PathBuf>,
    /// The mask it was drawn under, if there was one.
    #[arg(long, value_name = "IMAGE", requires = "vary")]
    pub mask: Option<PathBuf>,
    /// The file its autoencoder was taken from, if that was not the checkpoint's own.
    #[arg(long, value_name = "FILE")]
    pub vae: Option<PathBuf>,
    /// Threads [default: physical cores]; never changes a pixel.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub threads: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
