//! Creatives on their way to people: a list with keys, file names and UTM parameters, and the pictures under these names.

use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use store::{Creative, Experiment};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::link;
use crate::app::App;
use crate::error::{ApiError, ServeError};
use crate::native::csv_cell;
use crate::picture::{self, Wanted};

/// Most bytes of the pictures of a ZIP.
const MAX_BYTES: i64 = 512 << 20;
/// The list.
const LIST: &str = "creatives.csv";
/// What is to be filled in.
const RESULTS: &str = "results.csv";

/// What was written.
#[derive(Debug, Clone, Serialize)]
pub struct ExportedCreatives {
    /// Pictures.
    pub pictures: usize,
    /// The list of them.
    pub list: PathBuf,
    /// A file with the columns of results, to be filled in.
    pub results: PathBuf,
}

fn file(creative: &Creative) -> String {
    format!("{}.png", creative.key)
}

/// The list of creatives.
pub fn csv(experiment: &Experiment) -> String {
    let mut list =
        String::from("creative,name,file,role,share,utm_source,utm_medium,utm_campaign,utm_content,url,asset\r\n");
    let total: f64 = experiment.arms.iter().map(|arm| arm.weight).sum();
    for (i, arm) in experiment.arms.iter().enumerate() {
        let cells = [
            arm.key.clone(),
            arm.name.clone(),
            file(arm),
            if i == 0 { "control" } else { "variation" }.into(),
            format!("{:.6}", arm.weight / total),
            experiment.source.clone(),
            experiment.medium.clone(),
            experiment.slug.clone(),
            arm.key.clone(),
            link(experiment, arm).unwrap_or_default(),
            arm.asset.clone().unwrap_or_default(),
        ];
        list += &(cells.map(|cell| csv_cell(&cell)).join(",") + "\r\n");
    }
    list
}

/// The head of a file of results.
fn results_head(experiment: &Experiment) -> String {
    let more = match experiment.metric {
        campaign::Metric::Clicks => "clicks",
        campaign::Metric::Conversions => "conversions",
        campaign::Metric::Revenue => "revenue,revenue_squared",
    };
    format!("creative,day,people,{more}\r\n")
}

/// Every picture that is still there, without the text in it: others will see them. Blocks.
fn pictures<E: From<ApiError>>(
    app: &App,
    experiment: &Experiment,
    mut keep: impl FnMut(&str, &[u8]) -> Result<(), E>,
) -> Result<usize, E> {
    let mut count = 0;
    for arm in &experiment.arms {
        let Some(id) = &arm.asset else { continue };
        let asset = app.store.asset(id).map_err(ApiError::from)?;
        let png = app.store.asset_bytes(&asset).map_err(ApiError::from)?;
        keep(&file(arm), &picture::convert(png.into(), Wanted { bare: true, ..Wanted::default() })?)?;
        count += 1;
    }
    Ok(count)
}

/// Pictures, list and the head of the results as a ZIP. Blocks.
pub fn zip(app: &App, experiment: &Experiment) -> Result<Vec<u8>, ApiError> {
    let mut bytes = 0;
    for id in experiment.arms.iter().filter_map(|arm| arm.asset.as_ref()) {
        bytes += app.store.asset(id)?.bytes;
    }
    if bytes > MAX_BYTES {
        return Err(ApiError::bad(format!("these pictures have more than {MAX_BYTES} bytes")));
    }
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    // Pictures are compressed already.
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut add = |name: &str, bytes: &[u8]| {
        zip.start_file(name, options).map_err(ApiError::internal)?;
        zip.write_all(bytes).map_err(ApiError::internal)
    };
    add(LIST, csv(experiment).as_bytes())?;
    add(RESULTS, results_head(experiment).as_bytes())?;
    pictures(app, experiment, &mut add)?;
    Ok(zip.finish().map_err(ApiError::internal)?.into_inner())
}

/// The same into a folder, the list last. Blocks.
pub fn write_folder(app: &App, experiment: &Experiment, folder: &Path) -> Result<ExportedCreatives, ServeError> {
    std::fs::create_dir_all(folder)?;
    let write = |name: &str, bytes: &[u8]| -> Result<PathBuf, ServeError> {
        let path = folder.join(name);
        formats::atomic::write_bytes_atomic(&path, bytes).map_err(store::StoreError::from)?;
        Ok(path)
    };
    let count = pictures(app, experiment, |name, bytes| write(name, bytes).map(drop))?;
    Ok(ExportedCreatives {
        pictures: count,
        results: write(RESULTS, results_head(experiment).as_bytes())?,
        list: write(LIST, csv(experiment).as_bytes())?,
    })
}
