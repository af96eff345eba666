//! What pictures show: names, keywords and subjects of emoji code points (from the package `emojibase-data`)
//! and of icons (from their file names).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::error::{DataError, io};
use crate::words;

/// What a picture shows, in words.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Names {
    /// The thing, without article: "dog face".
    pub(crate) noun: String,
    /// Other nouns people use for it: "dog".
    pub(crate) aliases: Vec<String>,
    /// Further words that fit: "pet", "animal".
    pub(crate) keywords: Vec<String>,
    /// What distinguishes near duplicates: "with dark skin".
    pub(crate) detail: Option<String>,
    /// The name splits are made by; the same in all sources.
    pub(crate) concept: String,
    /// Subject: "animals", "people", "flags" and so on.
    pub(crate) group: String,
    /// Whether the picture is one of many near duplicates of `concept` (skin tones, clock faces).
    pub(crate) variant: bool,
}

impl Names {
    /// Subjects that may be recoloured, counted and arranged without becoming untrue or odd.
    pub(crate) fn free(&self) -> bool {
        matches!(
            self.group.as_str(),
            "animals" | "food" | "plants" | "travel" | "activities" | "objects" | "hearts" | "icons" | "clip art"
        )
    }
}

#[derive(Debug, Deserialize)]
struct Entry {
    label: String,
    hexcode: String,
    #[serde(default)]
    tags: Vec<String>,
    group: Option<u32>,
    subgroup: Option<u32>,
    #[serde(default)]
    skins: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Groups {
    subgroups: HashMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Codes {
    One(String),
    Many(Vec<String>),
}

/// Emoji names by code point, and the ways icon sets spell them.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    /// By code points: lower-case hexadecimal joined with `-`, without `fe0f`.
    by_code: HashMap<String, Names>,
    /// Code by name in lower-case letters and digits only ("dogface").
    by_name: HashMap<String, String>,
    /// Concept by noun or alias, for icons named after the same things.
    concepts: BTreeMap<String, String>,
    /// Words of all labels and tags: plain English for things.
    vocabulary: BTreeSet<String>,
    /// Further words that names of icons may have.
    icon_words: BTreeSet<String>,
}

/// Natural names that the label data lacks.
const ALIASES: &[(&str, &[&str])] = &[
    ("automobile", &["car"]),
    ("oncoming automobile", &["car seen from the front"]),
    ("sport utility vehicle", &["suv", "car"]),
    ("soccer ball", &["football"]),
    ("honeybee", &["bee"]),
    ("lady beetle", &["ladybug", "ladybird"]),
    ("doughnut", &["donut"]),
    ("hamburger", &["burger"]),
    ("t-rex", &["dinosaur", "tyrannosaurus"]),
    ("sauropod", &["dinosaur", "long-necked dinosaur"]),
    ("mobile phone", &["smartphone", "phone"]),
    ("optical disk", &["cd"]),
    ("hot beverage", &["cup of coffee", "cup of tea"]),
    ("french fries", &["fries", "chips"]),
    ("evergreen tree", &["pine tree", "fir tree"]),
    ("deciduous tree", &["tree"]),
    ("television", &["tv"]),
    ("bullseye", &["target", "dartboard"]),
    ("wrapped gift", &["gift", "present"]),
    ("light bulb", &["lightbulb", "lamp"]),
    ("jack-o-lantern", &["halloween pumpkin", "carved pumpkin"]),
    ("pile of poo", &["poop"]),
    ("flying saucer", &["ufo"]),
    ("eggplant", &["aubergine"]),
    ("spouting whale", &["whale"]),
    ("ear of corn", &["corn cob"]),
    ("hot pepper", &["chili pepper"]),
    ("meat on bone", &["piece of meat"]),
    ("poultry leg", &["chicken leg"]),
    ("baguette bread", &["baguette"]),
    ("cheese wedge", &["piece of cheese"]),
    ("steaming bowl", &["bowl of noodles"]),
    ("soft ice cream", &["ice cream cone"]),
    ("bottle with popping cork", &["champagne bottle"]),
    ("snow-capped mountain", &["snowy mountain"]),
    ("national park", &["landscape"]),
    ("locomotive", &["steam train", "steam locomotive"]),
    ("passenger ship", &["cruise ship"]),
    ("sparkles", &["stars"]),
    ("glowing star", &["shining star"]),
    ("crescent moon", &["moon"]),
    ("high voltage", &["lightning bolt"]),
    ("cyclone", &["spiral"]),
    ("artist palette", &["paint palette"]),
    ("game die", &["dice"]),
    ("video game", &["game controller"]),
    ("crown", &["king's crown"]),
    ("running shoe", &["sneaker"]),
    ("high-heeled shoe", &["high heel"]),
    ("gem stone", &["diamond"]),
    ("laptop", &["laptop computer"]),
    ("magnifying glass tilted left", &["magnifying glass"]),
    ("magnifying glass tilted right", &["magnifying glass"]),
    ("closed book", &["book"]),
    ("carpentry saw", &["saw"]),
    ("teddy bear", &["toy bear"]),
    ("kick scooter", &["scooter"]),
    ("motor scooter", &["moped"]),
    ("house with garden", &["house with a tree"]),
    ("derelict house", &["abandoned house"]),
    ("bust in silhouette", &["user"]),
    ("red heart", &["heart"]),
    ("collision", &["explosion"]),
    ("droplet", &["drop of water"]),
    ("water wave", &["wave"]),
    ("grinning face", &["smiley face", "happy face"]),
    ("slightly smiling face", &["smiley face", "smiling face"]),
    ("smiling face with smiling eyes", &["happy face", "happy smiling face"]),
    ("smiling face", &["smiley face"]),
    ("slightly frowning face", &["sad face"]),
    ("frowning face", &["sad face"]),
    ("disappointed face", &["sad face"]),
    ("crying face", &["sad crying face"]),
    ("face with tears of joy", &["laughing face", "laughing crying face"]),
    ("grinning squinting face", &["laughing face"]),
    ("rolling on the floor laughing", &["laughing face"]),
    ("smiling face with sunglasses", &["cool face with sunglasses", "face with sunglasses"]),
    ("smiling face with heart-eyes", &["face with heart eyes", "face in love"]),
    ("angry face", &["mad face"]),
    ("enraged face", &["very angry face"]),
    ("face blowing a kiss", &["kissing face with a heart"]),
    ("face with open mouth", &["surprised face"]),
    ("astonished face", &["surprised face", "shocked face"]),
    ("face screaming in fear", &["scared face", "screaming face"]),
    ("nauseated face", &["sick face"]),
    ("hot face", &["sweating face"]),
    ("cold face", &["freezing face"]),
    ("sleeping face", &["face asleep"]),
    ("partying face", &["party face with a hat"]),
    ("nerd face", &["face with glasses"]),
    ("exploding head", &["face with exploding head"]),
    ("smiling face with horns", &["smiling devil face"]),
    ("angry face with horns", &["devil face"]),
    ("smiling face with halo", &["angel face"]),
    ("grinning cat", &["smiling cat face", "happy cat"]),
    ("grinning cat with smiling eyes", &["smiling cat face"]),
    ("smiling cat with heart-eyes", &["cat face with heart eyes", "cat in love"]),
    ("crying cat", &["sad cat"]),
    ("pouting cat", &["angry cat"]),
    ("two-hump camel", &["camel"]),
    ("baby chick", &["chick"]),
    ("hatching chick", &["chick in an egg"]),
    ("panda", &["panda bear"]),
    ("polar bear", &["arctic bear"]),
    ("sun", &["shining sun"]),
    ("cloud with rain", &["rain cloud"]),
    ("cloud with lightning", &["thunder cloud"]),
    ("cloud with snow", &["snow cloud"]),
    ("umbrella with rain drops", &["umbrella in the rain"]),
    ("house", &["home"]),
    ("castle", &["palace"]),
    ("bicycle", &["bike"]),
    ("motorcycle", &["motorbike"]),
    ("airplane", &["plane", "aeroplane"]),
    ("delivery truck", &["truck", "lorry"]),
    ("fire engine", &["fire truck"]),
    ("pickup truck", &["truck"]),
    ("ship", &["boat"]),
    ("sailboat", &["sailing boat"]),
    ("kitchen knife", &["knife"]),
    ("couch and lamp", &["sofa and a lamp"]),
    ("telephone receiver", &["phone receiver"]),
    ("alarm clock", &["clock"]),
    ("tear-off calendar", &["calendar"]),
    ("fountain pen", &["pen"]),
    ("money bag", &["sack of money"]),
    ("dollar banknote", &["dollar bill"]),
    ("glass of milk", &["milk glass"]),
    ("beer mug", &["mug of beer"]),
    ("wine glass", &["glass of wine"]),
    ("cocktail glass", &["cocktail", "martini"]),
    ("slice of pizza", &["pizza"]),
    ("pizza", &["slice of pizza"]),
    ("birthday cake", &["cake with candles"]),
    ("shortcake", &["slice of cake"]),
    ("dog face", &["dog", "puppy"]),
    ("cat face", &["cat", "kitten"]),
    ("pig face", &["pig"]),
    ("rabbit face", &["rabbit", "bunny"]),
    ("mouse face", &["mouse"]),
    ("cow face", &["cow"]),
    ("horse face", &["horse"]),
    ("tiger face", &["tiger"]),
    ("monkey face", &["monkey"]),
    ("dragon face", &["dragon"]),
];

impl Labels {
    /// Reads `emojibase-data` from its package folder.
    pub(crate) fn read(package: &Path) -> Result<Self, DataError> {
        let entries: Vec<Entry> = json(&package.join("en/data.json"))?;
        let groups: Groups = json(&package.join("meta/groups.json"))?;
        let unicode: HashMap<String, String> = json(&package.join("meta/unicode-names.json"))?;
        let mut shortcodes: HashMap<String, Vec<String>> = HashMap::new();
        for set in ["github", "emojibase", "iamcal", "joypixels"] {
            let map: HashMap<String, Codes> = json(&package.join(format!("en/shortcodes/{set}.json")))?;
            for (code, names) in map {
                let names = match names {
                    Codes::One(name) => vec![name],
                    Codes::Many(names) => names,
                };
                shortcodes.entry(normal_code(&code)).or_default().extend(names);
            }
        }
        let mut labels = Labels::default();
        for entry in &entries {
            let subgroup = entry.subgroup.and_then(|s| groups.subgroups.get(&s.to_string())).map_or("", String::as_str);
            let Some(group) = entry.group else { continue };
            for text in entry.tags.iter().chain([&entry.label]) {
                let lower = text.to_lowercase();
                let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|w| w.len() > 1);
                labels.vocabulary.extend(words.map(str::to_owned));
            }
            let code = normal_code(&entry.hexcode);
            let codes = shortcodes.get(&code).map_or(&[][..], Vec::as_slice);
            let names = names(&entry.label, &entry.tags, codes, group, subgroup);
            for skin in &entry.skins {
                let mut toned = self::names(&skin.label, &entry.tags, codes, group, subgroup);
                toned.variant = true;
                let code = normal_code(&skin.hexcode);
                labels.by_name.entry(compact(&skin.label)).or_insert_with(|| code.clone());
                labels.by_code.insert(code, toned);
            }
            labels.by_name.insert(compact(&entry.label), code.clone());
            if let Some(name) = unicode.get(&entry.hexcode) {
                labels.by_name.entry(compact(name)).or_insert_with(|| code.clone());
            }
            if names.free() {
                for name in std::iter::once(&names.noun).chain(&names.aliases) {
                    labels.concepts.entry(name.clone()).or_insert_with(|| names.concept.clone());
                }
            }
            labels.by_code.insert(code, names);
        }
        let mut spare: Vec<(String, String)> = Vec::new();
        for (code, names) in &shortcodes {
            if labels.by_code.contains_key(code) {
                spare.extend(names.iter().map(|name| (compact(name), code.clone())));
            }
        }
        spare.sort();
        for (name, code) in spare {
            labels.by_name.entry(name).or_insert(code);
        }
        Ok(labels)
    }

    /// Adds the spellings of an icon set: pairs of code point and name.
    pub(crate) fn add_spellings(&mut self, pairs: impl IntoIterator<Item = (String, String)>) {
        for (code, name) in pairs {
            let code = normal_code(&code);
            if self.by_code.contains_key(&code) {
                self.by_name.entry(compact(&name)).or_insert(code);
            }
        }
    }

    /// Lets names of icons have further words.
    pub(crate) fn add_icon_words(&mut self, words: &[String]) {
        self.icon_words.extend(words.iter().cloned());
    }

    /// Names by code points ("1f436", "1F3C3-200D-2642-FE0F").
    pub(crate) fn by_code(&self, code: &str) -> Option<&Names> {
        self.by_code.get(&normal_code(code))
    }

    /// Names by an icon set's name for an emoji ("dog-face").
    pub(crate) fn by_name(&self, name: &str) -> Option<&Names> {
        self.by_code.get(self.by_name.get(&compact(name))?)
    }

    /// The concept of a noun: the emoji's, where an emoji shows the same thing.
    pub(crate) fn concept(&self, noun: &str) -> String {
        self.concepts.get(noun).cloned().unwrap_or_else(|| concept(noun, ""))
    }

    /// Whether an emoji shows the thing with this noun.
    pub(crate) fn shows(&self, noun: &str) -> bool {
        self.concepts.contains_key(noun)
    }

    /// Whether a word, or its singular or plural, is used of emoji.
    pub(crate) fn knows(&self, word: &str) -> bool {
        let has = |w: &str| self.vocabulary.contains(w);
        has(word)
            || has(&format!("{word}s"))
            || word.strip_suffix("es").is_some_and(has)
            || word.strip_suffix('s').is_some_and(has)
    }

    /// Whether a word in the name of an icon is plain English for things.
    pub(crate) fn knows_of_icons(&self, word: &str) -> bool {
        self.knows(word) || self.icon_words.contains(word)
    }

    /// Keywords of the emoji that shows `noun`, if there is one.
    pub(crate) fn keywords(&self, noun: &str) -> Vec<String> {
        self.by_name(noun).filter(|n| n.free()).map(|n| n.keywords.clone()).unwrap_or_default()
    }
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, DataError> {
    let bytes = fs::read(path).map_err(io(path))?;
    serde_json::from_slice(&bytes).map_err(|e| DataError::Malformed { path: path.to_owned(), reason: e.to_string() })
}

/// Lower-case code points without variation selectors.
pub(crate) fn normal_code(code: &str) -> String {
    code.to_lowercase().split('-').filter(|part| *part != "fe0f").collect::<Vec<_>>().join("-")
}

fn compact(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn names(label: &str, tags: &[String], codes: &[String], group: u32, subgroup: &str) -> Names {
    let subject = match (group, subgroup) {
        (0, "heart") => "hearts",
        (0, "emotion") => "symbols",
        (0, "face-costume") => "activities",
        (0, "cat-face" | "monkey-face") => "animals",
        (0, _) => "faces",
        (1, "body-parts") => "body",
        (1, s) if s.starts_with("hand") => "hands",
        (1 | 2, _) => "people",
        (3, s) if s.starts_with("plant") => "plants",
        (3, _) => "animals",
        (4, _) => "food",
        (5, "time") if label.contains("o’clock") || label.ends_with("-thirty") => "clocks",
        (5, _) => "travel",
        (6, _) => "activities",
        (7, _) => "objects",
        (9, _) => "flags",
        _ => "symbols",
    };
    let (noun, detail, variant) = noun(label, subject, subgroup);
    let concept = match subject {
        "clocks" => "clock face".to_owned(),
        "people" if subgroup == "family" || noun.starts_with("family") => "family and couples".to_owned(),
        _ => concept(&noun, subject),
    };
    let mut aliases: Vec<String> = Vec::new();
    if let Some((_, more)) = ALIASES.iter().find(|(name, _)| *name == noun) {
        aliases.extend(more.iter().map(|a| (*a).to_owned()));
    }
    if let Some(country) = noun.strip_prefix("flag of ") {
        aliases.push(format!("{country} flag"));
    }
    let counts_as_noun = matches!(subject, "animals" | "plants" | "food" | "travel" | "activities" | "objects");
    for code in codes {
        let alias = code.replace(['_', '-'], " ");
        let fits = alias.len() >= 3
            && alias.chars().all(|c| c.is_ascii_lowercase() || c == ' ')
            && tags.contains(&alias)
            && alias != noun
            && (!noun.starts_with(&alias) || noun.ends_with(" face"))
            && !words::names_colour(&alias)
            && !alias.ends_with("ing");
        if counts_as_noun && fits && aliases.len() < 2 && !aliases.contains(&alias) {
            aliases.push(alias);
        }
    }
    let keywords = tags
        .iter()
        .map(|t| t.to_lowercase())
        .filter(|t| {
            t.len() >= 3
                && t.chars().all(|c| c.is_ascii_lowercase() || c == ' ')
                && !words::names_colour(t)
                && *t != noun
                && !SLANG.contains(&t.as_str())
        })
        .collect();
    Names { noun, aliases, keywords, detail, concept, group: subject.to_owned(), variant }
}

/// Tags of chat language that describe no picture.
const SLANG: &[&str] = &[
    "cya", "gtg", "ttfn", "ttyl", "outtie", "brb", "lol", "lmao", "omg", "rofl", "adorbs", "bff", "bae", "fam", "goat",
    "idk", "imo", "jk", "nvm", "smh", "thx", "tbh", "wtf", "yolo", "you", "hey", "hmm", "yum", "nope", "yep", "yeah",
    "haha",
];

/// The noun of a label, what distinguishes it from its near duplicates, and whether it has such.
fn noun(label: &str, subject: &str, subgroup: &str) -> (String, Option<String>, bool) {
    let plain = label.to_lowercase().replace(['“', '”'], "").replace('’', "'");
    let plain = plain.split(" (").next().unwrap_or_default().trim().to_owned();
    match subject {
        "flags" if plain.starts_with("flag: ") => {
            let country = &plain["flag: ".len()..];
            return (format!("flag of {country}"), None, false);
        }
        "clocks" => return (format!("clock showing {}", plain.replace('-', " ")), None, true),
        "symbols" if subgroup == "zodiac" => return (format!("zodiac sign {plain}"), None, false),
        "symbols" if plain.starts_with("keycap: ") => {
            return (format!("keycap button with {}", &plain["keycap: ".len()..]), None, true);
        }
        _ => {}
    }
    let Some((head, rest)) = plain.split_once(": ") else { return (plain, None, false) };
    let (mut tones, mut traits, mut members) = (Vec::new(), Vec::new(), Vec::new());
    for part in rest.split(", ") {
        match part {
            "bald" => traits.push("with a bald head".to_owned()),
            "beard" => traits.push("with a beard".to_owned()),
            _ if part.ends_with("skin tone") => {
                tones.push(format!("with {} skin", part.trim_end_matches(" skin tone")))
            }
            _ if part.ends_with("hair") => traits.push(format!("with {part}")),
            _ if part.starts_with("facing") => traits.push(part.to_owned()),
            _ => members.push(part.to_owned()),
        }
    }
    let mut noun = match head {
        "family" if !members.is_empty() => format!("family with {}", list(&members)),
        "kiss" if !members.is_empty() => format!("kissing couple, {}", list(&members)),
        _ if !members.is_empty() => format!("{head}, {}", list(&members)),
        _ => head.to_owned(),
    };
    for feature in traits {
        noun = format!("{noun} {feature}");
    }
    let detail = (tones.len() == 1).then(|| tones[0].clone());
    let variant = !tones.is_empty() || !members.is_empty();
    (noun, detail, variant)
}

fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// The name splits are made by: without colours, without the person's gender, an animal's face as the animal.
pub(crate) fn concept(noun: &str, subject: &str) -> String {
    let mut name = noun;
    if subject == "people" {
        for prefix in [
            "man in ",
            "woman in ",
            "person in ",
            "man with ",
            "woman with ",
            "person with ",
            "man ",
            "woman ",
            "person ",
            "men ",
            "women ",
            "people ",
        ] {
            if let Some(rest) = name.strip_prefix(prefix) {
                name = rest;
                break;
            }
        }
        return name.to_owned();
    }
    if subject == "animals" {
        name = name.strip_suffix(" face").unwrap_or(name);
    }
    words::without_colour(name).unwrap_or_else(|| name.to_owned())
}

/// Names of an icon or clip-art file: `"car-profile"` gives "car profile". `None` for names that are no words.
pub(crate) fn icon(labels: &Labels, name: &str, group: &str) -> Option<Names> {
    let noun = name.replace(['-', '_'], " ").to_lowercase();
    let noun = noun.split_whitespace().collect::<Vec<_>>().join(" ");
    if noun.len() < 3 || noun.chars().any(|c| !(c.is_ascii_lowercase() || c == ' ' || c == '\'')) {
        return None;
    }
    Some(Names {
        concept: labels.concept(&noun),
        keywords: labels.keywords(&noun),
        group: group.to_owned(),
        noun,
        ..Names::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(label: &str, group: u32, subgroup: &str) -> Names {
        names(label, &[], &[], group, subgroup)
    }

    #[test]
    fn labels_become_nouns() {
        let toned = parse("waving hand: medium-dark skin tone", 1, "hand-fingers-open");
        assert_eq!((toned.noun.as_str(), toned.detail.as_deref()), ("waving hand", Some("with medium-dark skin")));
        assert_eq!(parse("man: red hair", 1, "person").noun, "man with red hair");
        assert_eq!(parse("flag: Germany", 9, "country-flag").noun, "flag of germany");
        assert_eq!(parse("one o’clock", 5, "time").noun, "clock showing one o'clock");
        assert_eq!(parse("family: man, woman, boy", 1, "family").noun, "family with man, woman and boy");
        assert_eq!(parse("A button (blood type)", 8, "alphanum").noun, "a button");
    }

    #[test]
    fn one_concept_for_the_same_thing() {
        assert_eq!(
            parse("woman running", 1, "person-activity").concept,
            parse("man running", 1, "person-activity").concept
        );
        assert_eq!(parse("dog face", 3, "animal-mammal").concept, "dog");
        assert_eq!(parse("green book", 7, "book-paper").concept, "book");
        assert_eq!(parse("three-thirty", 5, "time").concept, "clock face");
    }

    #[test]
    fn tags_and_codes_become_aliases() {
        let tags = ["car", "driving", "vehicle"].map(String::from);
        let codes = ["car", "red_car"].map(String::from);
        let names = names("automobile", &tags, &codes, 5, "transport-ground");
        assert_eq!(names.aliases, ["car"]);
        assert_eq!(names.keywords, ["car", "driving", "vehicle"]);
    }
}
