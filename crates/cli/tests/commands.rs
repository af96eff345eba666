//! The command line as scripts see it: exit codes, files, JSON events, one clear sentence for each
//! error. Runs the real program with a tiny random model.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use engine::ModelInfo;
use models::jit;
use sampling::noise::{NoiseAddress, Purpose, fill_normal};
use serde_json::Value;
use tempfile::TempDir;

struct Room {
    folder: TempDir,
}

impl Room {
    fn new() -> Self {
        let room = Self { folder: tempfile::tempdir().unwrap() };
        write_model(&room.path("model.safetensors"), |_| {});
        room
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_calotype"));
        command.args(args).current_dir(self.folder.path()).env("XDG_CACHE_HOME", self.folder.path().join("cache"));
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// `generate` with the tiny model.
    fn generate(&self, args: &[&str]) -> Output {
        let mut all = vec!["generate", "--model", "model.safetensors", "--threads", "2", "--steps", "3"];
        all.extend(args);
        self.run(&all)
    }
}

fn write_model(path: &Path, change: fn(&mut ModelInfo)) {
    let config = jit::Config {
        width: 64,
        blocks: 1,
        heads: 2,
        hidden: 64,
        stem: 32,
        refiner_blocks: 1,
        ..jit::Config::default()
    };
    let mut parameters = jit::initial_parameters(&config, 11).unwrap();
    for (i, (_, _, data)) in parameters.iter_mut().enumerate() {
        if data.iter().all(|v| *v == 0.0) {
            fill_normal(NoiseAddress { seed: 3, image: i as u32, step: 0, purpose: Purpose::Parameters }, data);
            data.iter_mut().for_each(|v| *v *= 0.1);
        }
    }
    let mut info =
        ModelInfo { name: "tiny".into(), config, image_size: 64, text_tokens: 16, pictures_seen: 7, shifts: 3 };
    change(&mut info);
    engine::model::write(path, &info, &parameters).unwrap();
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn events(output: &Output) -> Vec<Value> {
    stdout(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The run failed with this code and one sentence that holds `words`; no picture was left behind.
fn refused(room: &Room, output: &Output, code: i32, words: &str) {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(words), "expected '{words}' in: {text}");
    assert!(!text.contains("panicked"), "{text}");
    assert!(!room.path("out.png").exists());
}

#[test]
fn a_picture_with_its_recipe() {
    let room = Room::new();
    let output = room.generate(&["a red house", "--seed", "9", "--negative", "blue"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), "out.png\n");
    let picture = formats::picture::read(&room.path("out.png")).unwrap();
    assert_eq!((picture.width, picture.height), (256, 256), "four times what the model draws");
    let recipe: Value = serde_json::from_str(picture.text(formats::picture::RECIPE_KEY).unwrap()).unwrap();
    assert_eq!((&recipe["prompt"], &recipe["negative"]), (&"a red house".into(), &"blue".into()));
    assert_eq!((&recipe["seed"], &recipe["steps"], &recipe["size"]), (&9.into(), &3.into(), &"256x256".into()));
    assert_eq!(recipe["enlarge"], 4);
    assert_eq!(recipe["model_sha256"].as_str().unwrap().len(), 64);

    let output = room.run(&["verify", "out.png", "--model", "model.safetensors", "--threads", "1"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("verified"));
}

#[test]
fn any_picture_is_enlarged() {
    let room = Room::new();
    // Red on nothing, with an edge in the middle.
    let pixels: Vec<u8> = (0..40 * 30).flat_map(|i| if i % 40 < 20 { [200, 0, 0, 255] } else { [0; 4] }).collect();
    formats::picture::write(&room.path("small.png"), 40, 30, &pixels, &[]).unwrap();
    for (times, size) in [("2", (80, 60)), ("4", (160, 120))] {
        let output = room.run(&["enlarge", "small.png", "--times", times, "-o", "large.png", "--json"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let event: Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert_eq!((&event["event"], &event["width"]), (&"enlarged".into(), &size.0.into()));
        let large = formats::picture::read(&room.path("large.png")).unwrap();
        assert_eq!((large.width, large.height), size);
        let at = |x: u32| &large.pixels[(4 * (size.1 / 2 * size.0 + x)) as usize..][..4];
        let red = at(size.0 / 4);
        assert!(red[3] == 255 && red[0].abs_diff(200) < 8 && red[1] < 8 && red[2] < 8, "{red:?}");
        assert_eq!(at(3 * size.0 / 4), [0; 4]);
    }
    for (picture, times, named) in
        [("none.png", "4", "picture: none.png"), ("small.png", "3", "times: 3 is not 2 or 4")]
    {
        let output = room.run(&["enlarge", picture, "--times", times]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(named), "{}", stderr(&output));
    }
}

#[test]
fn a_picture_is_varied_and_painted_over() {
    let room = Room::new();
    assert_eq!(room.generate(&["a red house", "--size", "64x64", "-o", "first.png"]).status.code(), Some(0));
    let vary = ["a red house", "--vary", "first.png", "--strength", "0.4", "--seed", "3", "-o", "second.png"];
    let output = room.generate(&vary);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    // A black mask keeps everything.
    let pixels: Vec<u8> = [0, 0, 0, 255].repeat(64 * 64);
    formats::picture::write(&room.path("mask.png"), 64, 64, &pixels, &[]).unwrap();
    let keep = ["a tree", "--vary", "first.png", "--mask", "mask.png", "-o", "kept.png"];
    assert_eq!(room.generate(&keep).status.code(), Some(0));
    let pixels = |name: &str| formats::picture::read(&room.path(name)).unwrap().pixels;
    assert_eq!(pixels("kept.png"), pixels("first.png"));
    assert_ne!(pixels("second.png"), pixels("first.png"));

    let verify = |more: &[&str]| room.run(&[&["verify", "second.png", "--model", "model.safetensors"], more].concat());
    assert_eq!(verify(&["--vary", "first.png"]).status.code(), Some(0));
    refused(&room, &verify(&[]), 1, "--vary");
    refused(&room, &verify(&["--vary", "mask.png"]), 1, "another picture");
    refused(&room, &room.generate(&["x", "--vary", "model.safetensors"]), 2, "vary");
    refused(&room, &room.generate(&["x", "--vary", "first.png", "--strength", "0"]), 2, "strength");
    refused(&room, &room.generate(&["x", "--strength", "0.5"]), 2, "--vary");
    refused(&room, &room.generate(&["x", "--mask", "mask.png"]), 2, "--vary");
}

#[test]
fn noise_of_another_seed_is_mixed_in() {
    let room = Room::new();
    let pixels = |name: &str, more: &[&str]| {
        let output = room.generate(&[&["a fox", "-o", name], more].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        formats::picture::read(&room.path(name)).unwrap().pixels
    };
    let plain = pixels("plain.png", &[]);
    let mixed = |name: &str, strength| pixels(name, &["--variation-seed", "8", "--variation-strength", strength]);
    let some = mixed("some.png", "0.3");
    assert_ne!(some, plain);
    assert_eq!(mixed("none.png", "0"), plain);
    assert_eq!(mixed("all.png", "1"), pixels("other.png", &["--seed", "8"]));
    assert!(room.run(&["verify", "some.png", "--model", "model.safetensors"]).status.success());
    let refusal = room.generate(&["a fox", "-o", "x.png", "--variation-seed", "8", "--variation-strength", "1.5"]);
    refused(&room, &refusal, 2, "variation");
}

/// `generate - -o -`, as the middle of a pipe.
#[test]
fn a_prompt_is_read_and_a_picture_written_where_pipes_are() {
    let room = Room::new();
    let piped = |input: &[u8], args: &[&str]| {
        let all = ["generate", "--model", "model.safetensors", "--threads", "2", "--steps", "3"];
        let mut command = room.command(&all);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A program that refuses need not read all of it.
        let _ = child.stdin.take().unwrap().write_all(input);
        child.wait_with_output().unwrap()
    };
    assert_eq!(room.generate(&["a red house"]).status.code(), Some(0));
    let whole = std::fs::read(room.path("out.png")).unwrap();
    std::fs::remove_file(room.path("out.png")).unwrap();
    for input in ["a red house", "a red house\n", "a red house\r\n"] {
        let output = piped(input.as_bytes(), &["-", "-o", "-"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(output.stdout == whole, "{} bytes in place of {}", output.stdout.len(), whole.len());
    }
    assert!(!room.path("-").exists() && !room.path("out.png").exists());
    let long = "x".repeat(100 * 1024);
    for (input, args, words) in [
        (&b"\xff"[..], &["-"][..], "UTF-8"),
        (long.as_bytes(), &["-"], "standard input has more than 32768 bytes"),
        (b"", &["a", "-o", "-", "--count", "2"], "output"),
        (b"", &["a", "-o", "-", "--json"], "output"),
    ] {
        refused(&room, &piped(input, args), 2, words);
    }
}

#[test]
fn several_pictures_are_those_of_the_following_seeds() {
    let room = Room::new();
    let output = room.generate(&["a cat", "--seed", "5", "--count", "3", "--json", "-o", "cat.png"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let events = events(&output);
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!((names[0], names[names.len() - 1]), ("started", "done"));
    assert_eq!(names.iter().filter(|name| **name == "progress").count(), 9);
    let images: Vec<&Value> = events.iter().filter(|event| event["event"] == "image").collect();
    assert_eq!(images.len(), 3);
    assert_eq!((&images[2]["path"], &images[2]["seed"]), (&"cat-2.png".into(), &7.into()));

    let alone = room.generate(&["a cat", "--seed", "7", "-o", "alone.png", "--threads", "1"]);
    assert_eq!(alone.status.code(), Some(2), "an option given twice is wrong usage");
    let alone = room.generate(&["a cat", "--seed", "7", "-o", "alone.png"]);
    assert_eq!(alone.status.code(), Some(0));
    assert_eq!(std::fs::read(room.path("cat-2.png")).unwrap(), std::fs::read(room.path("alone.png")).unwrap());
    assert_eq!(std::fs::read_dir(room.folder.path()).unwrap().count(), 5, "no other file is left");
}

#[test]
fn previews_show_each_step() {
    let room = Room::new();
    let output = room.generate(&["", "--preview", "steps/here", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let previews: Vec<Value> = events(&output).into_iter().filter(|event| event["event"] == "preview").collect();
    assert_eq!(previews.len(), 3);
    for preview in previews {
        let picture = formats::picture::read(&room.path(preview["path"].as_str().unwrap())).unwrap();
        assert_eq!(picture.width, 64);
    }
}

#[test]
fn wrong_usage_is_named_and_has_code_2() {
    let room = Room::new();
    let long = "x".repeat(100 * 1024);
    for (args, words) in [
        (&[][..], "PROMPT"),
        (&["a", "--size", "100x100", "--enlarge", "1"], "size"),
        (&["a", "--size", "2049x100"], "size"),
        (&["a", "--size", "0x0"], "size: 0 is not in 32..=2048"),
        (&["a", "--size", "4096x4096"], "size"),
        (&["a", "--size", "wide"], "size"),
        (&["a", "--guidance", "NaN"], "guidance"),
        (&["a", "--guidance", "-1"], "guidance"),
        (&["a", "--guidance", "1e308"], "guidance"),
        (&["a", "--count", "0"], "count"),
        (&["a", "--count", "65"], "count"),
        (&["a", "--count", "-1"], "count"),
        (&["a", "--seed", "-1"], "seed"),
        (&["a", "--seed", "18446744073709551615", "--count", "2"], "seed"),
        (&["a", "--sampler", "magic"], "magic"),
        (&["a", "--schedule", "shifted:0"], "schedule"),
        (&["a", "--preset", "best"], "best"),
        (&["a", "--precision", "f8"], "f8"),
        (&["a", "-o", "out.jpg"], "output"),
        (&["a", "--nonsense"], "--nonsense"),
        (&[long.as_str()], "prompt"),
        (&["a", "--negative", long.as_str()], "negative"),
    ] {
        refused(&room, &room.generate(args), 2, words);
    }
    for (args, words) in [
        (&["generate", "a", "--steps", "0"][..], "steps"),
        (&["generate", "a", "--steps", "201"], "steps"),
        (&["generate", "a", "--steps", "-1"], "steps"),
        (&["generate", "a", "--threads", "0"], "threads"),
        (&["generate", "a", "--threads", "99999999"], "threads"),
        (&["plan", "a", "--model", "model.safetensors", "--price", "NaN"], "price"),
        (&["draw"], "draw"),
    ] {
        refused(&room, &room.run(args), 2, words);
    }
    let output = room.command(&["generate", "a"]).env("CALOTYPE_ISA", "z80").output().unwrap();
    refused(&room, &output, 2, "z80");
}

#[test]
fn failures_have_code_1() {
    let room = Room::new();
    write_model(&room.path("deeper.safetensors"), |info| info.config.blocks = 2);
    write_model(&room.path("wider.safetensors"), |info| info.config.stem = 48);
    let whole = std::fs::read(room.path("model.safetensors")).unwrap();
    std::fs::write(room.path("half.safetensors"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(room.path("empty.safetensors"), []).unwrap();
    std::fs::create_dir(room.path("folder")).unwrap();
    std::fs::create_dir(room.path("taken.png")).unwrap();
    for (model, words) in [
        ("unknown", "no model 'unknown'"),
        ("folder", ".safetensors"),
        ("half.safetensors", "half.safetensors"),
        ("empty.safetensors", "empty.safetensors"),
        ("deeper.safetensors", "missing"),
        ("wider.safetensors", "wrong shape"),
    ] {
        refused(&room, &room.run(&["generate", "a", "--model", model]), 1, words);
        refused(&room, &room.run(&["models", "inspect", model]), 1, words);
    }
    refused(&room, &room.generate(&["a", "-o", "no/such/folder/out.png"]), 1, "no folder");
    refused(&room, &room.generate(&["a", "-o", "taken.png"]), 1, "taken.png");
    refused(&room, &room.generate(&["a", "--preview", "model.safetensors"]), 1, "preview");
    refused(&room, &room.run(&["verify", "missing.png"]), 1, "missing.png");
    refused(&room, &room.run(&["verify", "model.safetensors"]), 1, "model.safetensors: not a PNG");
    refused(&room, &room.run(&["train", "missing.toml"]), 1, "missing.toml");
    refused(&room, &room.run(&["dataset", "inspect", "missing"]), 1, "missing");
    refused(&room, &room.run(&["eval", "model.safetensors", "--suite", "held-out"]), 1, "config");

    // Programs get the same sentence as an event.
    let output = room.run(&["generate", "a", "--model", "unknown", "--json"]);
    let events = events(&output);
    assert_eq!((&events[0]["event"], &events[0]["code"]), (&"error".into(), &1.into()));
}

#[test]
fn a_forged_picture_is_found() {
    let room = Room::new();
    assert_eq!(room.generate(&["a"]).status.code(), Some(0));
    let mut picture = formats::picture::read(&room.path("out.png")).unwrap();
    picture.pixels[1001] ^= 1;
    let text: Vec<(&str, &str)> = picture.text.iter().map(|(key, text)| (key.as_str(), text.as_str())).collect();
    formats::picture::write(&room.path("forged.png"), 256, 256, &picture.pixels, &text).unwrap();
    let output = room.run(&["verify", "forged.png", "--model", "model.safetensors"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("1 of 65536 pixels"), "{}", stderr(&output));
}

#[test]
fn plans_and_descriptions() {
    let room = Room::new();
    let plan = |count: &str| {
        let output =
            room.run(&["plan", "a cat", "--model", "model.safetensors", "--threads", "1", "--json", "--count", count]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        events(&output).remove(0)
    };
    let (one, four) = (plan("1"), plan("4"));
    assert_eq!((&one["measured_now"], &four["measured_now"]), (&true.into(), &false.into()));
    // Twenty-five steps, the last at two more places, and the enlarger.
    assert_eq!(one["evaluations"], 28);
    let flops = |plan: &Value| plan["flops"].as_f64().unwrap();
    assert!((flops(&four) / flops(&one) - 4.0).abs() <= 0.2);
    assert!(one["seconds"].as_f64().unwrap() > 0.0 && one["peak_memory_bytes"].as_u64().unwrap() > 1 << 20);

    let output = room.run(&["models", "inspect", "model.safetensors", "--json"]);
    let model = events(&output).remove(0);
    assert_eq!(
        (&model["name"], &model["complete"], &model["pictures_seen"], &model["shifts"]),
        (&"tiny".into(), &true.into(), &7.into(), &3.into())
    );
    let output = room.run(&["models"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stdout(&room.run(&["models", "list"])), stdout(&output));

    let output = room.run(&["--version", "--verbose"]);
    assert_eq!(output.status.code(), Some(0));
    for words in ["calotype ", "commit: ", "instruction set: ", "threads: "] {
        assert!(stdout(&output).contains(words), "{}", stdout(&output));
    }
}

#[test]
fn an_evaluation_says_how_far_it_is_and_writes_its_report() {
    let room = Room::new();
    let data = room.path("data");
    std::fs::create_dir(&data).unwrap();
    for (i, colour) in ["red", "green", "blue", "white"].into_iter().enumerate() {
        let pixels: Vec<u8> = (0..32 * 32).flat_map(|j| [60 * i as u8, 200 - 50 * i as u8, j as u8, 255]).collect();
        formats::picture::write(&data.join(format!("{colour}.png")), 32, 32, &pixels, &[]).unwrap();
        std::fs::write(data.join(format!("{colour}.txt")), format!("a {colour} square")).unwrap();
    }
    std::fs::write(
        room.path("config.toml"),
        "name = \"tiny\"\ndata = \"data\"\noutput = \"run\"\nresolution = 32\npictures = 1\n",
    )
    .unwrap();
    let cpu = kernels::Cpu::new(simd::Isa::detected(), 2);
    let judge = data.join("judge.safetensors");
    assert!(train::evaluate::judge::train(&cpu, &data, &judge, 256, &|| false, &mut |_, _| {}).unwrap());

    let args = ["eval", "model.safetensors", "--suite", "full", "--questions", "4", "--steps", "1,2", "-o", "report"];
    let output = room.command(&args).arg("--json").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told: Vec<u64> = events(&output)
        .iter()
        .filter(|event| event["event"] == "progress" && event["doing"] == "evaluating")
        .map(|event| event["percent"].as_u64().unwrap())
        .collect();
    assert!(told.len() > 3 && told.is_sorted_by(|a, b| a < b) && told.last() == Some(&100), "{told:?}");
    let report: Value = serde_json::from_slice(&std::fs::read(room.path("report/report.json")).unwrap()).unwrap();
    let scores = report["groups"][0]["generated"].as_object().unwrap();
    assert_eq!(scores.keys().collect::<Vec<_>>(), ["1", "2"]);
    assert!(room.path("report/report.html").exists() && room.path("report/sheet.png").exists());
}

#[test]
fn a_sheet_is_drawn_in_the_steps_and_with_the_settings_asked_for() {
    let room = Room::new();
    let sheet = |name: &str, options: &[&str]| {
        let args = ["eval", "model.safetensors", "--suite", "sheet", "-o", name];
        let output = room.command(&args).args(options).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        formats::picture::read(&room.path(name)).unwrap()
    };
    let usual = sheet("usual.png", &["--steps", "2"]);
    assert!(sheet("same.png", &["--steps", "2", "--guidance", "3"]).pixels == usual.pixels);
    assert!(sheet("other.png", &["--steps", "2", "--guidance", "9"]).pixels != usual.pixels);
    assert_eq!(sheet("both.png", &["--steps", "1,2"]).height, 2 * usual.height);
    refused(&room, &room.run(&["eval", "model.safetensors", "--suite", "sheet", "--guidance", "31"]), 2, "guidance");
    for option in [["--steps", "2"], ["--guidance", "2"], ["--schedule", "linear"]] {
        let args = [&["eval", "model.safetensors", "--suite", "held-out"], &option[..]].concat();
        refused(&room, &room.run(&args), 2, "draws no pictures");
    }
}

#[test]
fn an_interruption_has_code_130_and_leaves_nothing() {
    let room = Room::new();
    for signal in ["-INT", "-TERM"] {
        let args = [
            "generate",
            "a",
            "--model",
            "model.safetensors",
            "--steps",
            "200",
            "--count",
            "64",
            "--size",
            "256x256",
            "--json",
        ];
        let mut child = room.command(&args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("progress")));
        Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(lines.last().unwrap().unwrap().contains("interrupted"));
        assert_eq!(child.wait().unwrap().code(), Some(130), "{signal}");
        let left: Vec<_> =
            std::fs::read_dir(room.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        // Whole pictures may be done; half-written ones may not be there.
        for name in left.iter().filter(|name| *name != "model.safetensors" && *name != "cache") {
            formats::picture::read(&room.path(name.to_str().unwrap())).unwrap();
        }
    }
}
