"""A guided step and a decoding of SD 1.5 or SDXL in PyTorch and, where it is installed, OpenVINO, beside Calotype.

Weights are random: nothing here depends on their values. The checkpoint that Calotype reads is written once, in bf16 and with
the original names, to --checkpoint (2.1 GB); that of SDXL is the folder that parity.py makes. Peers get one warm-up run each and then `--repeats`; the median counts.

    python -m venv venv && venv/bin/pip install torch==2.15.0 diffusers==0.42.1 transformers safetensors [openvino]
    venv/bin/python bench/peers/stable_diffusion.py --checkpoint /tmp/sd15.safetensors --threads 2 --repeats 3
    venv/bin/python bench/peers/stable_diffusion.py --model sdxl --checkpoint /tmp/parity/sdxl --size 1024 --repeats 3
"""

import argparse
import csv
import datetime
import gzip
import json
import math
import pathlib
import statistics
import subprocess
import time

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

HERE = pathlib.Path(__file__).parent
NAMES = HERE.parents[1] / "crates/models/tests/golden/sd_names.txt.gz"
UNET = dict(
    block_out_channels=[320, 640, 1280, 1280], attention_head_dim=8, cross_attention_dim=768,
    down_block_types=["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    up_block_types=["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
)
SDXL = dict(
    block_out_channels=[320, 640, 1280], attention_head_dim=[5, 10, 20], cross_attention_dim=2048,
    transformer_layers_per_block=[1, 2, 10], use_linear_projection=True, addition_embed_type="text_time",
    addition_time_embed_dim=256, projection_class_embeddings_input_dim=2816,
    down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
)
VAE = dict(
    block_out_channels=[128, 256, 512, 512], layers_per_block=2, latent_channels=4,
    down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
)


def random_weight(name, shape):
    if len(shape) == 1:
        return torch.full(shape, float(name.endswith("weight")), dtype=torch.bfloat16)
    return (torch.randn(shape) / math.sqrt(math.prod(shape[1:]))).to(torch.bfloat16)


def write_checkpoint(path):
    """SD 1.5 with the original names."""
    torch.manual_seed(0)
    listed, tensors = gzip.open(NAMES, "rt").read(), {}
    for label, prefix in [("sd1", "model.diffusion_model."), ("vae", "first_stage_model.")]:
        for line in listed.split(f"= {label}\n")[1].split("\n= ")[0].strip().split("\n"):
            _, _, name, shape = line.split(" ")
            tensors[prefix + name] = random_weight(name, [int(n) for n in shape.split("x")])
    config = CLIPTextConfig(
        vocab_size=49408, hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12
    )
    with torch.device("meta"):
        state = CLIPTextModel(config).state_dict()
    for name, t in state.items():
        if t.is_floating_point():
            name = "text_model." + name.removeprefix("text_model.")
            tensors["cond_stage_model.transformer." + name] = random_weight(name, list(t.shape))
    save_file(tensors, path)


def seconds(run, repeats):
    run()
    taken = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


def inputs(model, cells, dtype):
    """Latents, timesteps, text states, and for SDXL the pooled text and the sizes; both sides of guidance."""
    torch.manual_seed(1)
    x, t = torch.randn(2, 4, cells, cells, dtype=dtype), torch.tensor([500.0, 500.0], dtype=dtype)
    context = torch.randn(2, 77, {"sd15": 768, "sdxl": 2048}[model], dtype=dtype)
    if model == "sd15":
        return x, t, context
    sizes = torch.tensor([[8 * cells, 8 * cells, 0, 0, 8 * cells, 8 * cells]] * 2, dtype=dtype)
    return x, t, context, torch.randn(2, 1280, dtype=dtype), sizes


class Step(torch.nn.Module):
    def __init__(self, model, dtype):
        super().__init__()
        torch.set_default_dtype(dtype)
        self.unet = UNet2DConditionModel(**{"sd15": UNET, "sdxl": SDXL}[model]).eval()
        torch.set_default_dtype(torch.float32)

    def forward(self, x, t, context, pooled=None, sizes=None):
        added = None if pooled is None else {"text_embeds": pooled, "time_ids": sizes}
        return self.unet(x, t, encoder_hidden_states=context, added_cond_kwargs=added, return_dict=False)[0]


class Decode(torch.nn.Module):
    def __init__(self, dtype):
        super().__init__()
        self.vae = AutoencoderKL(**VAE).eval().to(dtype)

    def forward(self, latent):
        return self.vae.decode(latent, return_dict=False)[0]


DTYPES = {"bf16": torch.bfloat16, "f32": torch.float32}


def torch_seconds(model, precision, cells, repeats):
    dtype, found = DTYPES[precision], []
    x = inputs(model, cells, dtype)
    for make, given in [(lambda: Step(model, dtype), x), (lambda: Decode(dtype), (x[0][:1],))]:
        module = make().to(memory_format=torch.channels_last)
        with torch.inference_mode():
            found.append(seconds(lambda: module(*given), repeats))
        del module
    return f"torch {torch.__version__} {precision}", *found


def openvino_seconds(model, precision, cells, repeats, threads):
    try:
        import openvino
    except ImportError:
        return None
    # SDXL is held in bf16 while it is converted: in f32 it does not fit beside what OpenVINO makes of it in 24 GB.
    dtype = torch.bfloat16 if model == "sdxl" and precision == "bf16" else torch.float32
    core, x = openvino.Core(), inputs(model, cells, dtype)
    options = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads}
    found = []
    for make, example in [(lambda: Step(model, dtype), x), (lambda: Decode(dtype), (x[0][:1],))]:
        module = make()
        with torch.inference_mode():
            converted = openvino.convert_model(module, example_input=example)
        converted.reshape({port: list(t.shape) for port, t in zip(converted.inputs, example)})
        compiled = core.compile_model(converted, "CPU", options)
        # Until here the model reads the module's own memory.
        del converted, module
        # What is converted from bf16 takes its inputs in f32 or bf16, as it likes.
        kept = [t.to(torch.bfloat16 if port.element_type == openvino.Type.bf16 else torch.float32).contiguous()
                for port, t in zip(compiled.inputs, example)]
        given = [bf16(openvino, t) if t.dtype == torch.bfloat16 else openvino.Tensor(t.numpy()) for t in kept]
        found.append(seconds(lambda: compiled(given), repeats))
        del compiled
    return f"openvino {openvino.__version__.split('-')[0]} {precision}", *found


def bf16(openvino, values):
    return openvino.Tensor(values.contiguous().view(torch.int16).numpy(), list(values.shape), openvino.Type.bf16)


def own_seconds(program, checkpoint, size, repeats, threads, precision):
    """Seconds between two steps, and between the last step and the picture, of one job."""
    command = [program, "generate", "a lighthouse", "--model", checkpoint, "--size", f"{size}x{size}", "--json", "--sampler",
               "euler", "--steps", str(repeats + 1), "--precision", precision, "--threads", str(threads), "-o", "/tmp/peers.png"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    events = [json.loads(line) for line in lines]
    steps = [event["seconds"] for event in events if event["event"] == "progress"]
    done = next(event["seconds"] for event in events if event["event"] == "done")
    step = statistics.median(b - a for a, b in zip(steps, steps[1:]))
    # Packing the decoder's weights is in here too: a cautious number for our side.
    return f"calotype {precision}", step, done - steps[-1]


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("--checkpoint", type=pathlib.Path, required=True)
    parse.add_argument("--model", choices=["sd15", "sdxl"], default="sd15")
    parse.add_argument("--precision", choices=list(DTYPES), default="bf16")
    parse.add_argument("--peers", nargs="*", choices=["torch", "openvino"], default=["torch", "openvino"])
    parse.add_argument("--size", type=int, default=512)
    parse.add_argument("--threads", type=int, default=2)
    parse.add_argument("--repeats", type=int, default=3)
    parse.add_argument("--program", default="target/release/calotype")
    parse.add_argument("--suffix", default="", help="tells runs of one day on different machines apart")
    parse.add_argument("--record", action="store_true", help="write the table to bench/runs")
    args = parse.parse_args()
    torch.set_num_threads(args.threads)
    if args.model == "sd15" and not args.checkpoint.exists():
        write_checkpoint(args.checkpoint)
    cells = args.size // 8
    rows = [own_seconds(args.program, args.checkpoint, args.size, args.repeats, args.threads, args.precision)]
    if "torch" in args.peers:
        rows.append(torch_seconds(args.model, args.precision, cells, args.repeats))
    if "openvino" in args.peers:
        rows.append(openvino_seconds(args.model, args.precision, cells, args.repeats, args.threads))
    rows = [row for row in rows if row]
    table = [["engine", "size", "threads", "guided_step_seconds", "decode_seconds", "repeats"]]
    table += [[name, args.size, args.threads, f"{step:.3f}", f"{decode:.3f}", args.repeats] for name, step, decode in rows]
    for row in table:
        print(",".join(map(str, row)))
    if args.record:
        suffix = f"-{args.suffix}" if args.suffix else ""
        path = HERE.parent / "runs" / f"{datetime.date.today().isoformat()}-{args.model}-peers{suffix}.csv"
        with path.open("w", newline="") as file:
            csv.writer(file).writerows(table)


if __name__ == "__main__":
    main()
