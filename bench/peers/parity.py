"""Whole pictures of SD 1.5 and SDXL in their real configurations, drawn by diffusers (f32) and by Calotype (f32 and bf16).

No public weights are needed: random ones with the variance that keeps signals alive show every difference that real ones would.
The models are written once to --folder as diffusers saves them (SD 1.5: 4.3 GB, SDXL: 5.2 GB in f16, read as f32 by both).

    python -m venv venv && venv/bin/pip install torch==2.15.0 diffusers==0.42.1 transformers open_clip_torch==3.3.0 safetensors pillow
    venv/bin/python bench/peers/parity.py --folder /tmp/parity --model sd15 --size 256 --steps 20
"""

import argparse
import concurrent.futures
import csv
import datetime
import gc
import json
import math
import multiprocessing
import pathlib
import subprocess
import time

import numpy as np
import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from open_clip import SimpleTokenizer
from PIL import Image
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

HERE = pathlib.Path(__file__).parent
PROMPT, NEGATIVE, SEED = "a red fox in the snow, oil painting", "blurry", 7
VAE = dict(
    block_out_channels=[128, 256, 512, 512], layers_per_block=2, latent_channels=4,
    down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
)
SD15 = dict(
    block_out_channels=[320, 640, 1280, 1280], attention_head_dim=8, cross_attention_dim=768, sample_size=64,
    down_block_types=["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    up_block_types=["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
)
SDXL = dict(
    block_out_channels=[320, 640, 1280], attention_head_dim=[5, 10, 20], cross_attention_dim=2048, sample_size=128,
    transformer_layers_per_block=[1, 2, 10], use_linear_projection=True, addition_embed_type="text_time",
    addition_time_embed_dim=256, projection_class_embeddings_input_dim=2816,
    down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
)
SCHEDULER = dict(
    beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="trailing", steps_offset=1
)


def text(width, heads, layers, act, projection):
    return CLIPTextConfig(
        vocab_size=49408, hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers,
        num_attention_heads=heads, hidden_act=act, projection_dim=projection, bos_token_id=49406, eos_token_id=49407,
        pad_token_id=1,
    )


def fill(model):
    """Weights of variance 1 / fan in, rounded to f16 so that both sides read the same numbers from any file."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() == 1:
                p.fill_(float(name.endswith("weight")))
            else:
                p.copy_((torch.randn(p.shape) / math.sqrt(math.prod(p.shape[1:]))).half().float())
    return model.eval()


def write(folder, kind):
    torch.manual_seed(0)
    xl = kind == "sdxl"
    half = torch.float16 if xl else torch.float32
    parts = [
        ("unet", lambda: UNet2DConditionModel(**(SDXL if xl else SD15))),
        ("vae", lambda: AutoencoderKL(**VAE, scaling_factor=0.13025 if xl else 0.18215)),
        ("text_encoder", lambda: CLIPTextModel(text(768, 12, 12, "quick_gelu", 768))),
    ]
    if xl:
        parts.append(("text_encoder_2", lambda: CLIPTextModelWithProjection(text(1280, 20, 32, "gelu", 1280))))
    for name, make in parts:
        fill(make()).to(half).save_pretrained(folder / name)
        gc.collect()
    EulerDiscreteScheduler(**SCHEDULER).save_pretrained(folder / "scheduler")
    index = {"_class_name": "StableDiffusionXLPipeline" if xl else "StableDiffusionPipeline"}
    classes = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL"}
    for name, _ in parts:
        library = "diffusers" if name in classes else "transformers"
        index[name] = [library, classes.get(name, "CLIPTextModelWithProjection" if name.endswith("2") else "CLIPTextModel")]
    index["scheduler"] = ["diffusers", "EulerDiscreteScheduler"]
    (folder / "model_index.json").write_text(json.dumps(index, indent=1))


def ids(prompt, padding):
    words = SimpleTokenizer().encode(prompt)[:75]
    return torch.tensor([[49406, *words, 49407] + [padding] * (75 - len(words))])


def states(folder, prompt, xl):
    first = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32)
    with torch.no_grad():
        out = first(ids(prompt, 49407), output_hidden_states=True)
        if not xl:
            return out.last_hidden_state, None
        second = CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder_2", dtype=torch.float32)
        other = second(ids(prompt, 0), output_hidden_states=True)
    return torch.cat([out.hidden_states[-2], other.hidden_states[-2]], -1), other.text_embeds


def reference(folder, kind, size, steps, threads):
    """The picture `[H, W, 3]` of bytes, and seconds. Writes the model first, if it is not there."""
    torch.set_num_threads(threads)
    if not (folder / "model_index.json").exists():
        write(folder, kind)
    xl = kind == "sdxl"
    positive, pooled = states(folder, PROMPT, xl)
    negative, pooled_negative = states(folder, NEGATIVE, xl)
    gc.collect()
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32)
    vae = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32)
    scheduler = EulerDiscreteScheduler.from_pretrained(folder / "scheduler")
    call = dict(
        prompt_embeds=positive, negative_prompt_embeds=negative, num_inference_steps=steps, guidance_scale=7.0,
        generator=torch.Generator("cpu").manual_seed(SEED), output_type="latent", height=size, width=size,
    )
    begin = time.perf_counter()
    if xl:
        pipe = StableDiffusionXLPipeline(
            vae=vae, unet=unet, scheduler=scheduler, text_encoder=None, tokenizer=None, text_encoder_2=None,
            tokenizer_2=None, add_watermarker=False,
        )
        latent = pipe(**call, pooled_prompt_embeds=pooled, negative_pooled_prompt_embeds=pooled_negative,
                      original_size=(size, size), target_size=(size, size)).images
    else:
        pipe = StableDiffusionPipeline(
            vae=vae, unet=unet, scheduler=scheduler, text_encoder=None, tokenizer=None, safety_checker=None,
            feature_extractor=None, requires_safety_checker=False,
        )
        latent = pipe(**call).images
    with torch.no_grad():
        decoded = vae.decode(latent / vae.config.scaling_factor).sample
    print("latent deviation", float(latent.std()), "share inside the range", float((decoded.abs() < 1).float().mean()))
    picture = ((decoded / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
    return picture[0].permute(1, 2, 0).numpy(), time.perf_counter() - begin


def own(program, folder, size, steps, precision, threads):
    out = folder / f"calotype-{size}-{precision}.png"
    command = [program, "generate", PROMPT, "--negative", NEGATIVE, "--model", str(folder), "--size", f"{size}x{size}", "--steps",
               str(steps), "--guidance", "7", "--sampler", "euler", "--schedule", "trailing", "--seed", str(SEED), "--rng", "cpu",
               "--precision", precision, "--threads", str(threads), "-o", str(out)]
    begin = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return np.asarray(Image.open(out).convert("RGB")), time.perf_counter() - begin


def psnr(a, b):
    error = np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2)
    return float("inf") if error == 0 else 10 * math.log10(255**2 / error)


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("--folder", type=pathlib.Path, required=True)
    parse.add_argument("--model", choices=["sd15", "sdxl"], default="sd15")
    parse.add_argument("--size", type=int, default=256)
    parse.add_argument("--steps", type=int, default=20)
    parse.add_argument("--threads", type=int, default=2)
    parse.add_argument("--program", default="target/release/calotype")
    parse.add_argument("--record", action="store_true", help="add the lines to a table in bench/runs")
    args = parse.parse_args()
    folder = args.folder / args.model
    # A process of its own gives all its memory back: SDXL in f32 does not fit twice.
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other:
        expected, seconds = other.submit(reference, folder, args.model, args.size, args.steps, args.threads).result()
    Image.fromarray(expected).save(folder / f"diffusers-{args.size}.png")
    rows = [[args.model, args.size, args.steps, "diffusers f32", f"{seconds:.1f}", ""]]
    for precision in ["f32", "bf16"]:
        picture, seconds = own(args.program, folder, args.size, args.steps, precision, args.threads)
        rows.append([args.model, args.size, args.steps, f"calotype {precision}", f"{seconds:.1f}", f"{psnr(picture, expected):.1f}"])
    for row in rows:
        print(",".join(map(str, row)))
    if args.record:
        path = HERE.parent / "runs" / f"{datetime.date.today().isoformat()}-parity.csv"
        fresh = not path.exists()
        with path.open("a", newline="") as file:
            table = csv.writer(file)
            if fresh:
                table.writerow(["model", "size", "steps", "program", "seconds", "psnr_db"])
            table.writerows(rows)


if __name__ == "__main__":
    main()
