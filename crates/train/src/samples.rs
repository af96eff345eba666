//! Sample sheets: what a model file draws for a fixed list of prompts.

use std::path::Path;

use engine::{CancelToken, Engine, Options, Request};
use formats::canvas::{CHARACTER, Canvas, GRID, INK, WHITE};
use kernels::Cpu;

use crate::TrainError;

/// Side of a cell's picture in pixels, whatever the model's size.
const SIDE: usize = 128;
const MARGIN: usize = 8;
/// Lines of caption under a picture.
const LINES: usize = 2;
const COLUMNS: usize = 8;
/// Sampler steps of a sheet.
pub const STEPS: u32 = 25;

/// Draws one picture for each prompt (seed 0 each) with the model at `path`, eight in a row, in each of these numbers of steps,
/// with guidance, sampler and schedule of `settings`.
pub fn draw(
    cpu: &Cpu,
    path: &Path,
    prompts: &[String],
    steps: &[u32],
    settings: &Request,
) -> Result<Canvas, TrainError> {
    let model = engine::store::open(&path.to_string_lossy())?;
    let options = Options { isa: Some(cpu.isa), threads: Some(cpu.pool.threads()), ..Options::default() };
    let mut engine = Engine::new(&model, &options)?;
    let (width, height) = (SIDE + 2 * MARGIN, SIDE + 2 * MARGIN + LINES * (CHARACTER + 2));
    let columns = COLUMNS.min(prompts.len().max(1));
    let rows = prompts.len().div_ceil(columns).max(1);
    let mut canvas = Canvas::new(columns * width, steps.len() * rows * height, WHITE);
    let asked = steps.iter().flat_map(|&steps| prompts.iter().enumerate().map(move |(i, prompt)| (steps, i, prompt)));
    for (block, (steps, i, prompt)) in asked.enumerate().map(|(n, asked)| (n / prompts.len(), asked)) {
        let request = Request { prompt: prompt.clone(), steps, enlarge: Some(1), ..settings.clone() };
        let images = engine.generate(&request, &mut |_| {}, &CancelToken::new())?;
        let image = &images[0];
        let (left, top) =
            ((i % columns * width + MARGIN) as i64, ((block * rows + i / columns) * height + MARGIN) as i64);
        let (w, h) = (image.size.width as usize, image.size.height as usize);
        canvas.rectangle(left - 1, top - 1, SIDE as i64 + 2, SIDE as i64 + 2, GRID);
        canvas.rectangle(left, top, SIDE as i64, SIDE as i64, WHITE);
        canvas.picture(left, top, w, h, &image.pixels, (SIDE / w.max(h)).max(1));
        canvas.paragraph(left, top + SIDE as i64 + 4, SIDE / CHARACTER, LINES, INK, &label(steps, prompt));
    }
    Ok(canvas)
}

fn label(steps: u32, prompt: &str) -> String {
    if steps == STEPS { prompt.to_owned() } else { format!("{steps}: {prompt}") }
}
