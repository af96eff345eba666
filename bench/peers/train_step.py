"""The default model's training step in PyTorch, the peer of `calotype bench --filter train`.

Same architecture, f32 master weights, bf16 autocast (or f32 throughout, for processors without bf16), attention
written as matrix products, AdamW on all parameters. Prints one JSON line a mode: pictures a second for forward +
backward, and with the optimiser.

    python -m venv venv && venv/bin/pip install torch==2.15.0
    venv/bin/python bench/peers/train_step.py --mode eager --size 64 --batch 128 --threads 2
"""

import argparse
import json
import math
import statistics
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

# The sizes of the default model; `--large` gives those of the 30 million parameter network.
D, HEADS, BLOCKS, HIDDEN, REFINER, PATCH, TEXT, STEM = 256, 4, 12, 704, 1, 16, 384, 128


class RmsNorm(nn.Module):
    def __init__(self, width, weight=True):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width)) if weight else None

    def forward(self, x):
        y = x.float() * torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + 1e-6)
        return y if self.weight is None else y * self.weight


def rotary(x, table):
    cos, sin = table
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


def attention(q, k, v, mask):
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    return (scores.float() + mask).softmax(-1).to(v.dtype) @ v


def heads(x):
    return x.view(x.shape[0], x.shape[1], HEADS, -1).transpose(1, 2)


class Block(nn.Module):
    def __init__(self, joint):
        super().__init__()
        self.joint = joint
        self.norm1, self.norm2 = RmsNorm(D, not joint), RmsNorm(D, not joint)
        self.qkv, self.out = nn.Linear(D, 3 * D, bias=False), nn.Linear(D, D, bias=False)
        self.w13, self.w2 = nn.Linear(D, 2 * HIDDEN, bias=False), nn.Linear(HIDDEN, D, bias=False)
        self.q_norm, self.k_norm = RmsNorm(D // HEADS), RmsNorm(D // HEADS)
        if joint:
            self.kv, self.text_norm = nn.Linear(D, 2 * D, bias=False), RmsNorm(D // HEADS)
            self.modulation = nn.Parameter(torch.zeros(6 * D))

    def forward(self, x, mask, mod=None, text=None, table=None):
        if self.joint:
            s1, c1, g1, s2, c2, g2 = (mod + self.modulation)[:, None].chunk(6, -1)
        h = self.norm1(x)
        h = h * (1 + c1) + s1 if self.joint else h
        q, k, v = (heads(y) for y in self.qkv(h).chunk(3, -1))
        q, k = self.q_norm(q).to(v.dtype), self.k_norm(k).to(v.dtype)
        if self.joint:
            q, k = rotary(q, table).to(v.dtype), rotary(k, table).to(v.dtype)
            tk, tv = (heads(y) for y in self.kv(text).chunk(2, -1))
            k, v = torch.cat([k, self.text_norm(tk).to(v.dtype)], 2), torch.cat([v, tv], 2)
        y = self.out(attention(q, k, v, mask).transpose(1, 2).flatten(2))
        x = x + g1 * y if self.joint else x + y
        h = self.norm2(x)
        h = h * (1 + c2) + s2 if self.joint else h
        a, b = self.w13(h).chunk(2, -1)
        y = self.w2(F.silu(a) * b)
        return x + g2 * y if self.joint else x + y


class DetailBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.modulation = nn.Linear(D, 3 * width)
        self.norm = RmsNorm(width, False)
        self.first, self.second = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x, c):
        shift, scale, gate = self.modulation(c)[:, None, None].chunk(3, -1)
        h = self.norm(x) * (1 + scale) + shift
        h = self.second(F.silu(self.first(h.permute(0, 3, 1, 2)))).permute(0, 2, 3, 1)
        return x + gate * h


class Detail(nn.Module):
    """The correction across the patches: places of 4 x 4 pixels, channels last."""

    def __init__(self, width):
        super().__init__()
        self.width = width
        self.input = nn.Linear(2 * 16 * 4, width)
        self.context = nn.Linear(D, (PATCH // 4) ** 2 * width, bias=False)
        self.blocks = nn.ModuleList(DetailBlock(width) for _ in range(2))
        self.norm, self.output = RmsNorm(width), nn.Linear(width, 16 * 4)

    def forward(self, z, picture, tokens, c):
        b, side, places, per = z.shape[0], z.shape[1], z.shape[1] // 4, PATCH // 4
        seen = torch.cat([z, picture.to(z.dtype)], -1)
        seen = self.input(seen.view(b, places, 4, places, 4, 8).transpose(2, 3).reshape(b, places, places, -1))
        context = self.context(tokens).view(b, places // per, places // per, per, per, self.width)
        x = seen + context.transpose(2, 3).reshape(b, places, places, -1)
        for block in self.blocks:
            x = block(x, c)
        x = self.output(self.norm(x)).view(b, places, places, 4, 4, 4)
        return picture + x.transpose(2, 3).reshape(b, side, side, 4)


class Jit(nn.Module):
    def __init__(self, detail):
        super().__init__()
        self.stem = nn.Sequential(nn.Linear(PATCH * PATCH * 4, STEM, bias=False), nn.Linear(STEM, D))
        self.time = nn.Sequential(nn.Linear(256, D), nn.SiLU(), nn.Linear(D, D))
        self.pooled, self.mod = nn.Linear(TEXT, D), nn.Linear(D, 6 * D)
        self.text_in = nn.Linear(TEXT, D)
        self.refiner = nn.ModuleList(Block(False) for _ in range(REFINER))
        self.text_out = RmsNorm(D)
        self.blocks = nn.ModuleList(Block(True) for _ in range(BLOCKS))
        self.final_norm, self.final_mod = RmsNorm(D, False), nn.Linear(D, 2 * D)
        self.head = nn.Linear(D, PATCH * PATCH * 4)
        self.detail = Detail(64) if detail else None

    def forward(self, z, t, text, mask, pooled, table):
        b, s = z.shape[0], z.shape[1] // PATCH
        x = z.view(b, s, PATCH, s, PATCH, 4).transpose(2, 3).reshape(b, s * s, -1)
        x = self.stem(x)
        f = torch.exp(-math.log(10000) * torch.arange(128) / 128)
        a = 1000 * t[:, None] * f
        c = F.silu(self.time(torch.cat([a.cos(), a.sin()], -1)) + self.pooled(pooled))
        y = self.text_in(text)
        for block in self.refiner:
            y = block(y, mask)
        y = self.text_out(y)
        joint = F.pad(mask, (s * s, 0))
        mod = self.mod(c)
        for block in self.blocks:
            x = block(x, joint, mod, y, table)
        shift, scale = self.final_mod(c)[:, None].chunk(2, -1)
        tokens = self.final_norm(x) * (1 + scale) + shift
        x = self.head(tokens).view(b, s, s, PATCH, PATCH, 4).transpose(2, 3).reshape(z.shape)
        return x if self.detail is None else self.detail(z, x, tokens, c)


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("--mode", choices=["eager", "compile"], default="eager")
    parse.add_argument("--size", type=int, default=128)
    parse.add_argument("--batch", type=int, default=128)
    parse.add_argument("--tokens", type=int, default=16)
    parse.add_argument("--threads", type=int, default=2)
    parse.add_argument("--steps", type=int, default=5)
    parse.add_argument("--precision", choices=["bf16", "f32"], default="bf16", help="of the forward and backward pass")
    parse.add_argument("--large", action="store_true")
    parse.add_argument("--detail", action="store_true", help="patches of 32 and the detail network, as at 128 px")
    args = parse.parse_args()
    if args.detail:
        global PATCH
        PATCH = 32
    if args.large:
        global D, HEADS, HIDDEN, REFINER
        D, HEADS, HIDDEN, REFINER = 384, 6, 1024, 2
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    model = Jit(args.detail)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), fused=True)
    run = torch.compile(model) if args.mode == "compile" else model
    n = (args.size // PATCH) ** 2
    angle = torch.rand(n, D // HEADS // 2)
    table = (angle.cos(), angle.sin())
    x, noise = torch.randn(2, args.batch, args.size, args.size, 4).unbind(0)
    t = torch.rand(args.batch)
    text, pooled = torch.randn(args.batch, args.tokens, TEXT), torch.randn(args.batch, TEXT)
    lengths = torch.randint(4, args.tokens + 1, (args.batch,))
    mask = torch.where(torch.arange(args.tokens) < lengths[:, None], 0.0, -1e9)[:, None, None]
    w = t.clamp(min=0.05) ** -2
    z = (1 - t)[:, None, None, None] * x + t[:, None, None, None] * noise
    both, whole = [], []
    for i in range(args.steps + 2):
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.precision == "bf16"):
            out = run(z, t, text, mask, pooled, table)
        loss = (w[:, None, None, None] * (out.float() - x) ** 2).mean()
        loss.backward()
        middle = time.perf_counter()
        optimiser.step()
        optimiser.zero_grad(set_to_none=False)
        end = time.perf_counter()
        if i >= 2:
            both.append(middle - start)
            whole.append(end - start)
    print(json.dumps({
        "peer": f"torch {torch.__version__} {args.mode}",
        "size": args.size, "batch": args.batch, "tokens": args.tokens, "precision": args.precision, "threads": args.threads,
        "parameters": sum(p.numel() for p in model.parameters()),
        "forward_backward_pictures_per_second": args.batch / statistics.median(both),
        "step_pictures_per_second": args.batch / statistics.median(whole),
    }))


if __name__ == "__main__":
    main()
