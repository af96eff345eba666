//! Same request, same pixels (promise P14), with a tiny random model: any number of threads, alone
//! or among others, after other jobs, and through a file and back.

use engine::{
    CancelToken, Engine, EngineError, Event, Image, Model, ModelInfo, Options, PrecisionChoice, Recipe, Request, Size,
    Start, Variation,
};
use graph::Parameters;
use models::jit;
use sampling::noise::{NoiseAddress, Purpose, fill_normal};
use sampling::{Sampler, Schedule};

fn tiny() -> (ModelInfo, Parameters) {
    let config = jit::Config {
        width: 64,
        blocks: 2,
        heads: 2,
        hidden: 96,
        stem: 32,
        refiner_blocks: 1,
        finish_width: 16,
        ..jit::Config::default()
    };
    let parameters = parameters(&config);
    let info = ModelInfo { name: "tiny".into(), config, image_size: 64, text_tokens: 16, pictures_seen: 0, shifts: 3 };
    (info, parameters)
}

/// A fresh network predicts zero; a trained one does not.
fn parameters(config: &jit::Config) -> Parameters {
    let mut parameters = jit::initial_parameters(config, 11).unwrap();
    for (i, (_, _, data)) in parameters.iter_mut().enumerate() {
        if data.iter().all(|v| *v == 0.0) {
            fill_normal(NoiseAddress { seed: 3, image: i as u32, step: 0, purpose: Purpose::Parameters }, data);
            data.iter_mut().for_each(|v| *v *= 0.1);
        }
    }
    parameters
}

fn fresh(threads: usize, precision: PrecisionChoice) -> Engine {
    let (info, parameters) = tiny();
    let model = Model::from_parameters(info, parameters).unwrap();
    Engine::new(&model, &Options { threads: Some(threads), precision, isa: None }).unwrap()
}

fn request() -> Request {
    Request {
        prompt: "a red house, flat illustration".into(),
        negative: "blue".into(),
        seed: 5,
        steps: 4,
        enlarge: Some(1),
        ..Request::default()
    }
}

fn draw(engine: &mut Engine, request: &Request) -> Vec<Image> {
    engine.generate(request, &mut |_| {}, &CancelToken::new()).unwrap()
}

#[test]
fn threads_do_not_change_a_bit() {
    for precision in [PrecisionChoice::F32, PrecisionChoice::Auto] {
        for sampler in Sampler::ALL {
            let request = Request { sampler, size: Some(Size { width: 96, height: 64 }), ..request() };
            let expected = draw(&mut fresh(1, precision), &request);
            for threads in [2, 3, 4, 7] {
                assert_eq!(draw(&mut fresh(threads, precision), &request), expected, "{sampler} {threads}");
            }
        }
    }
}

#[test]
fn a_picture_is_the_same_alone_and_in_company_and_after_other_jobs() {
    let mut engine = fresh(2, PrecisionChoice::Auto);
    // Eight and then three, and eight and then four, which with guidance are as many items as eight without it.
    for (count, steps, sampler) in
        [(11, 4, Sampler::default()), (12, 8, Sampler::default()), (11, 4, Sampler::DpmPp2MSde)]
    {
        let together = draw(&mut engine, &Request { count, steps, sampler, ..request() });
        for (i, image) in together.iter().enumerate() {
            let alone = draw(&mut engine, &Request { seed: 5 + i as u64, steps, sampler, ..request() });
            assert_eq!(&alone[0], image, "picture {i} of {count}");
        }
    }
    let together = draw(&mut engine, &Request { count: 2, ..request() });
    assert_ne!(together[0].pixels, together[1].pixels);
    // Other sizes, longer and shorter texts, no guidance.
    for other in [
        Request { size: Some(Size::square(128)), ..request() },
        Request { prompt: "x ".repeat(500), ..request() },
        Request { guidance: 1.0, negative: String::new(), ..request() },
        Request { schedule: Schedule::Shifted(2.0), guidance_interval: (0.0, 1.0), ..request() },
    ] {
        draw(&mut engine, &other);
    }
    assert_eq!(draw(&mut engine, &request())[0], together[0]);
}

/// The length of the other text sets the padding, which must not reach the pixels.
#[test]
fn padding_does_not_change_a_bit() {
    let mut engine = fresh(2, PrecisionChoice::Auto);
    let plain = Request { guidance: 1.0, ..request() };
    let long =
        Request { negative: "one two three four five six seven eight nine ten eleven twelve".into(), ..plain.clone() };
    assert_eq!(draw(&mut engine, &plain)[0].pixels, draw(&mut engine, &long)[0].pixels);
}

#[test]
fn every_part_of_the_request_matters() {
    let mut engine = fresh(2, PrecisionChoice::Auto);
    let expected = draw(&mut engine, &request());
    for other in [
        Request { prompt: "a green tree".into(), ..request() },
        Request { negative: String::new(), ..request() },
        Request { seed: 6, ..request() },
        Request { steps: 5, ..request() },
        Request { guidance: 5.0, ..request() },
        Request { skip_guidance: 0.0, ..request() },
        Request { sampler: Sampler::Heun, ..request() },
        Request { schedule: Schedule::Shifted(2.0), ..request() },
    ] {
        assert_ne!(draw(&mut engine, &other)[0].pixels, expected[0].pixels, "{other:?}");
    }
}

/// The noise that is drawn anew on the way belongs to the seed, too: little of it gives nearly the picture without it, and all of
/// another seed's is that seed's picture.
#[test]
fn new_noise_on_the_way_follows_the_seed() {
    let mut engine = fresh(2, PrecisionChoice::Auto);
    let stochastic = Request { sampler: Sampler::DpmPp2MSde, steps: 6, ..request() };
    let mut pixels = |request: &Request| draw(&mut engine, request).remove(0).pixels;
    let usual = pixels(&stochastic);
    assert_eq!(pixels(&Request { eta: Some(0.5), ..stochastic.clone() }), usual);
    assert_ne!(pixels(&Request { eta: Some(1.0), ..stochastic.clone() }), usual);
    let without = pixels(&Request { eta: Some(0.0), ..stochastic.clone() });
    assert_eq!(without, pixels(&Request { sampler: Sampler::DpmPp2M, ..stochastic.clone() }));
    assert_ne!(without, usual);
    let varied = |strength| Request { variation: Some(Variation { seed: 9, strength }), ..stochastic.clone() };
    assert_eq!(pixels(&varied(0.0)), usual);
    assert_eq!(pixels(&varied(1.0)), pixels(&Request { seed: 9, ..stochastic.clone() }));
    assert_ne!(pixels(&varied(0.5)), usual);
}

/// Where the middle block does nothing, there is nothing to be guided away from.
#[test]
fn skip_guidance_leaves_out_the_middle_block() {
    let drawn = |idle: &str| {
        let (info, mut parameters) = tiny();
        for layer in ["attention.out", "mlp.down"] {
            parameters.data_mut(&format!("blocks.{idle}.{layer}.weight")).unwrap().fill(0.0);
        }
        let model = Model::from_parameters(info, parameters).unwrap();
        let mut engine = Engine::new(&model, &Options::default()).unwrap();
        [0.0, 3.0].map(|skip_guidance| draw(&mut engine, &Request { skip_guidance, ..request() })[0].pixels.clone())
    };
    let [without, with] = drawn("1");
    assert_eq!(without, with);
    let [without, with] = drawn("0");
    assert_ne!(without, with);
}

#[test]
fn f32_and_bf16_are_close() {
    // A random network is rougher than a trained one; guidance would amplify its differences.
    let request = Request { guidance: 1.0, ..request() };
    let a = draw(&mut fresh(2, PrecisionChoice::F32), &request);
    let b = draw(&mut fresh(2, PrecisionChoice::Auto), &request);
    // As seen: the colour of a transparent pixel is arbitrary, so premultiplied values in [-1, 1] are compared.
    let (a, b) = (formats::picture::premultiply(&a[0].pixels), formats::picture::premultiply(&b[0].pixels));
    let error: f64 = a.iter().zip(&b).map(|(x, y)| f64::from(x - y).powi(2)).sum::<f64>();
    let psnr = 10.0 * (4.0 * a.len() as f64 / error.max(1e-9)).log10();
    assert!(psnr >= 30.0, "{psnr} dB");
}

#[test]
fn events_come_in_order_and_cancelling_stops() {
    let mut engine = fresh(1, PrecisionChoice::Auto);
    let mut seen = Vec::new();
    engine
        .generate(
            &Request { count: 2, ..request() },
            &mut |event| {
                seen.push(match event {
                    Event::Started { images, steps, .. } => format!("started {images} {steps}"),
                    Event::Progress { image, step, preview, .. } => {
                        assert_eq!(preview.pixels().len(), 64 * 64 * 4);
                        format!("progress {image} {step}")
                    }
                    Event::Image { index, .. } => format!("image {index}"),
                    Event::Done { images, .. } => format!("done {images}"),
                })
            },
            &CancelToken::new(),
        )
        .unwrap();
    assert_eq!(seen.first().unwrap(), "started 2 4");
    assert_eq!(seen.iter().filter(|s| s.starts_with("progress")).count(), 8);
    assert_eq!(&seen[seen.len() - 3..], ["image 0", "image 1", "done 2"]);

    let cancel = CancelToken::new();
    let mut steps = 0;
    let result = engine.generate(
        &request(),
        &mut |event| {
            if let Event::Progress { .. } = event {
                steps += 1;
                if steps == 2 {
                    cancel.cancel();
                }
            }
        },
        &cancel,
    );
    assert!(matches!(result, Err(EngineError::Cancelled)));
    assert_eq!(steps, 2);
    // The next job is as in a fresh process.
    assert_eq!(draw(&mut engine, &request()), draw(&mut fresh(1, PrecisionChoice::Auto), &request()));
}

#[test]
fn files_round_trip_and_pictures_verify() {
    let folder = tempfile::tempdir().unwrap();
    let (info, parameters) = tiny();
    let path = folder.path().join("model.safetensors");
    let sha256 = engine::model::write(&path, &info, &parameters).unwrap();
    let name = folder.path().to_str().unwrap();
    let model = engine::store::open(name).unwrap();
    assert_eq!((&model.info, &model.sha256), (&info, &sha256));

    let mut from_file = Engine::new(&model, &Options { threads: Some(2), ..Options::default() }).unwrap();
    let images = draw(&mut from_file, &request());
    assert_eq!(images[0].pixels, draw(&mut fresh(1, PrecisionChoice::Auto), &request())[0].pixels);

    let picture = folder.path().join("out.png");
    std::fs::write(&picture, images[0].png().unwrap()).unwrap();
    let verify =
        |path: &std::path::Path| engine::verify(path, Some(name), None, Some(1), &mut |_| {}, &CancelToken::new());
    let outcome = verify(&picture).unwrap();
    assert!(outcome.is_equal());
    assert_eq!(outcome.recipe, images[0].recipe);

    // One changed pixel is found; so is another model, and a picture without a recipe.
    let mut forged = images[0].clone();
    forged.pixels[17] ^= 1;
    std::fs::write(&picture, forged.png().unwrap()).unwrap();
    assert_eq!(verify(&picture).unwrap().different_pixels, 1);
    forged.recipe.model_sha256 = "0".repeat(64);
    std::fs::write(&picture, forged.png().unwrap()).unwrap();
    assert!(verify(&picture).unwrap_err().to_string().contains("--model"));
    let changes: [fn(&mut Recipe); 3] = [|r| r.isa = "z80".into(), |r| r.steps = 0, |r| r.text_encoder_sha256.clear()];
    for change in changes {
        let mut forged = images[0].clone();
        change(&mut forged.recipe);
        std::fs::write(&picture, forged.png().unwrap()).unwrap();
        assert!(verify(&picture).is_err());
    }
    formats::picture::write(&picture, 1, 1, &[0; 4], &[]).unwrap();
    assert!(verify(&picture).unwrap_err().to_string().contains("no Calotype recipe"));
}

/// Writes a picture of 64 pixels a side and a mask whose right half is white; opens them as a start.
fn start(folder: &std::path::Path, masked: bool, strength: f32) -> Start {
    let (picture, mask) = (folder.join("start.png"), folder.join("mask.png"));
    let pixel = |i: usize| [(i % 64 * 3) as u8, (i / 64 * 3) as u8, 90, (255 - i % 7) as u8];
    let pixels: Vec<u8> = (0..64 * 64).flat_map(pixel).collect();
    formats::picture::write(&picture, 64, 64, &pixels, &[]).unwrap();
    let shade = |i: usize| if i % 64 < 32 { 0 } else { 255 };
    let shades: Vec<u8> = (0..64 * 64).flat_map(|i| [shade(i), shade(i), shade(i), 255]).collect();
    formats::picture::write(&mask, 64, 64, &shades, &[]).unwrap();
    Start::open(&picture, masked.then_some(mask.as_path()), strength).unwrap()
}

#[test]
fn pictures_are_developed_from_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let from = |masked, strength| Request { start: Some(start(folder.path(), masked, strength)), ..request() };
    let mut engine = fresh(2, PrecisionChoice::Auto);
    // Alone and together, with any number of threads.
    for sampler in Sampler::ALL {
        let request = Request { sampler, count: 3, ..from(true, 0.7) };
        let images = draw(&mut engine, &request);
        assert_eq!(draw(&mut fresh(1, PrecisionChoice::Auto), &request), images, "{sampler}");
        assert_eq!(draw(&mut engine, &Request { seed: 6, count: 1, ..request.clone() })[0], images[1]);
        // What the mask keeps is kept to the byte, also under nearly transparent pixels; the rest is drawn anew.
        let original = formats::picture::read(&folder.path().join("start.png")).unwrap().pixels;
        for (i, (old, new)) in original.chunks_exact(4).zip(images[0].pixels.chunks_exact(4)).enumerate() {
            assert!(i % 64 >= 32 || old == new, "pixel {i}");
        }
        assert!(original.chunks_exact(4).zip(images[0].pixels.chunks_exact(4)).filter(|(a, b)| a != b).count() > 1500);
    }
    // All the noise is a new picture; little of it, a picture near the old one.
    assert_eq!(draw(&mut engine, &from(false, 1.0))[0].pixels, draw(&mut engine, &request())[0].pixels);
    assert_ne!(draw(&mut engine, &from(false, 0.5))[0].pixels, draw(&mut engine, &request())[0].pixels);
    for bad in [0.0, -1.0, 1.1, f32::NAN] {
        let error = engine.generate(&from(false, bad), &mut |_| {}, &CancelToken::new()).unwrap_err().to_string();
        assert!(error.starts_with("strength"), "{error}");
    }
}

#[test]
fn enlarged_pictures_are_the_same_for_any_threads_and_company_and_verify() {
    let folder = tempfile::tempdir().unwrap();
    let (info, parameters) = tiny();
    engine::model::write(&folder.path().join("model.safetensors"), &info, &parameters).unwrap();
    let name = folder.path().to_str().unwrap();
    let size = |width, height| Some(Size { width, height });
    for (size, enlarge) in [(None, None), (size(128, 64), Some(2)), (size(90, 120), None)] {
        let request = Request { size, enlarge, count: 3, ..request() };
        let images = draw(&mut fresh(1, PrecisionChoice::Auto), &request);
        assert_eq!(images[0].size, size.unwrap_or(Size::square(256)));
        for threads in [2, 3] {
            assert_eq!(draw(&mut fresh(threads, PrecisionChoice::Auto), &request), images);
        }
        let mut engine = Engine::new(&engine::store::open(name).unwrap(), &Options::default()).unwrap();
        let alone = &draw(&mut engine, &Request { seed: 6, count: 1, ..request })[0];
        assert_eq!(alone.pixels, images[1].pixels);
        let picture = folder.path().join("out.png");
        std::fs::write(&picture, alone.png().unwrap()).unwrap();
        assert!(engine::verify(&picture, Some(name), None, None, &mut |_| {}, &CancelToken::new()).unwrap().is_equal());
    }
    // What a mask keeps is kept to the byte at the larger size.
    let request = Request { start: Some(start(folder.path(), true, 0.7)), enlarge: Some(2), ..request() };
    let kept = formats::picture::read(&folder.path().join("start.png")).unwrap().pixels;
    let image = &draw(&mut fresh(2, PrecisionChoice::Auto), &request)[0];
    assert_eq!(image.size, Size::square(64));
    for (i, (old, new)) in kept.chunks_exact(4).zip(image.pixels.chunks_exact(4)).enumerate() {
        assert!(i % 64 >= 32 || old == new, "pixel {i}");
    }
}

/// The model's square in a picture of another size: nothing is beside it, or what the picture to start from has there.
#[test]
fn a_square_is_fitted_into_other_sizes() {
    let request = || Request { enlarge: None, ..self::request() };
    let folder = tempfile::tempdir().unwrap();
    let (info, parameters) = tiny();
    engine::model::write(&folder.path().join("model.safetensors"), &info, &parameters).unwrap();
    let name = folder.path().to_str().unwrap();
    let mut engine = Engine::new(&engine::store::open(name).unwrap(), &Options::default()).unwrap();
    let size = Size { width: 64, height: 100 };
    let image = draw(&mut engine, &Request { size: Some(size), ..request() }).remove(0);
    let square = draw(&mut engine, &Request { size: Some(Size::square(64)), ..request() }).remove(0);
    let row = 4 * 64;
    let (above, rest) = image.pixels.split_at(18 * row);
    let (middle, below) = rest.split_at(64 * row);
    assert_eq!(middle, square.pixels, "64 pixels are neither enlarged nor scaled");
    assert!(above.iter().chain(below).all(|&value| value == 0) && below.len() == 18 * row);

    let colours = |x: u32, y: u32| image::Rgba([(3 * x) as u8, (2 * y) as u8, 90, 255]);
    let (picture, mask) = (folder.path().join("tall.png"), folder.path().join("tall-mask.png"));
    let tall = image::RgbaImage::from_fn(64, 100, colours);
    tall.save(&picture).unwrap();
    image::GrayImage::from_fn(64, 100, |x, _| image::Luma([if x < 20 { 0 } else { 255 }])).save(&mask).unwrap();
    let start = || Some(Start::open(&picture, Some(&mask), 0.7).unwrap());
    let anew = draw(&mut engine, &Request { size: Some(size), start: start(), ..request() }).remove(0);
    assert_eq!(anew.size, size);
    for (i, (old, new)) in tall.as_raw().chunks_exact(4).zip(anew.pixels.chunks_exact(4)).enumerate() {
        let is_drawn = (18..82).contains(&(i / 64)) && i % 64 >= 20;
        assert!(is_drawn || old == new, "pixel {i}");
    }
    assert_ne!(anew.pixels, *tall.as_raw());
    let path = folder.path().join("anew.png");
    std::fs::write(&path, anew.png().unwrap()).unwrap();
    assert!(engine::verify(&path, Some(name), start(), None, &mut |_| {}, &CancelToken::new()).unwrap().is_equal());
    // Without a size: that of a picture with nothing beside its square, else the usual one.
    let usual = draw(&mut engine, &Request { start: start(), ..request() }).remove(0);
    assert_ne!(usual.size, size);
    std::fs::write(&path, image.png().unwrap()).unwrap();
    let own = Some(Start::open(&path, None, 0.7).unwrap());
    assert_eq!(draw(&mut engine, &Request { start: own, ..request() }).remove(0).size, size);
}

#[test]
fn a_developed_picture_verifies_with_what_it_came_from() {
    let folder = tempfile::tempdir().unwrap();
    let (info, parameters) = tiny();
    engine::model::write(&folder.path().join("model.safetensors"), &info, &parameters).unwrap();
    let name = folder.path().to_str().unwrap();
    let mut engine = Engine::new(&engine::store::open(name).unwrap(), &Options::default()).unwrap();
    let request = Request { start: Some(start(folder.path(), true, 0.5)), ..request() };
    let picture = folder.path().join("out.png");
    std::fs::write(&picture, draw(&mut engine, &request)[0].png().unwrap()).unwrap();
    let verify = |start| engine::verify(&picture, Some(name), start, Some(1), &mut |_| {}, &CancelToken::new());
    // The strength is the recipe's.
    assert!(verify(Some(start(folder.path(), true, 1.0))).unwrap().is_equal());
    assert!(verify(None).unwrap_err().to_string().contains("--vary"));
    assert!(verify(Some(start(folder.path(), false, 0.5))).unwrap_err().to_string().contains("--mask"));
    let other = Start::open(&folder.path().join("mask.png"), Some(&folder.path().join("mask.png")), 0.5).unwrap();
    assert!(verify(Some(other)).unwrap_err().to_string().contains("another picture"));
}

#[test]
fn broken_models_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let name = path.to_str().unwrap();
    let (info, parameters) = tiny();
    engine::model::write(&path, &info, &parameters).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for length in [0, 7, 8, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(matches!(engine::store::open(name), Err(EngineError::File(_))), "{length}");
    }
    let deeper = ModelInfo { config: jit::Config { blocks: 3, ..info.config.clone() }, ..info.clone() };
    engine::model::write(&path, &deeper, &parameters).unwrap();
    assert!(engine::store::open(name).unwrap_err().to_string().contains("missing (blocks.2."));
    let wider = ModelInfo { config: jit::Config { stem: 48, ..info.config.clone() }, ..info.clone() };
    engine::model::write(&path, &wider, &parameters).unwrap();
    assert!(engine::store::open(name).unwrap_err().to_string().contains("of wrong shape (stem.0.weight"));

    let mut infinite = parameters.clone();
    infinite.data_mut("blocks.1.mlp.up.weight").unwrap()[5] = f32::NAN;
    engine::model::write(&path, &info, &infinite).unwrap();
    let model = engine::store::open(name).unwrap();
    let error = Engine::new(&model, &Options::default()).err().unwrap().to_string();
    assert!(error.contains("blocks.1.mlp.up.weight"), "{error}");

    assert!(matches!(engine::store::open("no-such-model"), Err(EngineError::UnknownModel { .. })));
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(engine::store::open(empty.path().to_str().unwrap()), Err(EngineError::NoModelFile { .. })));
}

#[test]
fn the_last_prediction_is_made_at_three_places_if_it_is_late() {
    let mut engine = fresh(2, PrecisionChoice::Auto);
    let late = Request { steps: 8, ..request() };
    let together = draw(&mut engine, &Request { count: 3, ..late.clone() });
    for (i, image) in together.iter().enumerate() {
        let again = Request { seed: 5 + i as u64, ..late.clone() };
        assert_eq!(&draw(&mut fresh(3 - i, PrecisionChoice::Auto), &again)[0], image, "picture {i}");
        assert_eq!(draw(&mut engine, &image.recipe.request())[0].pixels, image.pixels, "picture {i}");
    }
    let each = [1, 2, 3].map(|shifts| draw(&mut engine, &Request { shifts: Some(shifts), ..late.clone() }).remove(0));
    assert_eq!(each[2], together[0]);
    assert!(each[0].pixels != each[1].pixels && each[1].pixels != each[2].pixels);
    // Half-way to noise a picture at another place would be another picture.
    let early = [1, 3].map(|shifts| draw(&mut engine, &Request { shifts: Some(shifts), ..request() }).remove(0).pixels);
    assert_eq!(early[0], early[1]);
    let refused = engine.generate(&Request { shifts: Some(4), ..late }, &mut |_| {}, &CancelToken::new()).unwrap_err();
    assert!(refused.to_string().starts_with("shifts"), "{refused}");
    // Pictures made before this say nothing of it.
    let mut recipe = serde_json::to_value(&each[0].recipe).unwrap();
    recipe.as_object_mut().unwrap().remove("shifts").unwrap();
    let recipe: Recipe = serde_json::from_value(recipe).unwrap();
    assert_eq!(draw(&mut engine, &recipe.request())[0].pixels, each[0].pixels);
}

/// As [`fresh`], of a network that is told the step's length.
fn quick(threads: usize) -> Engine {
    let (info, _) = tiny();
    let config = jit::Config { step_length: true, ..info.config };
    let parameters = parameters(&config);
    let model = Model::from_parameters(ModelInfo { config, ..info }, parameters).unwrap();
    let options = Options { threads: Some(threads), precision: PrecisionChoice::Auto, isa: None };
    Engine::new(&model, &options).unwrap()
}

#[test]
fn late_predictions_are_finished() {
    let (info, mut trained) = tiny();
    let engine = |config: &jit::Config, trained: &Parameters| {
        let mut own = Parameters::new();
        for spec in jit::parameters(config) {
            own.insert(&spec.name, &spec.shape, trained.get(&spec.name).unwrap().data.clone()).unwrap();
        }
        let model = Model::from_parameters(ModelInfo { config: config.clone(), ..info.clone() }, own).unwrap();
        Engine::new(&model, &Options { threads: Some(2), ..Options::default() }).unwrap()
    };
    let without = jit::Config { finish_width: 0, ..info.config.clone() };
    let early = Request { schedule: Schedule::Shifted(4.0), steps: 2, ..request() };
    let (mut plain, mut finishing) = (engine(&without, &trained), engine(&info.config, &trained));
    assert_ne!(draw(&mut plain, &request())[0].pixels, draw(&mut finishing, &request())[0].pixels);
    // Its two predictions are made at the times 1 and 0.8.
    assert_eq!(draw(&mut plain, &early)[0].pixels, draw(&mut finishing, &early)[0].pixels);
    for (name, _, data) in trained.iter_mut() {
        if name.starts_with("finish.output") {
            data.fill(0.0);
        }
    }
    let mut idle = engine(&info.config, &trained);
    assert_eq!(draw(&mut plain, &request())[0].pixels, draw(&mut idle, &request())[0].pixels);
}

#[test]
fn early_predictions_are_the_experts() {
    let (info, trained) = tiny();
    let config = jit::Config { early: true, ..info.config.clone() };
    let expert = jit::early::begin(&config, &trained).unwrap();
    let engine = |config: &jit::Config, change: f32| {
        let mut all = trained.clone();
        for parameter in expert.iter().filter(|_| config.early) {
            let name = format!("{}{}", jit::early::PREFIX, parameter.name);
            let data = parameter.data.iter().map(|value| change * value).collect();
            all.insert(&name, &parameter.shape, data).unwrap();
        }
        let model = Model::from_parameters(ModelInfo { config: config.clone(), ..info.clone() }, all).unwrap();
        Engine::new(&model, &Options { threads: Some(2), ..Options::default() }).unwrap()
    };
    let (mut plain, mut alike, mut other) = (engine(&info.config, 1.0), engine(&config, 1.0), engine(&config, 0.9));
    // Late steps alone, and all.
    let folder = tempfile::tempdir().unwrap();
    let late = Request { start: Some(start(folder.path(), false, 0.6)), ..request() };
    for request in [&late, &request()] {
        let expected = draw(&mut plain, request);
        assert_eq!(draw(&mut alike, request)[0].pixels, expected[0].pixels);
        assert_eq!(draw(&mut other, request)[0].pixels == expected[0].pixels, request.start.is_some());
    }
    let together = draw(&mut other, &Request { count: 3, ..request() });
    assert_eq!(draw(&mut other, &Request { seed: 7, ..request() })[0], together[2]);
}

#[test]
fn few_steps_are_taken_where_they_were_learned_and_nothing_else_is_asked() {
    let mut engine = quick(2);
    let plain = Request { negative: String::new(), ..request() };
    let image = draw(&mut engine, &plain).remove(0);
    assert!(image.recipe.turbo);
    assert_eq!(draw(&mut engine, &Request { turbo: Some(true), ..plain.clone() })[0], image);
    // The recipe asks for the same picture, whoever draws it.
    assert_eq!(draw(&mut quick(1), &image.recipe.request())[0].pixels, image.pixels);
    let together = draw(&mut quick(3), &Request { seed: 3, count: 5, ..plain.clone() });
    assert_eq!(together[2].pixels, image.pixels);
    for other in [
        Request { turbo: Some(false), ..plain.clone() },
        Request { steps: 5, ..plain.clone() },
        Request { guidance: 2.0, ..plain.clone() },
        Request { sampler: Sampler::Euler, ..plain.clone() },
        request(),
    ] {
        let drawn = draw(&mut engine, &other).remove(0);
        assert!(!drawn.recipe.turbo && drawn.pixels != image.pixels, "{other:?}");
        assert_eq!(draw(&mut engine, &drawn.recipe.request())[0].pixels, drawn.pixels);
    }
    // A network that is not told the length cannot tell them apart.
    assert!(!draw(&mut fresh(2, PrecisionChoice::Auto), &plain)[0].recipe.turbo);
}

#[test]
fn few_steps_that_cannot_be_taken_are_refused() {
    let refused = |mut engine: Engine, request: Request| {
        engine.generate(&request, &mut |_| {}, &CancelToken::new()).unwrap_err().to_string()
    };
    let turbo = Request { turbo: Some(true), negative: String::new(), ..request() };
    for (message, expected) in [
        (refused(fresh(1, PrecisionChoice::Auto), turbo.clone()), "tiny has not learned"),
        (refused(quick(1), Request { steps: 3, ..turbo.clone() }), "1, 2 or 4"),
        (refused(quick(1), Request { guidance: 1.0, ..turbo.clone() }), "guidance"),
        (refused(quick(1), Request { negative: "blue".into(), ..turbo }), "negative"),
    ] {
        assert!(message.starts_with("turbo") && message.contains(expected), "{message}");
    }
}
