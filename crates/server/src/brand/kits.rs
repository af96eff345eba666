//! Kits as they are given, kept and used. What is missing of a kit (a font, a logo) is a finding, so that its author sees the rest;
//! what is wrong with its rules is refused by field.

use std::collections::BTreeMap;
use std::sync::Arc;

use layout::{Brand, BrandError, BrandKit, FieldError, Status};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{READY, kept};
use crate::app::App;
use crate::error::ApiError;

/// The name of the kit that is built in.
pub const STARTER: &str = "starter";
/// Longest kit in TOML, bytes.
const MAX_TOML: usize = 1 << 20;

/// The rules of a kit as somebody sends them: one of both.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// The kit: `name`, `prompt_words`, `negative`, `colours` (`role`, `value`, `tolerance`), `fonts` (`role`, `family`, `weight`, `files`),
    /// `logos` (`name`, `file`, `clear_space`, `min_width`, `backgrounds`, `corner`). Version and status are counted by the server.
    #[schema(value_type = Option<Object>)]
    pub kit: Option<Value>,
    /// The kit as TOML.
    pub toml: Option<String>,
}

/// What a kit lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct KitFinding {
    /// The field that names it, as in `fonts[0].files[1]`.
    pub field: String,
    /// What is missing or wrong.
    pub message: String,
}

impl Rules {
    /// Reads and checks the rules; they get the number of a version.
    pub fn read(self, version: u32) -> Result<BrandKit, ApiError> {
        let mut kit = match (self.kit, self.toml) {
            (Some(kit), None) => from_json(kit)?,
            (None, Some(text)) => from_toml(&text)?,
            _ => return Err(ApiError::field("kit", "give either kit (JSON) or toml (text)")),
        };
        (kit.version, kit.status) = (version, Status::Draft);
        match kit.errors() {
            errors if errors.is_empty() => Ok(kit),
            errors => Err(wrong("kit", &errors)),
        }
    }
}

/// Several fields in one answer; the first is the one that is named.
fn wrong(prefix: &str, errors: &[FieldError]) -> ApiError {
    let field = errors.first().map_or(prefix.to_owned(), |error| format!("{prefix}.{}", error.field));
    let more: Vec<String> = errors.iter().skip(1).take(20).map(|error| format!("; {prefix}.{error}")).collect();
    let first = errors.first().map_or("", |error| error.message.as_str());
    ApiError::field(&field, format!("{first}{}", more.concat()))
}

fn from_json(mut kit: Value) -> Result<BrandKit, ApiError> {
    let Some(fields) = kit.as_object_mut() else {
        return Err(ApiError::field("kit", "must be an object with name, colours, fonts, logos"));
    };
    for (field, usual) in [("schema", json!(1)), ("version", json!(1))] {
        fields.entry(field).or_insert(usual);
    }
    serde_path_to_error::deserialize(kit).map_err(|error| {
        let path = error.path().to_string();
        let field = if ["", ".", "?"].contains(&path.as_str()) { "kit".into() } else { format!("kit.{path}") };
        let message: String = error.inner().to_string().chars().take(300).collect();
        ApiError::field(&field, message)
    })
}

fn from_toml(text: &str) -> Result<BrandKit, ApiError> {
    if text.len() > MAX_TOML {
        return Err(ApiError::field("toml", format!("has {} bytes; at most {MAX_TOML} are accepted", text.len())));
    }
    toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        let line = line.map_or(String::new(), |line| format!("line {line}: "));
        let message: String = error.message().chars().take(300).collect();
        ApiError::field("toml", format!("{line}{message}"))
    })
}

/// What is wrong with a brand, by its field.
pub fn kit_error(error: BrandError) -> ApiError {
    let message = error.to_string();
    match error {
        BrandError::Invalid(errors) => wrong("kit", &errors),
        BrandError::File { field, .. }
        | BrandError::Font { field, .. }
        | BrandError::Family { field, .. }
        | BrandError::Logo { field, .. }
        | BrandError::Size { field, .. } => ApiError::field(&format!("kit.{field}"), message),
        BrandError::Toml(_) => ApiError::field("kit", message),
    }
}

/// A kit that can be used.
pub struct Ready {
    /// Its id; none for the built-in one, or one from a file.
    pub id: Option<String>,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// The kit with its files, and what it lacks.
    pub usable: Arc<Usable>,
}

/// A kit with its files.
pub struct Usable {
    /// The kit with those of its files that can be used.
    pub brand: Brand,
    /// What it lacks.
    pub findings: Vec<KitFinding>,
}

/// A kit by name or id (the built-in one if there is none), in a version (by default the newest published one, or else the
/// newest); `draft` are rules that are not kept yet, with the files of the shelf. Blocks.
pub fn ready(app: &App, kit: Option<&str>, version: Option<u32>, draft: Option<Value>) -> Result<Ready, ApiError> {
    let found = match kit {
        None => None,
        Some(name) => match app.store.find_kit(name) {
            Err(store::StoreError::Unknown { .. }) if name == STARTER => None,
            found => Some(found.map_err(|error| ApiError::field("kit", error.to_string()))?),
        },
    };
    let Some(found) = found else {
        let rules = match draft {
            Some(draft) => Rules { kit: Some(draft), toml: None }.read(1).map_err(as_draft)?,
            None => BrandKit::starter(),
        };
        let usable = usable(rules, &BTreeMap::new(), &|_| Ok(Vec::new()))?;
        return Ok(Ready { id: None, name: usable.brand.kit().name.clone(), version: 1, usable: Arc::new(usable) });
    };
    let (rules, number, shelf) = match draft {
        Some(draft) => {
            let rules = Rules { kit: Some(draft), toml: None }.read(found.newest + 1).map_err(as_draft)?;
            (rules, found.newest + 1, 0)
        }
        None => {
            let number = version.or(found.published).unwrap_or(found.newest);
            let kept = app.store.kit_version(&found.id, number);
            let kept = kept.map_err(|error| ApiError::field("kit_version", error.to_string()))?;
            let mut rules: BrandKit = serde_json::from_str(&kept.rules).map_err(ApiError::internal)?;
            rules.version = number;
            if kept.published_ms.is_some() {
                rules.status = Status::Published;
            }
            (rules, number, number)
        }
    };
    let files: BTreeMap<String, String> =
        app.store.kit_files(&found.id, shelf)?.into_iter().map(|file| (file.name, file.sha256)).collect();
    let key = format!("{} {files:?}", serde_json::to_string(&rules).map_err(ApiError::internal)?);
    let usable =
        kept(&app.brands.brands, READY, &key, || usable(rules, &files, &|sha256| Ok(app.store.kit_blob(sha256)?)))?;
    Ok(Ready { id: Some(found.id), name: found.name, version: number, usable })
}

/// Errors in a draft are told with the field of the request.
fn as_draft(error: ApiError) -> ApiError {
    let field = error.field.as_deref().unwrap_or("kit");
    ApiError { field: Some(field.replacen("kit", "draft", 1)), ..error }
}

/// Bytes of a file by its digest.
type Read<'a> = dyn Fn(&str) -> Result<Vec<u8>, ApiError> + 'a;

/// A kit with those of its files that can be used; `files` are digests by name.
pub fn usable(kit: BrandKit, files: &BTreeMap<String, String>, read: &Read) -> Result<Usable, ApiError> {
    let (kit, findings) = trimmed(kit, files, read)?;
    let by_name = |name: &str| {
        let sha256 = files.get(name).ok_or(std::io::ErrorKind::NotFound)?;
        read(sha256).map_err(|error| std::io::Error::other(error.message))
    };
    Ok(Usable { brand: Brand::new(kit, &by_name).map_err(kit_error)?, findings })
}

/// The kit without the files that are missing or cannot be used, and which they are.
fn trimmed(
    mut kit: BrandKit,
    files: &BTreeMap<String, String>,
    read: &Read,
) -> Result<(BrandKit, Vec<KitFinding>), ApiError> {
    let mut findings = Vec::new();
    let mut lacks = |field: String, message: String| findings.push(KitFinding { field, message });
    for (i, rule) in kit.fonts.iter_mut().enumerate() {
        let mut families = Vec::new();
        let mut usable = Vec::new();
        for (j, file) in rule.files.iter().enumerate() {
            let field = format!("fonts[{i}].files[{j}]");
            let Some(sha256) = files.get(file) else {
                lacks(field, format!("`{file}` was not uploaded"));
                continue;
            };
            let found = layout::families(&read(sha256)?);
            if found.is_empty() {
                lacks(field, format!("`{file}` is no TrueType or OpenType font"));
            } else {
                families.extend(found);
                usable.push(file.clone());
            }
        }
        if !usable.is_empty() && !families.contains(&rule.family) {
            let message = format!("the files hold no family `{}`; found: {}", rule.family, families.join(", "));
            lacks(format!("fonts[{i}].family"), message);
            usable.clear();
        } else if rule.files.is_empty() && rule.family != layout::BUILT_IN_FAMILY {
            lacks(format!("fonts[{i}].files"), format!("no file is named for the family `{}`", rule.family));
        }
        rule.files = usable;
    }
    let mut usable = Vec::new();
    for (i, rule) in std::mem::take(&mut kit.logos).into_iter().enumerate() {
        let field = format!("logos[{i}].file");
        match files.get(&rule.file) {
            None => lacks(field, format!("`{}` was not uploaded", rule.file)),
            Some(sha256) => match formats::picture::decode(&read(sha256)?) {
                Ok(_) => usable.push(rule),
                Err(error) => lacks(field, format!("`{}`: {error}", rule.file)),
            },
        }
    }
    kit.logos = usable;
    Ok((kit, findings))
}

/// A kit from a TOML file with its fonts and logos beside it. Blocks.
pub fn brand_from_file(path: &std::path::Path) -> Result<Ready, ApiError> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| ApiError::field("kit", format!("{shown}: {error}")))?;
    let refused = |error: ApiError| {
        let field = error.field.clone().unwrap_or_default();
        ApiError::field("kit", format!("{shown}: {field}: {}", error.message))
    };
    let rules = from_toml(&text).map_err(refused)?;
    let folder = path.parent().unwrap_or(std::path::Path::new("."));
    let beside = |name: &str| {
        let plain = std::path::Path::new(name).file_name().is_some_and(|file| file == name);
        if plain { std::fs::read(folder.join(name)) } else { Err(std::io::ErrorKind::NotFound.into()) }
    };
    let brand = Brand::new(rules, &beside).map_err(kit_error).map_err(refused)?;
    let (name, version) = (brand.kit().name.clone(), brand.kit().version);
    Ok(Ready { id: None, name, version, usable: Arc::new(Usable { brand, findings: Vec::new() }) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(kit: Value) -> String {
        Rules { kit: Some(kit), toml: None }.read(1).unwrap_err().field.unwrap()
    }

    #[test]
    fn mistakes_are_named_by_field_and_line() {
        assert_eq!(field(json!({"name": "A", "colours": [{"role": "text", "value": "blue"}]})), "kit.colours[0].value");
        assert_eq!(field(json!({"name": "A", "colour": []})), "kit.colour");
        assert_eq!(field(json!({"name": " "})), "kit.name");
        assert_eq!(
            field(json!({"name": "A", "fonts": [{"role": "body", "family": "X", "weight": 5}]})),
            "kit.fonts[0].weight"
        );
        assert_eq!(field(json!([])), "kit");
        let toml = |text: &str| Rules { kit: None, toml: Some(text.into()) }.read(1).unwrap_err();
        let error = toml("schema = 1\nname = \"A\"\n[[colours]]\nrole = \"text\"\nvalue = \"blue\"\n");
        assert_eq!(error.field.as_deref(), Some("toml"));
        assert!(error.message.starts_with("line 5: "), "{}", error.message);
        assert!(Rules::default().read(1).is_err());
    }

    #[test]
    fn what_is_missing_is_a_finding_and_the_rest_works() {
        let kit = json!({"name": "A", "fonts": [
            {"role": "headline", "family": "Gone", "files": ["gone.ttf"]}, {"role": "body", "family": "Nowhere"}],
            "logos": [{"name": "main", "file": "logo.png"}, {"name": "main-2", "file": "bad.png"}]});
        let kit = Rules { kit: Some(kit), toml: None }.read(3).unwrap();
        let files = BTreeMap::from([("bad.png".to_owned(), "x".to_owned())]);
        let usable = usable(kit, &files, &|_| Ok(vec![1, 2, 3])).unwrap();
        let fields: Vec<&str> = usable.findings.iter().map(|finding| finding.field.as_str()).collect();
        assert_eq!(fields, ["fonts[0].files[0]", "fonts[1].files", "logos[0].file", "logos[1].file"]);
        assert_eq!((usable.brand.kit().version, usable.brand.kit().logos.len()), (3, 0));
    }
}
