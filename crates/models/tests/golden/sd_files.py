"""What published Stable Diffusion files have in their headers: every tensor's name, shape and type.

    pip install torch==2.15.0 transformers==5.24.0 open_clip_torch==3.3.0 && python sd_files.py

writes sd_files.txt.gz, beside itself:
* for each text encoder a line `= MODEL`, then one line a tensor, `NAME SHAPE TYPE`, from the libraries' own models on the
  meta device; types of weights are `W`, to be replaced by the type of the file;
* for each file a line `> FILE`, then `@ MODEL PREFIX LAYOUT TYPE` for a model of this file or of sd_names.txt.gz (`sd.py`),
  and one line for each other tensor. The files of a folder of diffusers have its name before a slash.

What single files have beside their models follows the buffers of CompVis's `DDPM` (`ddpm.py`) and its `LitEma` (`ema.py`).
"""

import gzip
from pathlib import Path

import open_clip
import torch
from open_clip.transformer import TextTransformer
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

HERE = Path(__file__).parent


def transformers_model(width, layers, heads, projection):
    config = CLIPTextConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        projection_dim=width,
    )
    with torch.device("meta"):
        model = CLIPTextModelWithProjection(config)
    shapes = {"text_model." + n: list(p.shape) for n, p in model.text_model.named_parameters()}
    if projection:
        shapes["text_projection.weight"] = list(model.text_projection.weight.shape)
    return shapes


def bare_model():
    """What transformers 5 saves: names without `text_model.`."""
    with torch.device("meta"):
        model = CLIPTextModel(
            CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12)
        )
    shapes = {n: list(p.shape) for n, p in model.named_parameters()}
    assert "final_layer_norm.weight" in shapes
    return shapes


def open_clip_model(name):
    config = open_clip.get_model_config(name)
    text = config["text_cfg"]
    with torch.device("meta"):
        model = TextTransformer(
            context_length=text["context_length"],
            vocab_size=text["vocab_size"],
            width=text["width"],
            heads=text["heads"],
            layers=text["layers"],
            output_dim=config["embed_dim"],
        )
    return {n: list(p.shape) for n, p in model.named_parameters()} | {"logit_scale": []}


def shown(shape):
    return "x".join(map(str, shape)) or "scalar"


IDS = "text_model.embeddings.position_ids 1x77 I64"
TEXTS = {
    "clip_l": (transformers_model(768, 12, 12, False), []),
    # Files that were saved before version 4.31 of transformers have the positions too.
    "clip_l_ids": (transformers_model(768, 12, 12, False), [IDS]),
    "clip_l_bare": (bare_model(), []),
    "clip_h_short": (transformers_model(1024, 23, 16, False), []),
    "clip_h_short_ids": (transformers_model(1024, 23, 16, False), [IDS]),
    "clip_g": (transformers_model(1280, 32, 20, True), []),
    "open_clip_h": (open_clip_model("ViT-H-14"), []),
    "open_clip_g": (open_clip_model("ViT-bigG-14"), []),
}

# Buffers of DDPM.register_schedule, [1000] each; lvlb_weights is not saved.
SCHEDULE = [
    "betas",
    "alphas_cumprod",
    "alphas_cumprod_prev",
    "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod",
    "sqrt_recip_alphas_cumprod",
    "sqrt_recipm1_alphas_cumprod",
    "posterior_variance",
    "posterior_log_variance_clipped",
    "posterior_mean_coef1",
    "posterior_mean_coef2",
]
TRAINING = [f"{name} 1000 F32" for name in SCHEDULE]
# LitEma: counters, and each weight again under its name without dots.
AVERAGE = ["model_ema.decay scalar F32", "model_ema.num_updates scalar I32"]
AVERAGE += ["model_ema.diffusion_modelinput_blocks00weight 320x4x3x3 F32", "model_ema.diffusion_modelout2bias 4 F32"]

UNET, VAE = "model.diffusion_model.", "first_stage_model."
EMBEDDER = "conditioner.embedders."


def single(unet, texts, dtype, vae=None, more=()):
    lines = [f"@ {unet} {UNET} original {dtype}"]
    lines += [f"@ {text} {prefix} original {dtype}" for text, prefix in texts]
    return [*lines, f"@ vae {VAE} original {vae or dtype}", *more]


SD1 = [("clip_l_ids", "cond_stage_model.transformer.")]
SD2 = [("open_clip_h", "cond_stage_model.model.")]
SDXL = [("clip_l_ids", f"{EMBEDDER}0.transformer."), ("open_clip_g", f"{EMBEDDER}1.model.")]
REFINER = [("open_clip_g", f"{EMBEDDER}0.model.")]


def folder(name, unet, texts, dtype):
    files = {f"{name}/unet/diffusion_pytorch_model.safetensors": [f"@ {unet} - diffusers {dtype}"]}
    files[f"{name}/vae/diffusion_pytorch_model.safetensors"] = [f"@ vae - diffusers {dtype}"]
    for part, text in texts.items():
        files[f"{name}/{part}/model.safetensors"] = [f"@ {text} - diffusers {dtype}"]
    return files


FILES = {
    "v1-5-pruned-emaonly.safetensors": single("sd1", SD1, "F32", more=TRAINING),
    "v1-5-pruned.safetensors": single("sd1", SD1, "F32", more=TRAINING + AVERAGE),
    "sd-v1-5-inpainting.safetensors": single("sd1_inpaint", SD1, "F32", more=TRAINING + AVERAGE[:2]),
    "sd15-fp16-vae-fp32.safetensors": single("sd1", SD1, "F16", vae="F32"),
    "sd1-bare-text.safetensors": single("sd1", [("clip_l_bare", "cond_stage_model.transformer.")], "F16"),
    "v2-1_768-ema-pruned.safetensors": single("sd2", SD2, "F32", more=TRAINING),
    "512-inpainting-ema.safetensors": single("sd2_inpaint", SD2, "F32", more=TRAINING),
    "sd_xl_base_1.0.safetensors": single("sdxl", SDXL, "F16", more=["denoiser.sigmas 1000 F32"]),
    "sdxl-v-prediction.safetensors": single("sdxl", SDXL, "BF16", more=["v_pred 0 F32", "ztsnr 0 F32"]),
    "sdxl-fp8.safetensors": single("sdxl", SDXL, "F8_E4M3", vae="F16"),
    "sd_xl_refiner_1.0.safetensors": single("sdxl_refiner", REFINER, "F16"),
    "sdxl-unet-only.safetensors": [f"@ sdxl {UNET} original F16"],
    "vae-ft-mse-840000-ema-pruned.safetensors": ["@ vae - original F32"],
    "vae-diffusers.safetensors": ["@ vae - diffusers F32"],
    "clip_l.safetensors": ["@ clip_l - diffusers F16"],
    "clip_l_transformers_5.safetensors": ["@ clip_l_bare - diffusers F16"],
    "clip_g.safetensors": ["@ clip_g - diffusers F16"],
    "taesd.safetensors": ["@ taesd - diffusers F32"],
    "taesd_encoder.safetensors": ["@ taesd encoder| original F32"],
    "taesd_decoder.safetensors": ["@ taesd decoder| original F32"],
    **folder("stable-diffusion-v1-5", "sd1", {"text_encoder": "clip_l_ids"}, "F32"),
    **folder("stable-diffusion-2-1", "sd2", {"text_encoder": "clip_h_short_ids"}, "F32"),
    **folder("stable-diffusion-xl-base-1.0", "sdxl", {"text_encoder": "clip_l", "text_encoder_2": "clip_g"}, "F16"),
    **folder("stable-diffusion-xl-refiner-1.0", "sdxl_refiner", {"text_encoder_2": "clip_g"}, "F16"),
}


def main():
    lines = []
    for model, (shapes, more) in TEXTS.items():
        lines += [f"= {model}", *(f"{name} {shown(shape)} W" for name, shape in shapes.items()), *more]
    for file, parts in FILES.items():
        lines += [f"> {file}", *parts]
    text = "\n".join(lines) + "\n"
    (HERE / "sd_files.txt.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))


main()
