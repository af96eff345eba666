//! A Stable Diffusion checkpoint in the folder of models, through every interface: the same pixels as the engine's, its own
//! options, previews, masks, and what is refused.

#[path = "../../../engine/tests/common/mod.rs"]
mod common;

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::stable_diffusion::{Checkpoint, Pipeline};
use engine::{CancelToken, Options, Order};
use formats::picture::{PARAMETERS_KEY, RECIPE_KEY, decode};
use image::{GrayImage, Luma, RgbaImage};
use serde_json::{Value, json};

use crate::support::{Server, one_at_a_time};

/// A server that has a tiny checkpoint as `tiny`.
fn server(data: &Path) -> Server {
    std::fs::create_dir_all(data.join("models")).unwrap();
    std::fs::rename(common::folder("sd1").keep(), data.join("models/tiny")).unwrap();
    Server::start(data)
}

fn png(image: impl Into<image::DynamicImage>) -> String {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    STANDARD.encode(bytes.into_inner())
}

fn first_picture(reply: &Value) -> Vec<u8> {
    STANDARD.decode(reply["images"][0].as_str().unwrap_or_else(|| panic!("no picture: {reply}"))).unwrap()
}

#[test]
fn a_checkpoint_is_drawn_as_the_engine_draws_it() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    let models = server.get("/api/v1/models").json();
    let tiny = models.as_array().unwrap().iter().find(|model| model["name"] == "tiny").unwrap();
    assert_eq!((&tiny["family"], &tiny["usable"]), (&"sd1".into(), &true.into()), "{tiny}");

    let order = json!({
        "model": "tiny", "prompt": "a red fox", "negative": "blurry", "seed": 9, "steps": 4, "count": 2, "size": "48x64",
        "sampler": "euler_ancestral", "schedule": "karras", "clip_skip": 2, "rng": "nv",
    });
    let plan = server.post("/api/v1/plan", &order).json();
    assert!(plan["peak_memory_bytes"].as_u64() > Some(1 << 20) && plan["seconds"].as_f64() > Some(0.0), "{plan}");
    let job = server.post("/api/v1/jobs", &order).json();
    let job = server.wait(job["id"].as_str().unwrap_or_else(|| panic!("{job}")));
    assert_eq!(job["state"], "done", "{job}");

    let checkpoint = Checkpoint::open(&folder.path().join("models/tiny"), None).unwrap();
    let order: Order = serde_json::from_value(job["request"].clone()).unwrap();
    let request = order.stable_diffusion_request(&checkpoint.architecture, None, false).unwrap();
    let mut own = Pipeline::new(checkpoint, None, &Options { threads: Some(2), ..Options::default() }).unwrap();
    let images = own.generate(&request, &mut |_| {}, &CancelToken::new()).unwrap();
    assert_eq!(images.len(), 2);
    for (image, asset) in images.iter().zip(job["assets"].as_array().unwrap()) {
        let found = decode(&server.get(asset["url"].as_str().unwrap()).body).unwrap();
        assert_eq!(found.pixels, image.pixels, "the server draws other pixels than the engine");
        assert!(found.text(RECIPE_KEY).is_some_and(|recipe| recipe.contains("sd1")));
    }
    let refused = server.post("/api/v1/jobs", &json!({ "model": "tiny", "prompt": "a", "size": "50x64" }));
    assert_eq!((refused.status, &refused.json()["error"]["field"]), (400, &"size".into()), "{}", refused.text());
    let refused = server.post("/api/v1/jobs", &json!({ "prompt": "a", "clip_skip": 2 }));
    assert_eq!(refused.status, 400, "{}", refused.text());
}

#[test]
fn a_checkpoint_answers_clients_of_other_servers() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    let asked = json!({
        "prompt": "a red fox", "negative_prompt": "blurry", "seed": 9, "steps": 3, "cfg_scale": 5.5, "width": 48, "height": 64,
        "sampler_name": "Euler a", "scheduler": "Karras",
        "override_settings": { "sd_model_checkpoint": "tiny", "CLIP_stop_at_last_layers": 2 },
    });
    let drawn = first_picture(&server.post("/sdapi/v1/txt2img", &asked).json());
    let picture = decode(&drawn).unwrap();
    let text = picture.text(PARAMETERS_KEY).unwrap();
    for part in
        ["Negative prompt: blurry", "Sampler: Euler a", "CFG scale: 5.5", "Seed: 9", "Size: 48x64", "Clip skip: 2"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let again = first_picture(&server.post("/sdapi/v1/txt2img", &asked).json());
    assert_eq!(decode(&again).unwrap().pixels, picture.pixels);

    let given = RgbaImage::from_fn(48, 64, |x, y| image::Rgba([(5 * x) as u8, (3 * y) as u8, 90, 255]));
    let mask = GrayImage::from_fn(48, 64, |x, _| Luma([if x >= 24 { 255 } else { 0 }]));
    let mut repaint = asked.clone();
    let more = json!({
        "init_images": [png(given.clone())], "mask": png(mask), "mask_blur": 0, "inpaint_full_res": false,
        "inpainting_fill": 1, "denoising_strength": 0.7,
    });
    repaint.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let painted = decode(&first_picture(&server.post("/sdapi/v1/img2img", &repaint).json())).unwrap();
    let half = |pixels: &[u8], right: bool| -> Vec<u8> {
        let side = |i: &usize| (i / 4 % 48 >= 24) == right;
        (0..pixels.len()).filter(side).map(|i| pixels[i]).collect()
    };
    assert_eq!(half(&painted.pixels, false), half(given.as_raw(), false), "what the mask keeps has changed");
    assert_ne!(half(&painted.pixels, true), half(given.as_raw(), true));

    let asked = json!({ "model": "tiny", "prompt": "a red fox", "size": "64x64", "seed": 9, "steps": 3, "n": 2 });
    let reply = server.post("/v1/images/generations", &asked).json();
    let pictures = reply["data"].as_array().unwrap_or_else(|| panic!("{reply}"));
    assert_eq!(pictures.len(), 2);
    for picture in pictures {
        let found = decode(&STANDARD.decode(picture["b64_json"].as_str().unwrap()).unwrap()).unwrap();
        assert_eq!((found.width, found.height), (64, 64));
    }
    let usual = server.post("/v1/images/generations", &json!({ "model": "tiny", "prompt": "a fox", "steps": 1 }));
    assert_eq!(usual.status, 200, "{}", usual.text());
}
