//! Small English: articles, plurals, colour words. Enough to write captions that read naturally; rules first,
//! then short lists of exceptions.

/// Names of colours that captions use, as [`crate::colour::PALETTE`] measures them.
pub(crate) const COLOUR_WORDS: &[&str] = &[
    "red",
    "orange",
    "yellow",
    "green",
    "blue",
    "purple",
    "pink",
    "brown",
    "black",
    "white",
    "gray",
    "grey",
    "teal",
    "turquoise",
    "magenta",
    "beige",
    "navy",
    "light",
    "dark",
    "golden",
    "silver",
];

const NO_ARTICLE: &[&str] = &[
    "bread",
    "rice",
    "bacon",
    "broccoli",
    "garlic",
    "spaghetti",
    "sushi",
    "oden",
    "honey",
    "fire",
    "water",
    "lightning",
    "fog",
    "wood",
    "coral",
    "yarn",
    "thread",
    "money",
    "confetti",
    "soap",
    "milk",
    "butter",
    "custard",
    "sake",
    "ice",
    "snow",
    "hockey",
    "tennis",
    "bowling",
    "lacrosse",
    "camping",
    "corn",
    "ginger",
    "sand",
    "rain",
    "dna",
    "mail",
    "music",
    "wind",
    "weather",
    "hail",
    "grass",
    "cotton",
    "food",
    "luggage",
    "jewelry",
    "pizza slices",
    "wheat",
    "foggy",
    "dust",
    "smoke",
    "paint",
    "art",
    "golf",
    "basketball gear",
    "chess",
    "traffic",
    "equipment",
    "software",
];

const PROPER: &[&str] = &[
    "santa claus",
    "mrs. claus",
    "mx claus",
    "mount fuji",
    "saturn",
    "mars",
    "jupiter",
    "neptune",
    "uranus",
    "mercury",
    "venus",
    "saint nicholas",
];

const SINGULAR_S: &[&str] = &[
    "bus",
    "minibus",
    "trolleybus",
    "lotus",
    "cactus",
    "octopus",
    "hibiscus",
    "christmas",
    "atlas",
    "gas",
    "lens",
    "tennis",
    "walrus",
    "virus",
    "platypus",
    "campus",
    "circus",
    "canvas",
    "hippopotamus",
    "iris",
    "abacus",
    "rhinoceros",
    "crocus",
    "narcissus",
    "chess",
    "dumbbells press",
    "stegosaurus",
    "brontosaurus",
    "asparagus",
    "plus",
    "minus",
    "omnibus",
    "genius",
    "radius",
    "anubis",
    "penis",
    "oasis",
    "basis",
    "apparatus",
    "locus",
    "citrus",
    "papyrus",
    "news",
];

const PLURALS: &[&str] =
    &["people", "men", "women", "children", "feet", "teeth", "mice", "geese", "sheaves", "leaves", "wolves", "knives"];

/// Words after which a noun phrase's head has ended.
const ENDS_HEAD: &[&str] = &[
    "with",
    "without",
    "of",
    "on",
    "in",
    "over",
    "under",
    "for",
    "at",
    "from",
    "to",
    "by",
    "and",
    "showing",
    "holding",
    "facing",
    "blowing",
    "savoring",
    "exhaling",
    "vomiting",
    "pointing",
    "falling",
    "fluttering",
    "wearing",
    "carrying",
];

/// The word that decides number and article: `"house with garden"` gives `"house"`.
pub(crate) fn head(noun: &str) -> &str {
    let words: Vec<&str> = noun.split(' ').collect();
    let end = words.iter().skip(1).position(|word| ENDS_HEAD.contains(word)).map_or(words.len(), |at| at + 1);
    words[end - 1]
}

/// Whether the noun phrase is a plural.
pub(crate) fn is_plural(noun: &str) -> bool {
    let head = head(noun);
    if noun.contains(" and ") && !noun.contains(" with ") {
        return true;
    }
    PLURALS.contains(&head)
        || (head.ends_with('s')
            && !head.ends_with("ss")
            && !head.ends_with("'s")
            && !head.ends_with("’s")
            && !SINGULAR_S.contains(&head))
}

/// Whether the noun can be counted: "three cars", but not "three rices".
pub(crate) fn is_countable(noun: &str) -> bool {
    !is_plural(noun) && !NO_ARTICLE.contains(&head(noun)) && !PROPER.contains(&noun) && !noun.starts_with("the ")
}

/// The noun with its article: "an apple", "glasses", "the zodiac sign aries".
pub(crate) fn with_article(noun: &str) -> String {
    if noun.is_empty() || noun.starts_with("the ") || noun.starts_with("a ") || noun.starts_with("an ") {
        return noun.to_owned();
    }
    // An adjective in front does not make a mass noun countable, so the bare head decides.
    if is_plural(noun) || NO_ARTICLE.contains(&head(noun)) || PROPER.contains(&noun) {
        return noun.to_owned();
    }
    format!("{} {noun}", article(noun))
}

/// "a" or "an".
pub(crate) fn article(noun: &str) -> &'static str {
    let an = match noun.chars().next().map(|c| c.to_ascii_lowercase()) {
        Some('a' | 'e' | 'i' | 'o') => !(noun.starts_with("one") || noun.starts_with("eu") || noun.starts_with("ewe")),
        Some('u') => !["uni", "uk", "ufo", "us", "ut", "ur"].iter().any(|p| noun.starts_with(p)),
        Some('h') => noun.starts_with("hour") || noun.starts_with("honest"),
        Some('x') => noun.starts_with("x-ray"),
        _ => false,
    };
    if an { "an" } else { "a" }
}

/// The plural of a countable noun phrase: "slice of pizza" gives "slices of pizza".
pub(crate) fn plural(noun: &str) -> String {
    let head = head(noun);
    let at = noun.find(head).unwrap_or(0);
    // `head` may also occur earlier in the phrase as part of a word; the word boundary decides.
    let at = noun
        .match_indices(head)
        .map(|(i, _)| i)
        .find(|&i| {
            (i == 0 || noun.as_bytes()[i - 1] == b' ')
                && matches!(noun.as_bytes().get(i + head.len()), None | Some(b' '))
        })
        .unwrap_or(at);
    format!("{}{}{}", &noun[..at], plural_word(head), &noun[at + head.len()..])
}

fn plural_word(word: &str) -> String {
    for (one, many) in [
        ("man", "men"),
        ("woman", "women"),
        ("child", "children"),
        ("person", "people"),
        ("mouse", "mice"),
        ("foot", "feet"),
        ("tooth", "teeth"),
        ("goose", "geese"),
        ("leaf", "leaves"),
        ("wolf", "wolves"),
        ("knife", "knives"),
        ("scarf", "scarves"),
        ("shelf", "shelves"),
        ("fish", "fish"),
        ("sheep", "sheep"),
        ("deer", "deer"),
        ("ox", "oxen"),
        ("cactus", "cacti"),
        ("aircraft", "aircraft"),
        ("loaf", "loaves"),
        ("potato", "potatoes"),
        ("tomato", "tomatoes"),
        ("mango", "mangoes"),
        ("die", "dice"),
        ("bison", "bison"),
        ("squid", "squid"),
        ("shrimp", "shrimp"),
        ("calf", "calves"),
        ("hoof", "hooves"),
    ] {
        if word == one || word.ends_with(&format!("-{one}")) {
            return format!("{}{many}", &word[..word.len() - one.len()]);
        }
        if matches!(one, "man" | "woman" | "fish" | "mouse") && word.ends_with(one) && word != "human" {
            return format!("{}{many}", &word[..word.len() - one.len()]);
        }
    }
    let before = word.chars().rev().nth(1).unwrap_or(' ');
    if word.ends_with('y') && !"aeiou".contains(before) {
        format!("{}ies", &word[..word.len() - 1])
    } else if ["s", "x", "z", "ch", "sh"].iter().any(|end| word.ends_with(end)) {
        format!("{word}es")
    } else {
        format!("{word}s")
    }
}

/// The noun without its colour words ("red apple" gives "apple"), if it names a colour and more than that.
pub(crate) fn without_colour(noun: &str) -> Option<String> {
    let words: Vec<&str> = noun.split(' ').collect();
    let rest: Vec<&str> = words.iter().copied().filter(|w| !COLOUR_WORDS.contains(w)).collect();
    // The last word is the thing itself: "orange" is a fruit, "traffic light" a lamp.
    if rest.len() == words.len() || rest.is_empty() || COLOUR_WORDS.contains(words.last()?) {
        return None;
    }
    Some(rest.join(" "))
}

/// Whether the words name a colour anywhere.
pub(crate) fn names_colour(noun: &str) -> bool {
    noun.split([' ', '-']).any(|w| COLOUR_WORDS.contains(&w))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn articles() {
        for (noun, phrase) in [
            ("dog face", "a dog face"),
            ("apple", "an apple"),
            ("umbrella", "an umbrella"),
            ("unicorn", "a unicorn"),
            ("hourglass", "an hourglass"),
            ("grapes", "grapes"),
            ("bus", "a bus"),
            ("house with garden", "a house with garden"),
            ("fish with bones", "a fish with bones"),
            ("fork and knife", "fork and knife"),
            ("cooked rice", "cooked rice"),
            ("santa claus", "santa claus"),
            ("the zodiac sign leo", "the zodiac sign leo"),
        ] {
            assert_eq!(with_article(noun), phrase);
        }
    }

    #[test]
    fn plurals() {
        for (noun, many) in [
            ("apple", "apples"),
            ("berry", "berries"),
            ("boy", "boys"),
            ("fox", "foxes"),
            ("snowman", "snowmen"),
            ("human", "humans"),
            ("ear of corn", "ears of corn"),
            ("car in a car park", "cars in a car park"),
            ("maple leaf", "maple leaves"),
        ] {
            assert_eq!(plural(noun), many);
        }
    }

    #[test]
    fn colours_come_off() {
        assert_eq!(without_colour("red apple").as_deref(), Some("apple"));
        assert_eq!(without_colour("orange"), None);
        assert_eq!(without_colour("traffic light"), None);
        assert_eq!(without_colour("car"), None);
    }
}
