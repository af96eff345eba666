//! A ZIP with everything: a folder for each channel, `manifest.csv`, `contact-sheet.pdf`, and previews of safe zones.

use std::io::{Seek, Write};

use formats::digest::sha256_bytes;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::deliver::Delivered;
use crate::name::{Names, Pattern, sanitised};
use crate::sheet::{Thumbnail, contact_sheet};

const COLUMNS: &[&str] = &[
    "file",
    "campaign",
    "asset",
    "channel",
    "width",
    "height",
    "format",
    "bytes",
    "sha256",
    "quality",
    "crop_x",
    "crop_y",
    "crop_width",
    "crop_height",
    "template",
    "brand",
    "brand_version",
    "seed",
    "recipe",
    "findings",
];

/// A package could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The ZIP.
    #[error("cannot write the ZIP: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// A file in it.
    #[error("cannot write the ZIP: {0}")]
    Io(#[from] std::io::Error),
    /// The manifest.
    #[error("cannot write the manifest: {0}")]
    Csv(#[from] csv::Error),
}

/// A package being written. Files go out as they come, so that a campaign need not fit into memory.
pub struct Package<W: Write + Seek> {
    zip: ZipWriter<W>,
    names: Names,
    manifest: csv::Writer<Vec<u8>>,
    sheet: Vec<(Thumbnail, Vec<String>)>,
    title: String,
}

impl<W: Write + Seek> Package<W> {
    /// Begins a package; `title` stands on the contact sheet.
    pub fn new(to: W, pattern: Pattern, title: &str) -> Result<Self, PackageError> {
        let mut manifest = csv::Writer::from_writer(Vec::new());
        manifest.write_record(COLUMNS)?;
        Ok(Self {
            zip: ZipWriter::new(to),
            names: Names::new(pattern),
            manifest,
            sheet: Vec::new(),
            title: title.into(),
        })
    }

    /// Adds a file and gives its path in the package.
    pub fn add(&mut self, file: &Delivered) -> Result<String, PackageError> {
        let (width, height) = (file.width.to_string(), file.height.to_string());
        let seed = file.seed.map(|seed| seed.to_string()).unwrap_or_default();
        let values = [
            ("campaign", file.campaign.as_str()),
            ("asset", &file.asset),
            ("channel", &file.channel),
            ("width", &width),
            ("height", &height),
            ("seed", &seed),
            ("ext", file.format.extension()),
        ];
        let path = self.names.next(&sanitised(&file.channel), &values);
        self.write(&path, &file.bytes)?;
        let number = |value: Option<u32>| value.map(|value| value.to_string()).unwrap_or_default();
        let findings: Vec<String> = file.findings.iter().map(ToString::to_string).collect();
        self.manifest.write_record([
            path.clone(),
            plain(&file.campaign),
            plain(&file.asset),
            plain(&file.channel),
            width,
            height,
            file.format.extension().into(),
            file.bytes.len().to_string(),
            file.sha256.clone(),
            number(file.quality.map(u32::from)),
            number(file.crop.map(|crop| crop.x)),
            number(file.crop.map(|crop| crop.y)),
            number(file.crop.map(|crop| crop.width)),
            number(file.crop.map(|crop| crop.height)),
            file.template.clone().unwrap_or_default(),
            plain(&file.brand),
            file.brand_version.to_string(),
            seed,
            plain(file.recipe.as_deref().unwrap_or_default()),
            plain(&findings.join(" | ")),
        ])?;
        let name = path.rsplit('/').next().unwrap_or(&path).to_owned();
        let size = format!("{} \u{d7} {}, {} KB", file.width, file.height, file.bytes.len().div_ceil(1000));
        let quality = file.quality.map(|quality| format!(", quality {quality}")).unwrap_or_default();
        self.sheet.push((file.thumbnail.clone(), vec![name, format!("{}, {size}{quality}", file.channel)]));
        Ok(path)
    }

    /// Adds a PNG beside the files, as a preview of a safe zone; it is named after the file and stands in `previews`.
    pub fn add_preview(&mut self, of: &str, png: &[u8]) -> Result<String, PackageError> {
        let stem = of.rsplit_once('.').map_or(of, |(stem, _)| stem);
        let path = format!("previews/{}.png", sanitised(&stem.replace('/', "_")));
        self.write(&path, png)?;
        Ok(path)
    }

    /// Writes manifest and contact sheet, ends the package, and gives its writer back with the manifest's SHA-256.
    pub fn finish(mut self) -> Result<(W, String), PackageError> {
        let manifest = std::mem::replace(&mut self.manifest, csv::Writer::from_writer(Vec::new()));
        let manifest = manifest.into_inner().map_err(|error| error.into_error())?;
        self.write("manifest.csv", &manifest)?;
        let sheet = contact_sheet(&self.title, &self.sheet);
        self.write("contact-sheet.pdf", &sheet)?;
        Ok((self.zip.finish()?, sha256_bytes(&manifest)))
    }

    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), PackageError> {
        // Pictures do not shrink, and equal input must give equal bytes: nothing is compressed, no time is written.
        let large = bytes.len() as u64 >= u64::from(u32::MAX);
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(large);
        self.zip.start_file(path, options)?;
        Ok(self.zip.write_all(bytes)?)
    }
}

/// A text that no spreadsheet takes for a formula.
fn plain(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if formula { format!("'{text}") } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::tests::busy;
    use crate::{Catalogue, Item, deliver, resampled};
    use layout::{Brand, BrandKit};
    use std::io::{Cursor, Read};

    fn package(campaign: &str) -> (Vec<u8>, String) {
        let brand = Brand::new(BrandKit::starter(), &|_| Err(std::io::ErrorKind::NotFound.into())).unwrap();
        let catalogue = Catalogue::starter().unwrap();
        let picture = busy(300, 260);
        let mut package = Package::new(Cursor::new(Vec::new()), Pattern::default(), campaign).unwrap();
        for asset in ["one", "ONE", "=two()"] {
            let mut item = Item::new(campaign, asset, &picture);
            (item.seed, item.recipe) = (Some(42), Some("r-1"));
            for id in ["meta.feed.1x1", "google.display.320x50"] {
                package.add(&deliver(&item, catalogue.get(id).unwrap(), &brand, &resampled).unwrap()).unwrap();
            }
        }
        package.add_preview("meta.story/x.jpg", b"png").unwrap();
        let (bytes, digest) = package.finish().unwrap();
        (bytes.into_inner(), digest)
    }

    #[test]
    fn every_file_is_there_as_the_manifest_says() {
        let (bytes, digest) = package("Autumn");
        let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let mut read = |name: &str| {
            let mut bytes = Vec::new();
            zip.by_name(name).unwrap_or_else(|_| panic!("{name}")).read_to_end(&mut bytes).unwrap();
            bytes
        };
        let manifest = read("manifest.csv");
        assert_eq!(sha256_bytes(&manifest), digest);
        assert!(read("contact-sheet.pdf").starts_with(b"%PDF"));
        assert_eq!(read("previews/meta.story_x.png"), b"png");
        let mut reader = csv::Reader::from_reader(&manifest[..]);
        assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>(), COLUMNS);
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 6);
        for row in &rows {
            let file = read(&row[0]);
            assert_eq!((file.len().to_string(), sha256_bytes(&file)), (row[7].to_owned(), row[8].to_owned()));
            assert!(row[0].starts_with(&format!("{}/", &row[3])));
            assert_eq!((&row[15], &row[17], &row[18]), ("Starter", "42", "r-1"));
        }
        assert_eq!(&rows[0][0], "meta.feed.1x1/Autumn_one_meta.feed.1x1_1080x1080.jpg");
        assert_eq!(&rows[2][0], "meta.feed.1x1/Autumn_ONE_meta.feed.1x1_1080x1080-2.jpg");
        // A name that a spreadsheet would run is shown as text.
        assert_eq!(&rows[4][2], "'=two()");
    }

    #[test]
    fn equal_input_gives_equal_bytes() {
        assert_eq!(package("a"), package("a"));
    }
}
