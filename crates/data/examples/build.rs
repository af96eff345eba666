//! Builds a dataset, prints its summary and draws a sheet: `build RECIPE OUT [SHEET.png]`.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [recipe, out, sheet @ ..] = &arguments[..] else { return Err("usage: build RECIPE OUT [SHEET.png]".into()) };
    let report = data::build(Path::new(recipe), &data::BuildOptions::default(), Path::new(out), &mut |p| {
        if p.done % 4096 == 0 {
            eprintln!("{} {} of {}", p.stage, p.done, p.total);
        }
    })?;
    eprintln!(
        "{} records, {} dropped, {} skipped, {:.0} s",
        report.records,
        report.dropped,
        report.skipped.len(),
        report.seconds
    );
    for skipped in report.skipped.iter().take(40) {
        eprintln!("  {}: {}", skipped.file, skipped.reason);
    }
    println!("{}", data::inspect(Path::new(out))?);
    if let [path, ..] = sheet {
        std::fs::write(path, data::sheet(Path::new(out), 1, 64)?.to_png()?)?;
    }
    Ok(())
}
