"""Golden values of the Stable Diffusion U-Nets, autoencoders and TAESD, from diffusers.

    pip install torch==2.15.0 diffusers==0.42.1 numpy && python sd.py

writes, beside itself:
* sd.json: parameters and FLOPs of published models, as torch counts them; outputs of tiny models, and of TAESD, in
  float64. Weights and inputs are no files: both sides compute them from a name
  (`values`), a weight's from its name in diffusers. Pictures are [B, H, W, C].
* sd_names.txt.gz: for each tiny and each published model a line `= model`, then one line a tensor:
  name and shape in diffusers, name and shape in the original layout. The tiny ones are checked with diffusers' own
  conversion of original checkpoints. TAESD has two original files: their names are put together with `|`.
"""

import gzip
import json
import re
from pathlib import Path

import diffusers
import numpy as np
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint

HERE = Path(__file__).parent
torch.set_num_threads(1)

PLAIN, CROSS = "Down", "CrossAttnDown"


def unet(width, levels, depths, heads, context, **more):
    down = [f"{CROSS if depth else PLAIN}Block2D" for depth in depths]
    up = [name.replace("Down", "Up") for name in reversed(down)]
    layers = [depth or 1 for depth in depths]
    if not depths[-1]:
        layers[-1] = more.pop("middle", 1)
    return dict(
        block_out_channels=[width * m for m in levels],
        down_block_types=down,
        up_block_types=up,
        transformer_layers_per_block=layers,
        attention_head_dim=heads,
        cross_attention_dim=context,
        **more,
    )


def vector(width, time):
    return dict(
        addition_embed_type="text_time", addition_time_embed_dim=time, projection_class_embeddings_input_dim=width
    )


UNETS = {
    "tiny_sd1": unet(32, [1, 2, 2, 2], [1, 1, 1, 0], 4, 24, in_channels=9),
    "tiny_sdxl": unet(
        32, [1, 2, 2], [0, 1, 2], [2, 4, 4], 40, use_linear_projection=True, **vector(16 + 6 * 8, 8)
    ),
    "tiny_refiner": unet(
        32, [1, 2, 2, 2], [0, 1, 1, 0], [2, 4, 4, 4], 40, middle=2, use_linear_projection=True, **vector(16 + 5 * 8, 8)
    ),
    "sd1": unet(320, [1, 2, 4, 4], [1, 1, 1, 0], 8, 768),
    "sd1_inpaint": unet(320, [1, 2, 4, 4], [1, 1, 1, 0], 8, 768, in_channels=9),
    "sd2": unet(320, [1, 2, 4, 4], [1, 1, 1, 0], [5, 10, 20, 20], 1024, use_linear_projection=True),
    "sd2_inpaint": unet(
        320, [1, 2, 4, 4], [1, 1, 1, 0], [5, 10, 20, 20], 1024, use_linear_projection=True, in_channels=9
    ),
    "sdxl": unet(320, [1, 2, 4], [0, 2, 10], [5, 10, 20], 2048, use_linear_projection=True, **vector(2816, 256)),
    "sdxl_inpaint": unet(
        320, [1, 2, 4], [0, 2, 10], [5, 10, 20], 2048, use_linear_projection=True, in_channels=9, **vector(2816, 256)
    ),
    "sdxl_refiner": unet(
        384,
        [1, 2, 4, 4],
        [0, 4, 4, 0],
        [6, 12, 24, 24],
        1280,
        middle=4,
        use_linear_projection=True,
        **vector(2560, 256),
    ),
}


def vae(width, levels):
    return dict(
        block_out_channels=[width * m for m in levels],
        down_block_types=["DownEncoderBlock2D"] * len(levels),
        up_block_types=["UpDecoderBlock2D"] * len(levels),
        layers_per_block=2,
        latent_channels=4,
    )


VAES = {"tiny_vae": vae(32, [1, 2]), "vae": vae(128, [1, 2, 4, 4])}

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
UNET_OUTSIDE = {
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}


def unet_original(name, shape, config, layers=2):
    """Name and shape in the original layout."""
    module, kind = name.rsplit(".", 1)
    if module in UNET_OUTSIDE:
        return f"{UNET_OUTSIDE[module]}.{kind}", shape
    side, rest = re.match(r"(down|mid|up)_blocks?\.(.*)", name).groups()
    level = 0
    if side != "mid":
        level, rest = rest.split(".", 1)
        level = int(level)
    part, number, rest = rest.split(".", 2)
    number = int(number)
    if part == "resnets":
        inner, rest = rest.split(".", 1)
        rest = f"{RESNET[inner]}.{rest}"
    at = {"down": f"input_blocks.{1 + level * (layers + 1) + number}", "up": f"output_blocks.{level * (layers + 1) + number}"}
    if side == "mid":
        return f"middle_block.{1 if part == 'attentions' else 2 * number}.{rest}", shape
    if part == "downsamplers":
        return f"input_blocks.{(level + 1) * (layers + 1)}.0.op.{kind}", shape
    if part == "upsamplers":
        beside = 2 if "Cross" in config["up_block_types"][level] else 1
        return f"output_blocks.{level * (layers + 1) + layers}.{beside}.conv.{kind}", shape
    return f"{at[side]}.{1 if part == 'attentions' else 0}.{rest}", shape


VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def vae_original(name, shape, config):
    levels = len(config["block_out_channels"])
    name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    name = re.sub(r"down_blocks\.(\d+)\.resnets", r"down.\1.block", name)
    name = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(r"up_blocks\.(\d+)\.resnets", lambda m: f"up.{levels - 1 - int(m[1])}.block", name)
    name = re.sub(r"up_blocks\.(\d+)\.upsamplers\.0", lambda m: f"up.{levels - 1 - int(m[1])}.upsample", name)
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{1 + int(m[1])}", name)
    found = re.match(r"(.*)mid_block\.attentions\.0\.(.*)\.(weight|bias)", name)
    if found:
        name = f"{found[1]}mid.attn_1.{VAE_ATTENTION[found[2]]}.{found[3]}"
        if len(shape) == 2:
            shape = [*shape, 1, 1]
    return name, shape


def taesd_original(name, shape, config):
    half, _, layer, rest = name.split(".", 3)
    return f"{half}|{int(layer) + (half == 'decoder')}.{rest}", shape


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
    return torch.from_numpy(u.astype(np.float32).astype(np.float64).reshape(shape))


def tensor(name, shape):
    u = 1.7 * values(name, int(np.prod(shape)))
    return torch.from_numpy(u.astype(np.float32).astype(np.float64).reshape(shape))


def picture(name, shape):
    return tensor(name, shape).permute(0, 3, 1, 2)


def numbers(x):
    if x.ndim == 4:
        x = x.permute(0, 2, 3, 1)
    return [float(f"{v:.8g}") for v in x.flatten().tolist()]


def filled(model):
    model = model.double().eval()
    model.load_state_dict({name: weight(name, list(t.shape)) for name, t in model.state_dict().items()})
    return model


def shown(shape):
    return "x".join(map(str, shape))


# Height of the latent for which FLOPs are counted.
COUNTED = {"sd1": 64, "sd2": 96, "sdxl": 128, "sdxl_refiner": 128, "vae": 64}


def counted(label, model, config):
    """Parameters, and FLOPs of a guided step (two items), or of the encoding and decoding of one picture."""
    side = COUNTED[label]
    entry = {"parameters": sum(p.numel() for p in model.parameters()), "side": side}

    def flops(call):
        with FlopCounterMode(display=False) as counter, torch.no_grad(), torch.device("meta"):
            call()
        return counter.get_total_flops()

    if label == "vae":
        entry["encode"] = flops(lambda: model.encode(torch.empty(1, 3, 8 * side, 8 * side)))
        entry["decode"] = flops(lambda: model.decode(torch.empty(1, 4, side, side)))
        return entry
    inputs = dict(
        sample=torch.empty(2, 4, side, side, device="meta"),
        timestep=torch.empty(2, device="meta"),
        encoder_hidden_states=torch.empty(2, 77, config["cross_attention_dim"], device="meta"),
    )
    if "addition_embed_type" in config:
        times = (config["projection_class_embeddings_input_dim"] - 1280) // 256
        inputs["added_cond_kwargs"] = {
            "text_embeds": torch.empty(2, 1280, device="meta"),
            "time_ids": torch.empty(2, times, device="meta"),
        }
    entry["step"] = flops(lambda: model(**inputs))
    return entry


def main():
    names, golden = [], {"versions": {"torch": torch.__version__, "diffusers": diffusers.__version__}}
    models = [(label, config, UNet2DConditionModel, unet_original) for label, config in UNETS.items()]
    models += [(label, config, AutoencoderKL, vae_original) for label, config in VAES.items()]
    models.append(("taesd", {}, AutoencoderTiny, taesd_original))
    for label, config, kind, original in models:
        with torch.device("meta"):
            model = kind(**config)
        names.append(f"= {label}")
        renamed = {}
        for name, t in model.state_dict().items():
            old, shape = original(name, list(t.shape), config)
            renamed[old] = (name, shape)
            names.append(f"{name} {shown(t.shape)} {old} {shown(shape)}")
        assert len(renamed) == len(model.state_dict())
        if label in COUNTED:
            golden[label] = counted(label, model, config)
        if not label.startswith(("tiny", "taesd")):
            continue
        model = filled(kind(**config))
        if kind is AutoencoderTiny:
            with torch.no_grad():
                latent = model.encode(picture("picture", [2, 16, 24, 3])).latents
                decoded = model.decode(picture("latent", [2, 2, 3, 4])).sample
            golden[label] = {"latent": numbers(latent), "picture": numbers(decoded)}
            continue
        state = model.state_dict()
        stored = {old: state[name].reshape(shape) for old, (name, shape) in renamed.items()}
        if kind is AutoencoderKL:
            back = convert_ldm_vae_checkpoint({f"first_stage_model.{k}": v for k, v in stored.items()}, model.config)
        else:
            prefixed = {f"model.diffusion_model.{k}": v for k, v in stored.items()}
            back = convert_ldm_unet_checkpoint(prefixed, model.config)
        assert back.keys() == state.keys(), back.keys() ^ state.keys()
        assert all(torch.equal(back[name].reshape(state[name].shape), state[name]) for name in state)

        with torch.no_grad():
            if kind is AutoencoderKL:
                golden[label] = {
                    "moments": numbers(model.encode(picture("picture", [2, 8, 12, 3])).latent_dist.parameters),
                    "picture": numbers(model.decode(picture("latent", [2, 4, 6, 4])).sample),
                }
                continue
            entry = {}
            inputs = dict(
                sample=picture("x", [2, 8, 16, config.get("in_channels", 4)]),
                timestep=torch.tensor([3.0, 801.0], dtype=torch.float64),
                encoder_hidden_states=tensor("context", [2, 5, config["cross_attention_dim"]]),
            )
            if "addition_embed_type" in config:
                times = (config["projection_class_embeddings_input_dim"] - 16) // 8
                inputs["added_cond_kwargs"] = {
                    "text_embeds": tensor("pooled", [2, 16]),
                    "time_ids": torch.tensor([[16.0, 24, 0, 0, 16, 24], [8.0, 8, 1, 2, 8, 8]])[:, :times].double(),
                }
                model.add_embedding.register_forward_pre_hook(
                    lambda _, args: entry.update(vector=numbers(args[0]))
                )
            entry["prediction"] = numbers(model(**inputs).sample)
            inputs["sample"] = picture("odd", [2, 7, 13, config.get("in_channels", 4)])
            entry["odd"] = numbers(model(**inputs).sample)
            golden[label] = entry
    (HERE / "sd.json").write_text(json.dumps(golden) + "\n")
    text = "\n".join(names) + "\n"
    (HERE / "sd_names.txt.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))


main()
