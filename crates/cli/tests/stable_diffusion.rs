//! Stable Diffusion checkpoints on the command line, with a tiny model: pictures and their recipes, exit codes, and one clear
//! sentence for each error.

#[path = "../../engine/tests/common/mod.rs"]
mod common;

use std::path::Path;
use std::process::{Command, Output};

use formats::picture::{PARAMETERS_KEY, RECIPE_KEY, read};
use serde_json::Value;

fn run(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_calotype")).args(args).current_dir(folder).output().unwrap()
}

/// `generate` with the model in the folder.
fn generate(folder: &Path, args: &[&str]) -> Output {
    let all = ["generate", "a red fox", "--model", ".", "--threads", "2", "--size", "48x64", "--steps", "3"];
    run(folder, &[&all[..], args].concat())
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn done(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
}

#[test]
fn pictures_with_recipes_are_drawn_varied_and_verified() {
    let folder = common::folder("sd1");
    let at = |name: &str| folder.path().join(name);
    done(&generate(
        folder.path(),
        &["--negative", "blurry", "--seed", "9", "--sampler", "euler_ancestral", "-o", "a.png"],
    ));
    let picture = read(&at("a.png")).unwrap();
    assert_eq!((picture.width, picture.height), (48, 64));
    let recipe: Value = serde_json::from_str(picture.text(RECIPE_KEY).unwrap()).unwrap();
    assert_eq!((&recipe["family"], &recipe["seed"], &recipe["schedule"]), (&"sd1".into(), &9.into(), &"karras".into()));
    let text = picture.text(PARAMETERS_KEY).unwrap();
    assert!(text.starts_with("a red fox\nNegative prompt: blurry\nSteps: 3, Sampler: Euler a, "), "{text}");
    done(&run(folder.path(), &["verify", "a.png", "--model", ".", "--threads", "1"]));
    let output = run(folder.path(), &["verify", "a.png"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("--model"));

    let black: Vec<u8> = [0, 0, 0, 255].repeat(48 * 64);
    formats::picture::write(&at("mask.png"), 48, 64, &black, &[]).unwrap();
    done(&generate(folder.path(), &["--vary", "a.png", "--strength", "0.5", "--rng", "nv", "-o", "b.png"]));
    done(&generate(folder.path(), &["--vary", "a.png", "--mask", "mask.png", "-o", "c.png"]));
    let pixels = |name: &str| read(&at(name)).unwrap().pixels;
    assert_eq!(pixels("c.png"), pixels("a.png"));
    assert_ne!(pixels("b.png"), pixels("a.png"));

    done(&generate(folder.path(), &["--count", "2", "--preset", "lcm", "--preview", "steps", "--json", "-o", "d.png"]));
    assert_ne!(pixels("d-0.png"), pixels("d-1.png"));
    assert_eq!(std::fs::read_dir(at("steps")).unwrap().count(), 2 * 3);
}

#[test]
fn plans_are_made() {
    let folder = common::folder("sdxl");
    let output =
        run(folder.path(), &["plan", "a red fox", "--model", ".", "--size", "64x64", "--steps", "7", "--json"]);
    done(&output);
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&plan["event"], &plan["evaluations"]), (&"plan".into(), &7.into()));
    assert!(plan["peak_memory_bytes"].as_u64().unwrap() > 1 << 20);
}

#[test]
fn bad_input_is_refused() {
    let folder = common::folder("sd1");
    let picture: Vec<u8> = [9; 4 * 16 * 16].to_vec();
    for (name, side) in [("small.png", 16), ("other.png", 8)] {
        formats::picture::write(&folder.path().join(name), side, 16, &picture[..(64 * side) as usize], &[]).unwrap();
    }
    for (args, words) in [
        (&["--sampler", "magic"][..], "known: euler, euler_ancestral"),
        (&["--schedule", "magic"], "known: normal, karras"),
        (&["--rng", "dice"], "known: cpu, nv"),
        (&["--prediction", "x"], "known: epsilon"),
        (&["--clip-skip", "3"], "clip_skip"),
        (&["--guidance-rescale", "2"], "guidance_rescale"),
        (&["--eta", "-1"], "eta"),
        (&["--tile", "13"], "tile"),
        (&["--vary", "small.png", "--mask", "other.png"], "mask"),
        (&["--prediction", "flow", "--sampler", "lcm"], "sampler"),
    ] {
        let output = generate(folder.path(), args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(words), "{words}: {}", stderr(&output));
        assert!(!folder.path().join("out.png").exists());
    }
    let output = run(folder.path(), &["generate", "a", "--model", ".", "--size", "50x64"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("multiples of 8"), "{}", stderr(&output));
    // Options of checkpoints are no options of other models.
    for args in [["--clip-skip", "2"], ["--preset", "lcm"], ["--rng", "cpu"]] {
        let output = run(folder.path(), &[&["generate", "a"][..], &args].concat());
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains("only Stable Diffusion"), "{}", stderr(&output));
    }
    let output = generate(folder.path(), &["--vae", "small.png"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("small.png"));
}
