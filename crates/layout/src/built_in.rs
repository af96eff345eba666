//! The templates that come with it: banners, the hero of an e-mail, words over square, portrait, wide and story pictures.

use std::sync::LazyLock;

use crate::template::Template;

const FILES: &[&str] = &[
    include_str!("../templates/banner.728x90.toml"),
    include_str!("../templates/banner.320x50.toml"),
    include_str!("../templates/banner.320x100.toml"),
    include_str!("../templates/banner.468x60.toml"),
    include_str!("../templates/banner.970x90.toml"),
    include_str!("../templates/banner.970x250.toml"),
    include_str!("../templates/banner.160x600.toml"),
    include_str!("../templates/banner.120x600.toml"),
    include_str!("../templates/banner.300x600.toml"),
    include_str!("../templates/banner.300x250.toml"),
    include_str!("../templates/banner.336x280.toml"),
    include_str!("../templates/email.hero.toml"),
    include_str!("../templates/overlay.square.toml"),
    include_str!("../templates/overlay.portrait.toml"),
    include_str!("../templates/overlay.wide.toml"),
    include_str!("../templates/overlay.story.toml"),
];

static ALL: LazyLock<Vec<Template>> =
    LazyLock::new(|| FILES.iter().filter_map(|text| Template::parse(text).ok()).collect());

impl Template {
    /// All built-in templates.
    pub fn all_built_in() -> &'static [Template] {
        &ALL
    }

    /// The built-in template of a name, as `banner.728x90` or `overlay.story`.
    pub fn built_in(name: &str) -> Option<&'static Template> {
        ALL.iter().find(|template| template.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_template_with_its_name() {
        for text in FILES {
            let template = Template::parse(text).unwrap();
            let slots = ["cta", "headline", "subline"].map(str::to_owned);
            assert!(template.slots().is_subset(&slots.into()), "{}", template.name);
        }
        assert_eq!(Template::all_built_in().len(), FILES.len());
        for size in ["728x90", "320x50", "468x60", "970x90", "970x250", "160x600", "120x600", "300x600", "300x250"] {
            let template = Template::built_in(&format!("banner.{size}")).unwrap();
            assert_eq!(format!("{}x{}", template.size[0], template.size[1]), size);
        }
        assert!(Template::built_in("banner.1x1").is_none());
    }
}
