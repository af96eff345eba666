//! The evaluation suite from a folder of pictures to a report, with a judge that it trains.

use std::path::Path;

use kernels::Cpu;
use simd::Isa;
use train::evaluate::{self, judge};

const COLOURS: [(&str, [u8; 3]); 4] =
    [("red", [220, 30, 30]), ("green", [40, 160, 60]), ("blue", [30, 100, 220]), ("yellow", [250, 210, 50])];

/// Twelve pictures: a square, a bar or a frame in one of four colours, each with its caption.
fn pictures(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    for (colour, [r, g, b]) in COLOURS {
        for shape in ["square", "bar", "frame"] {
            let inside = |x: usize, y: usize| match shape {
                "square" => (10..22).contains(&x) && (10..22).contains(&y),
                "bar" => (13..19).contains(&x),
                _ => !((6..26).contains(&x) && (6..26).contains(&y)),
            };
            let pixel = |i: usize| if inside(i % 32, i / 32) { [r, g, b, 255] } else { [0; 4] };
            let pixels: Vec<u8> = (0..32 * 32).flat_map(pixel).collect();
            let path = folder.join(format!("{colour}-{shape}.png"));
            formats::picture::write(&path, 32, 32, &pixels, &[]).unwrap();
            std::fs::write(path.with_extension("txt"), format!("a {colour} {shape}\n")).unwrap();
        }
    }
}

#[test]
fn a_judge_learns_and_a_model_is_compared_with_real_pictures() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("pictures");
    pictures(&data);
    let cpu = Cpu::new(Isa::detected(), 2);
    let file = dir.path().join("judge.safetensors");
    let mut losses = Vec::new();
    // Interrupted after seven steps, it goes on to the same bits.
    let steps = std::cell::Cell::new(0);
    let after_seven = || steps.replace(steps.get() + 1) == 7;
    let mut train = |file: &Path, stop: &dyn Fn() -> bool| {
        judge::train(&cpu, &data, file, 20 * 256, stop, &mut |_, loss| losses.push(loss)).unwrap()
    };
    assert!(!train(&file, &after_seven) && !file.exists());
    assert!(train(&file, &|| false));
    assert!(!file.with_extension("checkpoints").exists());
    let whole = dir.path().join("whole.safetensors");
    assert!(train(&whole, &|| false));
    assert_eq!(std::fs::read(&file).unwrap(), std::fs::read(&whole).unwrap());
    assert_eq!(losses.len(), 40);
    assert_eq!(losses[..20], losses[20..]);
    // Twelve captions stand twenty times in a batch, so the best loss is about ln 21 and that of chance ln 256.
    assert!(losses[0] > 5.0 && losses[19] < 4.5, "{losses:?}");
    assert!(judge::Judge::is_one(&file) && !judge::Judge::is_one(&data.join("red-bar.png")));

    // A model of random weights draws nothing in particular.
    let config = models::jit::Config { width: 32, blocks: 1, heads: 2, hidden: 32, stem: 16, ..Default::default() };
    let parameters = models::jit::initial_parameters(&config, 1).unwrap();
    let info = engine::ModelInfo {
        name: "random".into(),
        config,
        image_size: 32,
        text_tokens: 16,
        pictures_seen: 0,
        shifts: 1,
    };
    let model = dir.path().join("model.safetensors");
    engine::model::write(&model, &info, &parameters).unwrap();
    let mut share = 0.0;
    let suite = evaluate::SuiteOptions { questions: 12, ..Default::default() };
    let report = evaluate::full(&cpu, model.to_str().unwrap(), &data, &file, &suite, &mut |done| share = done).unwrap();
    assert!((share - 1.0).abs() < 1e-9, "{share}");
    let group = &report.groups[0];
    assert_eq!((report.groups.len(), group.name.as_str(), group.questions), (1, "train", 12));
    assert!(group.real.retrieval > 0.5 && group.real.retrieval > group.shuffled.retrieval, "{:?}", group.real);
    assert!(group.generated[&25].retrieval < group.real.retrieval, "{:?}", group.generated[&25]);
    assert_eq!(group.generated.keys().copied().collect::<Vec<_>>(), evaluate::STEPS);
    let page = evaluate::page(&report, None);
    assert!(page.contains("random") && page.contains("25 steps"));
}
