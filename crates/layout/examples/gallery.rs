//! Composes every built-in template with a picture, to be looked at: `gallery PICTURE.png KIT.toml FOLDER [slot=text …]`.

use std::path::Path;

use formats::picture;
use layout::{Brand, BrandKit, Picture, Template, Texts, compose};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let [Some(file), Some(kit), Some(folder)] = [words.next(), words.next(), words.next()] else {
        return Err("usage: gallery PICTURE.png KIT.toml FOLDER [slot=text …]".into());
    };
    let given = picture::read(Path::new(&file))?;
    let given = Picture::new(given.width, given.height, given.pixels)?;
    let beside = Path::new(&kit).parent().unwrap_or(Path::new("."));
    let brand =
        Brand::new(BrandKit::parse(&std::fs::read_to_string(&kit)?)?, &|name| std::fs::read(beside.join(name)))?;
    let texts: Texts =
        words.filter_map(|word| word.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()))).collect();
    std::fs::create_dir_all(&folder)?;
    for template in Template::all_built_in() {
        let composed = compose(template, &brand, &given, &texts, (template.size[0], template.size[1]))?;
        let path = Path::new(&folder).join(format!("{}.png", template.name));
        picture::write(&path, template.size[0], template.size[1], composed.picture.pixels(), &[])?;
        for finding in &composed.findings {
            println!("{} {:?} {finding}", template.name, finding.level);
        }
    }
    Ok(())
}
