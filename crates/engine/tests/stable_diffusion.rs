//! Whole Stable Diffusion pipelines with tiny models: against diffusers (`golden/pipelines.py`), against themselves for any
//! number of threads and place in a batch, and what is refused.

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::{architecture, folder, single_file};
use engine::stable_diffusion::{Checkpoint, Pipeline, Recipe, Request, Tile, is_checkpoint, plan, verify};
use engine::{CancelToken, EngineError, Event, Image, Options, PrecisionChoice, Size, Start};
use formats::safetensors::{File, Tensor, write};
use image::{GrayImage, RgbaImage};
use sampling::{Prediction, RandomSource, SigmaSampler, SigmaSchedule};

const SIZE: Size = Size { width: 48, height: 64 };
const PROMPT: &str = "a red fox in the snow, oil painting";
/// Least peak signal-to-noise ratio accepted of a picture, in decibel.
const BOUND: f64 = 45.0;

fn options(threads: usize, precision: PrecisionChoice) -> Options {
    Options { threads: Some(threads), precision, isa: None }
}

fn pipeline(path: &Path, threads: usize) -> Pipeline {
    Pipeline::new(Checkpoint::open(path, None).unwrap(), None, &options(threads, PrecisionChoice::F32)).unwrap()
}

/// The request of the golden cases.
fn request() -> Request {
    Request {
        prompt: PROMPT.into(),
        negative: "blurry".into(),
        seed: 7,
        steps: 20,
        sampler: SigmaSampler::Euler,
        schedule: SigmaSchedule::Trailing,
        size: Some(SIZE),
        ..Request::default()
    }
}

fn draw(pipeline: &mut Pipeline, request: &Request) -> Vec<Image<Recipe>> {
    pipeline.generate(request, &mut |_| {}, &CancelToken::new()).unwrap()
}

/// Picture and mask of the golden cases, through files.
fn start(strength: f32, masked: bool) -> Start {
    let folder = tempfile::tempdir().unwrap();
    let (picture, mask) = (folder.path().join("picture.png"), folder.path().join("mask.png"));
    let colours = |x: u32, y: u32| image::Rgba([(4 * x % 256) as u8, (3 * y % 256) as u8, (x * y % 256) as u8, 255]);
    RgbaImage::from_fn(SIZE.width, SIZE.height, colours).save(&picture).unwrap();
    let anew = |x: u32, y: u32| image::Luma([if x >= 13 && y < 41 { 255 } else { 0 }]);
    GrayImage::from_fn(SIZE.width, SIZE.height, anew).save(&mask).unwrap();
    Start::open(&picture, masked.then_some(mask.as_path()), strength).unwrap()
}

fn golden(case: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pipelines.safetensors");
    File::open(path).unwrap().tensor(&format!("{case}.picture")).unwrap().bytes.to_vec()
}

/// Peak signal-to-noise ratio of RGBA pixels to golden colours, over the pixels for which `counts` holds.
fn psnr(pixels: &[u8], colours: &[u8], counts: impl Fn(usize) -> bool) -> f64 {
    assert_eq!(pixels.len() / 4, colours.len() / 3);
    let (mut sum, mut count) = (0.0, 0);
    for (i, (pixel, colour)) in pixels.chunks_exact(4).zip(colours.chunks_exact(3)).enumerate() {
        if counts(i) {
            count += 3;
            sum += pixel.iter().zip(colour).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>();
        }
    }
    10.0 * (255.0 * 255.0 / (sum / f64::from(count)).max(1e-9)).log10()
}

fn agrees(case: &str, image: &Image<Recipe>) {
    let found = psnr(&image.pixels, &golden(case), |_| true);
    println!("{case}: {found:.1} dB");
    assert!(found >= BOUND, "{case}: {found:.1} dB");
}

#[test]
fn pictures_agree_with_diffusers() {
    let sd1 = folder("sd1");
    let mut pipeline = self::pipeline(sd1.path(), 2);
    agrees("sd1", &draw(&mut pipeline, &request())[0]);
    let from = Request { start: Some(start(0.6, false)), ..request() };
    agrees("sd1_image", &draw(&mut pipeline, &from)[0]);

    // Told the guidance, it predicts once: the negative prompt is not read.
    let guided = folder("sd1_guided");
    let mut pipeline = self::pipeline(guided.path(), 2);
    assert!(pipeline.checkpoint().architecture.knows_guidance());
    agrees("sd1_guided", &draw(&mut pipeline, &request())[0]);
    let mut short = |guidance, negative: &str| {
        draw(&mut pipeline, &Request { guidance, negative: negative.into(), steps: 2, ..request() }).remove(0).pixels
    };
    assert_eq!(short(7.0, "blurry"), short(7.0, "a blue house"));
    assert_ne!(short(7.0, ""), short(4.0, ""));

    let long = "a red fox, a grey owl, a white hare and a brown bear walk in the deep snow of a dark winter forest, ";
    let velocity =
        Request { prompt: long.repeat(4), guidance_rescale: 0.7, sampler: SigmaSampler::DpmPp2M, ..request() };
    let sd2 = folder("sd2");
    let mut pipeline = self::pipeline(sd2.path(), 2);
    assert_eq!(pipeline.checkpoint().architecture.prediction, Prediction::V);
    agrees("sd2", &draw(&mut pipeline, &velocity)[0]);

    let sdxl = folder("sdxl");
    agrees("sdxl", &draw(&mut self::pipeline(sdxl.path(), 2), &Request { negative: String::new(), ..request() })[0]);
    let refiner = folder("refiner");
    agrees("refiner", &draw(&mut self::pipeline(refiner.path(), 2), &from)[0]);
}

#[test]
fn a_model_that_sees_the_mask_agrees_with_diffusers_and_keeps_the_rest() {
    let model = folder("sd1_inpaint");
    let under = Request { start: Some(start(1.0, true)), ..request() };
    let image = &draw(&mut pipeline(model.path(), 2), &under)[0];
    let is_anew = |i: usize| i % 48 >= 13 && i / 48 < 41;
    let found = psnr(&image.pixels, &golden("sd1_inpaint"), is_anew);
    println!("inpainting: {found:.1} dB");
    assert!(found >= BOUND, "{found:.1} dB");
    for (i, pixel) in image.pixels.chunks_exact(4).enumerate().filter(|(i, _)| !is_anew(*i)) {
        let (x, y) = (i % 48, i / 48);
        assert_eq!(pixel, [(4 * x % 256) as u8, (3 * y % 256) as u8, (x * y % 256) as u8, 255], "{x} {y}");
    }
    // Without a picture all is drawn.
    assert_eq!(draw(&mut pipeline(model.path(), 2), &Request { steps: 2, ..request() }).len(), 1);
}

#[test]
fn sides_that_cannot_be_halved_are_drawn() {
    let model = folder("sd1");
    let odd = Request { size: Some(Size { width: 72, height: 56 }), steps: 2, ..request() };
    let images = [1, 3].map(|threads| draw(&mut pipeline(model.path(), threads), &odd).remove(0));
    assert_eq!(images[0].pixels.len(), 72 * 56 * 4);
    assert_eq!(images[0].pixels, images[1].pixels);
}

#[test]
fn a_single_file_is_the_same_model() {
    let folder = folder("sd1");
    let path = single_file(folder.path(), "sd1");
    let file = Checkpoint::open_as(&path, architecture(folder.path()), None).unwrap();
    let mut single = Pipeline::new(file, None, &options(2, PrecisionChoice::F32)).unwrap();
    let short = Request { steps: 3, ..request() };
    let (one, other) = (draw(&mut single, &short), draw(&mut pipeline(folder.path(), 2), &short));
    assert_eq!(one[0].pixels, other[0].pixels);
    assert_ne!(one[0].recipe.model_sha256, other[0].recipe.model_sha256);
    assert!(is_checkpoint(&path) && is_checkpoint(folder.path()));
    // Its sizes are not those of a published family.
    let error = Checkpoint::open(&path, None).unwrap_err().to_string();
    assert!(error.contains("unknown family: 32 channels"), "{error}");
}

/// The nearest number of eight bits, 1-4-3 without infinities (arXiv 2209.05433).
fn to_f8(x: f32) -> u8 {
    let value = |bits: u8| match (f32::from(bits >> 3), f32::from(bits & 7)) {
        (0.0, mantissa) => mantissa / 8.0 * (-6f32).exp2(),
        (exponent, mantissa) => (1.0 + mantissa / 8.0) * (exponent - 7.0).exp2(),
    };
    let distance = |bits: &u8| (value(*bits) - x.abs()).abs();
    let nearest = (0..0x7f).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap();
    nearest | u8::from(x.is_sign_negative()) << 7
}

#[test]
fn eight_bits_and_shards_are_the_same_model() {
    use safetensors::{Dtype, tensor::TensorView};
    let folder = folder("sd1");
    let short = Request { steps: 3, ..request() };
    // Everything in eight bits, and the same numbers in f32.
    let whole = File::open(single_file(folder.path(), "sd1")).unwrap();
    let pictures = [Dtype::F8_E4M3, Dtype::F32].map(|dtype| {
        let stored = whole.names().map(|name| {
            let values = whole.to_f32(name).unwrap();
            let bits: Vec<u8> = values.iter().map(|x| to_f8(*x)).collect();
            (name.to_owned(), whole.shape(name).unwrap().to_vec(), bits)
        });
        let stored: Vec<_> = stored.collect();
        let path = folder.path().join("eight.safetensors");
        let views = stored
            .iter()
            .map(|(name, shape, bits)| (name.clone(), TensorView::new(Dtype::F8_E4M3, shape.clone(), bits).unwrap()));
        safetensors::serialize_to_file(views, None, &path).unwrap();
        if dtype == Dtype::F32 {
            let eight = File::open(&path).unwrap();
            let tensors: Vec<_> = eight
                .names()
                .map(|name| Tensor::f32(name.to_owned(), eight.shape(name).unwrap(), eight.to_f32(name).unwrap()))
                .collect();
            let wide = folder.path().join("wide.safetensors");
            write(&wide, tensors, &BTreeMap::new()).unwrap();
            std::fs::rename(wide, &path).unwrap();
        }
        let file = Checkpoint::open_as(&path, architecture(folder.path()), None).unwrap();
        let mut pipeline = Pipeline::new(file, None, &options(2, PrecisionChoice::F32)).unwrap();
        draw(&mut pipeline, &short).remove(0).pixels
    });
    assert_eq!(pictures[0], pictures[1]);
    let expected = draw(&mut pipeline(folder.path(), 2), &short);
    assert_ne!(pictures[0], expected[0].pixels);
    // The U-Net in two files and an index.
    let unet = folder.path().join("unet");
    let path = unet.join("diffusion_pytorch_model.safetensors");
    let file = File::open(&path).unwrap();
    let names: Vec<String> = file.names().map(str::to_owned).collect();
    let mut map = serde_json::Map::new();
    for (part, names) in names.chunks(names.len().div_ceil(2)).enumerate() {
        let shard = format!("diffusion_pytorch_model-0000{}-of-00002.safetensors", part + 1);
        let tensors: Vec<_> = names
            .iter()
            .map(|name| Tensor::f32(name.clone(), file.shape(name).unwrap(), file.to_f32(name).unwrap()))
            .collect();
        write(unet.join(&shard), tensors, &BTreeMap::new()).unwrap();
        map.extend(names.iter().map(|name| (name.clone(), shard.clone().into())));
    }
    drop(file);
    std::fs::remove_file(&path).unwrap();
    let index = serde_json::json!({ "metadata": {}, "weight_map": map });
    std::fs::write(unet.join("diffusion_pytorch_model.safetensors.index.json"), index.to_string()).unwrap();
    let sharded = draw(&mut pipeline(folder.path(), 2), &short);
    assert_eq!(sharded[0].pixels, expected[0].pixels);
    // A shard that is missing is named.
    std::fs::remove_file(unet.join("diffusion_pytorch_model-00002-of-00002.safetensors")).unwrap();
    let error = Checkpoint::open(folder.path(), None).unwrap_err().to_string();
    assert!(error.contains("00002-of-00002"), "{error}");
}

#[test]
fn nothing_but_the_request_changes_a_bit() {
    let folder = folder("sd1");
    for precision in [PrecisionChoice::F32, PrecisionChoice::Auto] {
        for sampler in [SigmaSampler::EulerAncestral, SigmaSampler::DpmPp2MSde, SigmaSampler::Heun] {
            let request = Request { sampler, steps: 4, count: 3, schedule: SigmaSchedule::Karras, ..request() };
            let open = |threads| {
                let checkpoint = Checkpoint::open(folder.path(), None).unwrap();
                Pipeline::new(checkpoint, None, &options(threads, precision)).unwrap()
            };
            let mut one = open(1);
            let expected = draw(&mut one, &request);
            assert_ne!(expected[0].pixels, expected[1].pixels);
            for threads in [2, 3] {
                assert_eq!(draw(&mut open(threads), &request), expected, "{sampler} {threads}");
            }
            // Again, after other jobs, and alone.
            draw(&mut one, &Request { size: Some(Size::square(64)), guidance: 1.0, ..request.clone() });
            assert_eq!(draw(&mut one, &request), expected);
            for (i, image) in expected.iter().enumerate() {
                let alone = draw(&mut one, &Request { seed: 7 + i as u64, count: 1, ..request.clone() });
                assert_eq!(&alone[0], image);
            }
        }
    }
}

#[test]
fn every_sampler_schedule_and_source_of_noise_draws() {
    let folder = folder("sd1");
    let mut pipeline = pipeline(folder.path(), 2);
    let mut seen = Vec::new();
    let base = || Request { steps: 3, ..request() };
    let mut requests: Vec<Request> = SigmaSampler::ALL.iter().map(|&sampler| Request { sampler, ..base() }).collect();
    requests.extend(SigmaSchedule::ALL.iter().map(|&schedule| Request { schedule, seed: 1, ..base() }));
    requests.push(Request { rng: RandomSource::Nv, ..base() });
    requests.push(Request { clip_skip: Some(2), ..base() });
    requests.push(Request { prediction: Some(Prediction::V), ..base() });
    requests.push(Request { prediction: Some(Prediction::Flow), ..base() });
    requests.push(Request { guidance: 1.0, ..base() });
    requests.push(Request { guidance_interval: (0.0, 0.7), ..base() });
    requests.push(Request { start: Some(start(0.5, true)), seed: 2, ..base() });
    for request in requests {
        let pixels = draw(&mut pipeline, &request).remove(0).pixels;
        let flat = pixels.chunks_exact(4).all(|pixel| pixel == &pixels[..4]);
        assert!(!flat, "{request:?}");
        seen.push((request, pixels));
    }
    // `ddim` without eta is `euler` by definition, and three trailing steps visit what three of `simple` do.
    let same = |a: &Request, b: &Request| {
        let ddim = |r: &Request| r.sampler == SigmaSampler::Ddim || r.sampler == SigmaSampler::Euler;
        a.sampler != b.sampler && ddim(a) && ddim(b) || a.schedule != b.schedule
    };
    for (i, (request, pixels)) in seen.iter().enumerate() {
        for (other, others) in &seen[..i] {
            assert!(pixels != others || same(request, other), "{request:?}\n{other:?}");
        }
    }
}

#[test]
fn kept_pixels_stay_and_tiles_are_close() {
    let folder = folder("sd1");
    let mut pipeline = pipeline(folder.path(), 2);
    let kept = draw(&mut pipeline, &Request { start: Some(start(0.7, true)), steps: 4, ..request() });
    let pixel = |x: usize, y: usize| kept[0].pixels[(y * 48 + x) * 4..][..4].to_vec();
    assert_eq!(pixel(3, 5), [12, 15, 15, 255]);
    assert_eq!(pixel(20, 50), [80, 150, 232, 255]);
    assert_ne!(pixel(30, 20), [120, 60, 88, 255]);
    // Tiles that are larger than the picture are no tiles.
    let large = Request { steps: 2, size: Some(Size { width: 192, height: 128 }), ..request() };
    let whole = draw(&mut pipeline, &large);
    let one = draw(&mut pipeline, &Request { tile: Tile::Side(192), ..large.clone() });
    assert_eq!(one[0].pixels, whole[0].pixels);
    let tiled = draw(&mut pipeline, &Request { tile: Tile::Side(128), ..large });
    assert_eq!(tiled[0].recipe.tile, Some(128));
    assert_ne!(tiled[0].pixels, whole[0].pixels);
    let colours: Vec<u8> = whole[0].pixels.chunks_exact(4).flat_map(|pixel| &pixel[..3]).copied().collect();
    let found = psnr(&tiled[0].pixels, &colours, |_| true);
    println!("tiled: {found:.1} dB");
    assert!(found > 10.0, "{found:.1} dB");
}

#[test]
fn a_recipe_gives_its_picture_again() {
    let folder = folder("sd1");
    let start = start(0.5, true);
    let request = Request { steps: 3, start: Some(start.clone()), rng: RandomSource::Nv, ..request() };
    let image = draw(&mut pipeline(folder.path(), 2), &request).remove(0);
    let path = folder.path().join("out.png");
    std::fs::write(&path, image.png().unwrap()).unwrap();
    let again = |start: Option<Start>| {
        let checkpoint = Checkpoint::open(folder.path(), None).unwrap();
        verify(&path, checkpoint, start, Some(1), &mut |_| {}, &CancelToken::new())
    };
    let outcome = again(Some(start)).unwrap();
    assert_eq!((outcome.different_pixels, outcome.pixels), (0, 48 * 64));
    assert!(again(None).unwrap_err().to_string().contains("--vary"));
}

#[test]
fn previews_and_events_come_in_order() {
    let folder = folder("sdxl");
    let mut seen = Vec::new();
    let request = Request { steps: 2, previews: true, count: 2, ..request() };
    let mut on_event = |event: Event<'_, Recipe>| match event {
        Event::Started { images, steps, size, .. } => seen.push(format!("started {images} {steps} {size}")),
        Event::Progress { image, step, preview, .. } => {
            assert_eq!(preview.pixels().len(), 6 * 8 * 4);
            seen.push(format!("step {image} {step} {}", preview.size));
        }
        Event::Image { index, .. } => seen.push(format!("image {index}")),
        Event::Done { images, .. } => seen.push(format!("done {images}")),
    };
    pipeline(folder.path(), 2).generate(&request, &mut on_event, &CancelToken::new()).unwrap();
    let picture = |i: u32| [format!("step {i} 1 6x8"), format!("step {i} 2 6x8"), format!("image {i}")];
    let expected = [vec!["started 2 2 48x64".into()], picture(0).to_vec(), picture(1).to_vec(), vec!["done 2".into()]];
    assert_eq!(seen, expected.concat());
}

#[test]
fn a_cancelled_job_stops() {
    let folder = folder("sd1");
    let cancel = CancelToken::new();
    let mut steps = 0;
    let result = pipeline(folder.path(), 2).generate(
        &request(),
        &mut |event| {
            if let Event::Progress { .. } = event {
                steps += 1;
                cancel.cancel();
            }
        },
        &cancel,
    );
    assert!(matches!(result, Err(EngineError::Cancelled)));
    assert_eq!(steps, 1);
}

#[test]
fn bad_input_is_named() {
    let folder = folder("sd1");
    let mut pipeline = pipeline(folder.path(), 2);
    let refused = |pipeline: &mut Pipeline, request: Request, words: &str| {
        let error = pipeline.generate(&request, &mut |_| {}, &CancelToken::new()).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    };
    refused(&mut pipeline, Request { size: Some(Size { width: 68, height: 64 }), ..request() }, "multiples of 8");
    refused(&mut pipeline, Request { clip_skip: Some(3), ..request() }, "clip_skip");
    refused(
        &mut pipeline,
        Request { prediction: Some(Prediction::Flow), sampler: SigmaSampler::Lcm, ..request() },
        "sampler",
    );
    // An autoencoder of 16 channels, files that hold none, damaged configurations, weights that are missing.
    let write = |name: &str, tensors: &[(&str, &[usize])]| {
        let tensors = tensors.iter().map(|(name, shape)| {
            formats::safetensors::Tensor::f32((*name).to_owned(), shape, vec![0.0; shape.iter().product()])
        });
        let path = folder.path().join(name);
        formats::safetensors::write(&path, tensors.collect::<Vec<_>>(), &Default::default()).unwrap();
        path
    };
    let wide = write(
        "wide.safetensors",
        &[("decoder.conv_in.weight", &[32, 16, 3, 3]), ("decoder.mid.block_1.norm1.weight", &[32])],
    );
    let error = Checkpoint::open(folder.path(), Some(&wide)).unwrap_err().to_string();
    assert!(error.contains("latents of 16 channels, the U-Net needs 4"), "{error}");
    let other = write("other.safetensors", &[("a", &[1])]);
    let error = Checkpoint::open(folder.path(), Some(&other)).unwrap_err().to_string();
    assert!(error.contains("holds no autoencoder"), "{error}");
    assert!(!is_checkpoint(&other));
    let config = folder.path().join("unet/config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    for (damage, words) in [
        (text.replace("\"in_channels\": 4", "\"in_channels\": 5"), "conv_in.weight is [32, 4, 3, 3]"),
        (text.replace("\"block_out_channels\": [", "\"block_out_channels\": [ 31, "), "not multiples of the first"),
        (text.replace("\"layers_per_block\": 1", "\"layers_per_block\": \"x\""), "layers_per_block"),
        (text.replace("\"layers_per_block\": 1", "\"layers_per_block\": 9999999"), "layers_per_block"),
        (text.replace("\"cross_attention_dim\": 32", "\"cross_attention_dim\": 0"), "text states"),
        ("{".into(), "is not JSON"),
        ("[]".into(), "block_out_channels"),
    ] {
        std::fs::write(&config, damage).unwrap();
        let error = Checkpoint::open(folder.path(), None).unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
    std::fs::write(&config, text).unwrap();
    std::fs::remove_file(folder.path().join("text_encoder/model.safetensors")).unwrap();
    let error = Checkpoint::open(folder.path(), None).unwrap_err().to_string();
    assert!(error.contains("text_encoder"), "{error}");
}

#[test]
fn a_plan_knows_what_will_run() {
    let folder = folder("sdxl");
    let checkpoint = Checkpoint::open(folder.path(), None).unwrap();
    let options = options(2, PrecisionChoice::F32);
    let plan = |request: &Request| plan(request, &checkpoint, &options, 0.1).unwrap();
    let one = plan(&request());
    assert_eq!((one.evaluations, one.images, one.size, one.tile), (20, 1, SIZE, None));
    assert!(one.seconds > 0.0 && one.flops > 0.0 && one.cost > 0.0 && one.proposals.is_empty());
    assert!(one.peak_memory_bytes > 60_000_000 && one.peak_memory_bytes < 1_000_000_000);
    let more = plan(&Request { count: 3, sampler: SigmaSampler::Heun, ..request() });
    assert_eq!(more.evaluations, 3 * 39);
    let unguided = plan(&Request { guidance: 1.0, ..request() });
    assert!(unguided.flops < one.flops);
    // No machine has memory for this: the plan says what would need less, and drawing is refused.
    let huge = Request { size: Some(Size::square(4096)), tile: Tile::Off, ..request() };
    let short = plan(&huge);
    if short.available_memory_bytes.is_some_and(|available| available < short.peak_memory_bytes) {
        assert!(short.proposals.iter().any(|proposal| proposal.option == "--tile 256"), "{short:?}");
        let error = pipeline(folder.path(), 2).generate(&huge, &mut |_| {}, &CancelToken::new()).unwrap_err();
        assert!(matches!(error, EngineError::Memory { .. }), "{error}");
    }
}
