//! A kit with its files read: fonts and logos.

use std::sync::Mutex;

use analysis::{Colour, Picture, PictureError};

use crate::kit::{BrandKit, FieldError, LogoRule};
use crate::text::Typesetter;

/// Most bytes of a font file.
const MOST_FONT_BYTES: usize = 32 << 20;

/// A brand that is ready to be used.
#[derive(Debug)]
pub struct Brand {
    kit: BrandKit,
    logos: Vec<Picture>,
    typesetter: Mutex<Typesetter>,
}

/// A brand that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BrandError {
    /// Not TOML, an unknown key, or a wrong type.
    #[error("brand kit: {0}")]
    Toml(String),
    /// Values out of range, by field.
    #[error("brand kit: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<FieldError>),
    /// A file cannot be read.
    #[error("brand kit: {field}: `{file}`: {source}")]
    File {
        /// The field that names it.
        field: String,
        /// The file.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is no font.
    #[error("brand kit: {field}: `{file}` is no TrueType or OpenType font, or larger than {MOST_FONT_BYTES} bytes")]
    Font {
        /// The field that names it.
        field: String,
        /// The file.
        file: String,
    },
    /// A file holds no such family.
    #[error("brand kit: {field}: the files hold no family `{family}`; found: {found}")]
    Family {
        /// The field.
        field: String,
        /// The family asked for.
        family: String,
        /// The families found.
        found: String,
    },
    /// A logo is no PNG that can be read.
    #[error("brand kit: {field}: `{file}`: {source}")]
    Logo {
        /// The field that names it.
        field: String,
        /// The file.
        file: String,
        /// What is wrong.
        source: formats::picture::PictureError,
    },
    /// A logo's size is out of range.
    #[error("brand kit: {field}: {source}")]
    Size {
        /// The field.
        field: String,
        /// What is wrong.
        source: PictureError,
    },
}

impl Brand {
    /// Checks a kit and reads its files through `read`, which gets their names as they stand in the kit.
    pub fn new(kit: BrandKit, read: &dyn Fn(&str) -> std::io::Result<Vec<u8>>) -> Result<Self, BrandError> {
        let errors = kit.errors();
        if !errors.is_empty() {
            return Err(BrandError::Invalid(errors));
        }
        let load = |field: &str, file: &str| {
            read(file).map_err(|source| BrandError::File { field: field.into(), file: file.into(), source })
        };
        let mut typesetter = Typesetter::new();
        for (i, rule) in kit.fonts.iter().enumerate() {
            let mut found = Vec::new();
            for (j, file) in rule.files.iter().enumerate() {
                let field = format!("fonts[{i}].files[{j}]");
                let bytes = load(&field, file)?;
                let families = if bytes.len() > MOST_FONT_BYTES { Vec::new() } else { typesetter.add_font(bytes) };
                if families.is_empty() {
                    return Err(BrandError::Font { field, file: file.clone() });
                }
                found.extend(families);
            }
            if !rule.files.is_empty() && !found.contains(&rule.family) {
                let field = format!("fonts[{i}].family");
                return Err(BrandError::Family { field, family: rule.family.clone(), found: found.join(", ") });
            }
        }
        let mut logos = Vec::new();
        for (i, rule) in kit.logos.iter().enumerate() {
            let field = format!("logos[{i}].file");
            let bytes = load(&field, &rule.file)?;
            let decoded = formats::picture::decode(&bytes).map_err(|source| BrandError::Logo {
                field: field.clone(),
                file: rule.file.clone(),
                source,
            })?;
            let logo = Picture::new(decoded.width, decoded.height, decoded.pixels);
            logos.push(logo.map_err(|source| BrandError::Size { field, source })?);
        }
        Ok(Self { kit, logos, typesetter: Mutex::new(typesetter) })
    }

    /// The kit.
    pub fn kit(&self) -> &BrandKit {
        &self.kit
    }

    /// The colour of a role, or of `#rrggbb`. Kits that leave a role out get one that follows from the others: `on-X` is the
    /// colour that reads best on X, `accent` is `primary`, `primary` the first colour, `background` white, `text` what reads
    /// best on `background`.
    pub fn colour(&self, role: &str) -> Option<Colour> {
        if let Some(colour) = self.kit.colour(role).or_else(|| role.parse().ok()) {
            return Some(colour);
        }
        match role {
            "background" => Some(Colour::WHITE),
            "text" => Some(self.readable_on(self.colour("background")?)),
            "accent" => self.colour("primary"),
            "primary" => Some(self.kit.colours.first().map_or(Colour([30, 34, 40]), |colour| colour.value)),
            _ => role.strip_prefix("on-").and_then(|ground| self.colour(ground)).map(|ground| self.readable_on(ground)),
        }
    }

    /// The colour of the kit (or black, or white) with the most contrast on a ground.
    fn readable_on(&self, ground: Colour) -> Colour {
        let own = self.kit.colours.iter().map(|colour| colour.value).filter(|colour| colour.contrast(ground) >= 7.0);
        let all = own.chain([Colour::BLACK, Colour::WHITE]);
        all.max_by(|a, b| a.contrast(ground).total_cmp(&b.contrast(ground))).unwrap_or(Colour::BLACK)
    }

    /// Logos of a name, and of names that continue it with a hyphen.
    pub(crate) fn logos<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a LogoRule, &'a Picture)> {
        self.kit.logos.iter().zip(&self.logos).filter(move |(rule, _)| {
            rule.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        })
    }

    /// Family and weight of a role; the built-in font for roles that the kit does not name.
    pub(crate) fn font(&self, role: &str) -> (&str, u16) {
        let rule = self.kit.fonts.iter().find(|font| font.role == role);
        let default = if role == "headline" { 700 } else { 400 };
        rule.map_or((crate::text::BUILT_IN, default), |font| (font.family.as_str(), font.weight))
    }

    /// The typesetter; one at a time uses it.
    pub(crate) fn typesetter(&self) -> std::sync::MutexGuard<'_, Typesetter> {
        self.typesetter.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::FontRule;

    fn with(change: impl Fn(&mut BrandKit), files: &[(&str, Vec<u8>)]) -> Result<Brand, BrandError> {
        let mut kit = BrandKit::starter();
        change(&mut kit);
        Brand::new(kit, &|name| {
            let found = files.iter().find(|(file, _)| *file == name);
            found.map(|(_, bytes)| bytes.clone()).ok_or_else(|| std::io::ErrorKind::NotFound.into())
        })
    }

    #[test]
    fn bad_files_are_named() {
        let font = |file: &str, family: &str| FontRule {
            role: "body".into(),
            family: family.into(),
            weight: 400,
            files: vec![file.into()],
        };
        let own = include_bytes!("../fonts/rubik.ttf").to_vec();
        let files = [("rubik.ttf", own), ("bad.ttf", vec![0; 40])];
        let message =
            |file: &'static str, family: &'static str| match with(|kit| kit.fonts[1] = font(file, family), &files) {
                Ok(_) => "fine".to_owned(),
                Err(error) => error.to_string(),
            };
        assert!(message("none.ttf", "X").starts_with("brand kit: fonts[1].files[0]: `none.ttf`: "));
        assert!(message("bad.ttf", "X").contains("fonts[1].files[0]: `bad.ttf` is no TrueType"));
        assert!(message("rubik.ttf", "X").contains("fonts[1].family: the files hold no family `X`; found: Rubik"));
        assert_eq!(message("rubik.ttf", "Rubik"), "fine");
        let logo = with(
            |kit| {
                kit.logos.push(LogoRule {
                    name: "main".into(),
                    file: "bad.ttf".into(),
                    clear_space: 0.0,
                    min_width: 0,
                    backgrounds: vec![],
                    corner: None,
                });
            },
            &files,
        );
        assert_eq!(logo.unwrap_err().to_string(), "brand kit: logos[0].file: `bad.ttf`: not a PNG file");
    }

    #[test]
    fn roles_left_out_follow_from_the_others() {
        let brand = with(|kit| kit.colours.retain(|colour| colour.role == "primary"), &[]).unwrap();
        assert_eq!(brand.colour("accent"), brand.kit().colour("primary"));
        assert_eq!(brand.colour("on-accent"), Some(Colour::WHITE));
        assert!(brand.colour("text").unwrap().contrast(Colour::WHITE) >= 7.0);
        assert_eq!(brand.colour("#102030"), Some(Colour([16, 32, 48])));
        assert_eq!(brand.colour("nonsense"), None);
    }
}
