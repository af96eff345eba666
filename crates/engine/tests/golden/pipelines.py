"""Golden pictures of whole Stable Diffusion pipelines, from diffusers, in f32.

    pip install torch==2.15.0 diffusers==0.42.1 transformers open_clip_torch==3.3.0 safetensors numpy && python pipelines.py

writes, beside itself:
* pipelines.safetensors: for each case the latent `[h, w, 4]` and the picture `[H, W, 3]` in bytes.
* MODEL/…/config.json and the like: the configurations of the tiny models as diffusers saves them.

Weights are no files: both sides compute them from the tensor's name in diffusers (`values`). So are the picture and the mask
that some cases start from.
"""

import json
from pathlib import Path

import diffusers
import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from open_clip import SimpleTokenizer
from safetensors.numpy import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

HERE = Path(__file__).parent
torch.set_num_threads(1)
HEIGHT, WIDTH, STEPS, SEED = 64, 48, 20, 7
PROMPT, NEGATIVE = "a red fox in the snow, oil painting", "blurry"
LONG = "a red fox, a grey owl, a white hare and a brown bear walk in the deep snow of a dark winter forest, " * 4


def values(name, count):
    """`count` numbers in [-1, 1): splitmix64 from the FNV-1a hash of the name."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001B3 % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / 2**23 - 1


def weight(name, shape):
    u = values(name, int(np.prod(shape)))
    if len(shape) == 1:
        u = 0.2 * u + (1.0 if name.endswith("weight") else 0.0)
    else:
        u = u * (3.0 / np.prod(shape[1:])) ** 0.5
    return torch.from_numpy(u.astype(np.float32).reshape(shape))


def filled(model):
    state = model.state_dict()
    # Newer versions of transformers leave out in memory what files have.
    prefix = "text_model." if isinstance(model, CLIPTextModel) and "final_layer_norm.weight" in state else ""
    numbers = {name: weight(prefix + name, list(t.shape)) for name, t in state.items() if t.dtype == torch.float32}
    model.load_state_dict({**state, **numbers})
    return model.eval()


def unet(depths, heads, context, **more):
    kind = ["CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in depths]
    return dict(
        block_out_channels=[32, 64],
        down_block_types=kind,
        up_block_types=[k.replace("Down", "Up") for k in reversed(kind)],
        layers_per_block=1,
        transformer_layers_per_block=[max(depth, 1) for depth in depths],
        attention_head_dim=heads,
        cross_attention_dim=context,
        sample_size=8,
        **more,
    )


VAE = dict(
    block_out_channels=[32] * 4,
    down_block_types=["DownEncoderBlock2D"] * 4,
    up_block_types=["UpDecoderBlock2D"] * 4,
    layers_per_block=1,
    latent_channels=4,
)


def text(width, heads, layers, act, projection):
    return CLIPTextConfig(
        vocab_size=49408, hidden_size=width, intermediate_size=2 * width, num_hidden_layers=layers,
        num_attention_heads=heads, hidden_act=act, projection_dim=projection, bos_token_id=49406, eos_token_id=49407,
        pad_token_id=1,
    )


TEXT_L = text(32, 2, 2, "quick_gelu", 32)
TEXT_H = text(32, 2, 3, "gelu", 32)
TEXT_G = text(64, 4, 3, "gelu", 48)
XL = dict(
    use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=8,
)
EULER = dict(
    beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="trailing", steps_offset=1
)

# U-Net, text encoders with projection or not, scale of the latents, scheduler.
MODELS = {
    "sd1": (unet([1, 0], 4, 32), [(TEXT_L, False)], 0.18215, EulerDiscreteScheduler(**EULER)),
    "sd1_inpaint": (unet([1, 0], 4, 32, in_channels=9), [(TEXT_L, False)], 0.18215, EulerDiscreteScheduler(**EULER)),
    "sd1_guided": (
        unet([1, 0], 4, 32, time_cond_proj_dim=16), [(TEXT_L, False)], 0.18215, EulerDiscreteScheduler(**EULER)
    ),
    "sd2": (
        unet([1, 1], [1, 2], 32, use_linear_projection=True),
        [(TEXT_H, False)],
        0.18215,
        DPMSolverMultistepScheduler(**EULER, prediction_type="v_prediction", final_sigmas_type="zero"),
    ),
    "sdxl": (
        unet([0, 2], [2, 4], 96, projection_class_embeddings_input_dim=48 + 6 * 8, **XL),
        [(TEXT_L, False), (TEXT_G, True)],
        0.13025,
        EulerDiscreteScheduler(**EULER),
    ),
    "refiner": (
        unet([0, 1], [2, 4], 64, projection_class_embeddings_input_dim=48 + 5 * 8, **XL),
        [(TEXT_G, True)],
        0.13025,
        EulerDiscreteScheduler(**EULER),
    ),
}


def chunks(prompt, padding, least=1):
    ids = SimpleTokenizer().encode(prompt)
    found = []
    for at in range(0, max(len(ids), 1), 75):
        words = ids[at : at + 75]
        found.append([49406, *words, 49407] + [padding] * (75 - len(words)))
    while len(found) < least:
        found.append([49406, 49407] + [padding] * 75)
    return found


def states(label, encoders, prompt, least):
    """States side by side, `[1, T, D]`, and the pooled vector."""
    parts, pooled = [], None
    for encoder in encoders:
        gelu = encoder.config.hidden_act == "gelu"
        ids = torch.tensor(chunks(prompt, 0 if gelu else 49407, least))
        with torch.no_grad():
            out = encoder(ids, output_hidden_states=True)
        if label.startswith("sd1") or label == "sd2":
            part = out.last_hidden_state
        else:
            part = out.hidden_states[-2]
        parts.append(part.reshape(1, -1, part.shape[-1]))
        if isinstance(encoder, CLIPTextModelWithProjection):
            pooled = out.text_embeds[:1]
    return torch.cat(parts, -1), pooled


def start():
    """Picture `[H, W, 3]` of bytes, and mask `[H, W]`: 255 where it is drawn anew."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    picture = np.stack([(4 * x) % 256, (3 * y) % 256, (x * y) % 256], -1).astype(np.uint8)
    mask = np.where((x >= 13) & (y < 41), 255, 0).astype(np.uint8)
    return picture, mask


def colours(picture):
    return torch.from_numpy(picture.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]


def main():
    golden = {}
    for label, (config, texts, scale, scheduler) in MODELS.items():
        folder = HERE / label
        network = filled(UNet2DConditionModel(**config))
        vae = filled(AutoencoderKL(**VAE, scaling_factor=scale))
        encoders = [filled((CLIPTextModelWithProjection if projected else CLIPTextModel)(c)) for c, projected in texts]
        network.save_config(folder / "unet")
        vae.save_config(folder / "vae")
        scheduler.save_config(folder / "scheduler")
        names = ["text_encoder_2"] if label == "refiner" else ["text_encoder", "text_encoder_2"]
        for name, encoder in zip(names, encoders):
            saved = {**encoder.config.to_dict(), "architectures": [type(encoder).__name__]}
            (folder / name).mkdir(exist_ok=True)
            (folder / name / "config.json").write_text(json.dumps(saved, indent=2, sort_keys=True) + "\n")
        long = label == "sd2"
        positive, pooled = states(label, encoders, LONG if long else PROMPT, 1)
        negative, pooled_negative = states(label, encoders, NEGATIVE, positive.shape[1] // 77)
        if label == "sdxl":
            negative, pooled_negative = torch.zeros_like(negative), torch.zeros_like(pooled)
        shared = dict(vae=vae, unet=network, scheduler=scheduler)
        plain = dict(text_encoder=encoders[0], tokenizer=None, **shared)
        no_checker = dict(safety_checker=None, feature_extractor=None, requires_safety_checker=False)
        call = dict(
            prompt_embeds=positive,
            negative_prompt_embeds=negative,
            num_inference_steps=STEPS,
            guidance_scale=7.0,
            generator=torch.Generator("cpu").manual_seed(SEED),
            output_type="latent",
        )
        size = dict(height=HEIGHT, width=WIDTH)
        picture, mask = start()
        with torch.no_grad():
            encoded = vae.encode(colours(picture)).latent_dist.mode() * scale
        cases = {}
        if label == "sd1":
            cases["sd1"] = lambda: StableDiffusionPipeline(**plain, **no_checker)(**call, **size)
            call_again = {**call, "generator": torch.Generator("cpu").manual_seed(SEED)}
            cases["sd1_image"] = lambda: StableDiffusionImg2ImgPipeline(**plain, **no_checker)(
                image=encoded, strength=0.6, **call_again
            )
        elif label == "sd1_guided":
            cases[label] = lambda: StableDiffusionPipeline(**plain, **no_checker)(**call, **size)
        elif label == "sd1_inpaint":
            under = picture * (mask < 128)[..., None] + 127.5 * (mask >= 128)[..., None]
            with torch.no_grad():
                masked = vae.encode(colours(under)).latent_dist.mode() * scale
            cases[label] = lambda: StableDiffusionInpaintPipeline(**plain, **no_checker)(
                image=colours(picture),
                mask_image=torch.from_numpy(mask[None, None].astype(np.float32) / 255),
                masked_image_latents=masked,
                strength=1.0,
                **call,
                **size,
            )
        elif label == "sd2":
            cases[label] = lambda: StableDiffusionPipeline(**plain, **no_checker)(guidance_rescale=0.7, **call, **size)
        else:
            xl = dict(
                text_encoder=encoders[0] if label == "sdxl" else None,
                tokenizer=None,
                text_encoder_2=encoders[-1],
                tokenizer_2=None,
                add_watermarker=False,
                **shared,
            )
            vectors = dict(pooled_prompt_embeds=pooled, negative_pooled_prompt_embeds=pooled_negative)
            sizes = dict(original_size=(HEIGHT, WIDTH), target_size=(HEIGHT, WIDTH))
            if label == "sdxl":
                cases[label] = lambda: StableDiffusionXLPipeline(**xl)(**call, **vectors, **size, **sizes)
            else:
                cases[label] = lambda: StableDiffusionXLImg2ImgPipeline(**xl, requires_aesthetics_score=True)(
                    image=encoded, strength=0.6, **call, **vectors, **sizes
                )
        for case, run in cases.items():
            latent = run().images
            with torch.no_grad():
                decoded = vae.decode(latent / scale).sample
            bytes_ = ((decoded / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
            golden[f"{case}.latent"] = latent[0].permute(1, 2, 0).contiguous().numpy()
            golden[f"{case}.picture"] = bytes_[0].permute(1, 2, 0).contiguous().numpy()
            share = float(((decoded.abs() < 1).float()).mean())
            print(case, "latent deviation", float(latent.std()), "inside the range", share)
    notes = {"torch": torch.__version__, "diffusers": diffusers.__version__}
    save_file(golden, HERE / "pipelines.safetensors", notes)


main()
