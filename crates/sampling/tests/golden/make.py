"""Golden values of the sigma half of `sampling`: schedules, samplers and noise streams.

    python3.11 -m venv /tmp/golden && /tmp/golden/bin/pip install torch numpy scipy diffusers
    /tmp/golden/bin/pip install --no-deps k-diffusion
    /tmp/golden/bin/python crates/sampling/tests/golden/make.py

writes sampling.json beside this file: one object, one key a line, each value a list of numbers (so that the test
reads it line by line). The versions used are under "versions" as [major, minor, patch] of torch, numpy, diffusers,
k-diffusion. Last made with torch 2.15.0, numpy 2.4.6, diffusers 0.42.1, k-diffusion 0.1.1.post1 on an AVX-512
machine; torch.randn has the same bits wherever torch runs its AVX2 code.

Schedules and samplers come from k-diffusion and diffusers themselves. `simple` and `sgm_uniform` exist in neither
package; they are written here from their definitions. The CUDA stream is written here from Salmon et al. (SC 2011)
and the layout of torch's CUDA kernel, with the float64 arithmetic that numpy gives the implementation in A1111.

Samplers run in float64 on a denoiser known in closed form: the posterior mean of a mixture of three Gaussians under
noise of deviation sigma. Starting points, sigmas and noise are rounded to float32 first, as the Rust side has them.
"""

import importlib
import importlib.metadata
import json
import pathlib
import re
import sys
import types

import numpy as np
import torch
from diffusers import DDIMScheduler, EulerDiscreteScheduler, LCMScheduler, UniPCMultistepScheduler
from diffusers.schedulers import scheduling_euler_discrete, scheduling_lcm

# k-diffusion's samplers need none of the packages that its other modules import. (After diffusers, which looks for
# them.)
package = types.ModuleType("k_diffusion")
package.__path__ = [str(importlib.metadata.distribution("k-diffusion").locate_file("k_diffusion"))]
sys.modules["k_diffusion"] = package
stand_in = types.ModuleType("k_diffusion.utils")
stand_in.append_dims = lambda x, dims: x[(...,) + (None,) * (dims - x.ndim)]
sys.modules["k_diffusion.utils"] = package.utils = stand_in
for name, attribute in [("torchdiffeq", "odeint"), ("torchsde", "BrownianTree")]:
    module = types.ModuleType(name)
    setattr(module, attribute, None)
    sys.modules[name] = module
kd = importlib.import_module("k_diffusion.sampling")
external = importlib.import_module("k_diffusion.external")

golden = {}


def put(key, values):
    golden[key] = [v if isinstance(v, int) else float(f"{float(v):.9g}") for v in values]


def f32(values):
    """Float64 values that float32 holds exactly."""
    return torch.tensor(values, dtype=torch.float32).double()


golden["versions"] = []
for name in ["torch", "numpy", "diffusers", "k-diffusion"]:
    golden["versions"] += [int(n) for n in re.findall(r"\d+", importlib.metadata.version(name))[:3]]

# ---- Schedules --------------------------------------------------------------------------------------------------

SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
STEPS = [1, 5, 20]


def sigmas_of(alphas):
    return ((1 - alphas.double()) / alphas.double()) ** 0.5


# diffusers multiplies its alphas in float32, where 1 - alpha of the first timesteps keeps three or four digits.
PICKS = [0, 1, 250, 500, 750, 998, 999]
put("table/scaled_linear", sigmas_of(DDIMScheduler(**SD).alphas_cumprod)[PICKS])
linear = DDIMScheduler(beta_start=1e-4, beta_end=0.02, beta_schedule="linear")
put("table/linear", sigmas_of(linear.alphas_cumprod)[PICKS])

# From here on in float64, as in ComfyUI.
betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
alphas = torch.cumprod(1 - scheduling_euler_discrete.rescale_zero_terminal_snr(betas), dim=0)
alphas[-1] = EulerDiscreteScheduler(rescale_betas_zero_snr=True, **SD).alphas_cumprod[-1].double()
put("table/zero_snr", sigmas_of(alphas)[PICKS])

discrete = external.DiscreteSchedule(sigmas_of(torch.cumprod(1 - betas, dim=0)), quantize=False)
low, high = discrete.sigma_min, discrete.sigma_max
count = len(discrete.sigmas)
TIMESTEPS = [0.0, 0.5, 123.25, 500.0, 998.75, 999.0]
put("conversion/timesteps", TIMESTEPS)
put("conversion/sigmas", discrete.t_to_sigma(torch.tensor(TIMESTEPS)))
SIGMAS = [0.001, 0.03, 0.5, 1.0, 7.0, 14.6, 20.0]
put("conversion/from_sigmas", SIGMAS)
put("conversion/to_timesteps", discrete.sigma_to_t(torch.tensor(SIGMAS, dtype=torch.float64)))


def diffusers_sigmas(n, spacing):
    scheduler = DDIMScheduler(timestep_spacing=spacing, steps_offset=1, **SD)
    scheduler.set_timesteps(n)
    return kd.append_zero(discrete.sigmas[scheduler.timesteps])


for n in STEPS:
    put(f"schedule/normal/{n}", discrete.get_sigmas(n))
    put(f"schedule/karras/{n}", kd.get_sigmas_karras(n, low, high))
    put(f"schedule/exponential/{n}", kd.get_sigmas_exponential(n, low, high))
    put(f"schedule/simple/{n}", [discrete.sigmas[count - 1 - int(i * (count / n))] for i in range(n)] + [0.0])
    sgm = discrete.t_to_sigma(torch.linspace(count - 1, 0, n + 1, dtype=torch.float64)[:-1])
    put(f"schedule/sgm_uniform/{n}", kd.append_zero(sgm))
    put(f"schedule/trailing/{n}", diffusers_sigmas(n, "trailing"))
    put(f"schedule/leading/{n}", diffusers_sigmas(n, "leading"))

# ---- Samplers ---------------------------------------------------------------------------------------------------

WEIGHTS, MEANS, DEVIATIONS = [0.5, 0.3, 0.2], [-1.0, 0.4, 1.5], [0.3, 0.2, 0.5]


def denoise(x, sigma):
    """E[clean | clean + sigma·noise = x], element by element."""
    sigma = sigma.reshape(-1)[0]
    total, mean = 0.0, 0.0
    for w, mu, s in zip(WEIGHTS, MEANS, DEVIATIONS):
        variance = s * s + sigma * sigma
        likelihood = w / variance**0.5 * torch.exp(-0.5 * (x - mu) ** 2 / variance)
        total = total + likelihood
        mean = mean + likelihood * (mu + s * s / variance * (x - mu))
    return mean / total


START = f32([[0.8, -1.3, 0.1, 2.1]])
generator = torch.Generator().manual_seed(1)
NOISE = torch.randn(20, 4, generator=generator).double()
put("noise", NOISE.flatten())
put("start", START.flatten())


class Noise:
    """The injected noise, one row a call."""

    def __init__(self):
        self.calls = 0

    def __call__(self, *_, **__):
        self.calls += 1
        return NOISE[self.calls - 1][None]


def case(name, eta, sigmas, result):
    put(f"sampler/{name}/{len(sigmas) - 1}/{eta}/sigmas", sigmas)
    put(f"sampler/{name}/{len(sigmas) - 1}/{eta}/result", result.flatten())


karras = f32(kd.get_sigmas_karras(8, low, high).tolist())
normal = f32(discrete.get_sigmas(5).tolist())
for sigmas in [karras, normal]:
    x = START * sigmas[0]
    run = {"disable": True}
    case("euler", 0, sigmas, kd.sample_euler(denoise, x, sigmas, **run))
    case("heun", 0, sigmas, kd.sample_heun(denoise, x, sigmas, **run))
    case("dpmpp_2m", 0, sigmas, kd.sample_dpmpp_2m(denoise, x, sigmas, **run))
    for eta in [0, 0.5, 1]:
        ancestral = kd.sample_euler_ancestral(denoise, x, sigmas, eta=eta, noise_sampler=Noise(), **run)
        case("euler_ancestral", eta, sigmas, ancestral)
        sde = kd.sample_dpmpp_2m_sde(denoise, x, sigmas, eta=eta, noise_sampler=Noise(), solver_type="midpoint", **run)
        case("dpmpp_2m_sde", eta, sigmas, sde)
    unipc = UniPCMultistepScheduler(solver_order=2, solver_type="bh2", prediction_type="sample", **SD)
    unipc.set_timesteps(len(sigmas) - 1)
    unipc.sigmas = sigmas
    z = x / (1 + sigmas[0] ** 2) ** 0.5
    for sigma, timestep in zip(sigmas, unipc.timesteps):
        z = unipc.step(denoise(z * (1 + sigma**2) ** 0.5, sigma), timestep, z).prev_sample
    case("uni_pc", 0, sigmas, z)

for n in [5, 12]:
    for eta in [0, 0.5, 1]:
        ddim = DDIMScheduler(
            prediction_type="sample", clip_sample=False, set_alpha_to_one=True, steps_offset=1, timestep_spacing="leading", **SD
        )
        ddim.set_timesteps(n)
        ddim.alphas_cumprod = ddim.alphas_cumprod.double()
        a = ddim.alphas_cumprod[ddim.timesteps]
        sigmas = kd.append_zero(((1 - a) / a) ** 0.5)
        z, noise = START * sigmas[0] / (1 + sigmas[0] ** 2) ** 0.5, Noise()
        for sigma, timestep in zip(sigmas, ddim.timesteps):
            clean = denoise(z * (1 + sigma**2) ** 0.5, sigma)
            z = ddim.step(clean, timestep, z, eta=eta, variance_noise=noise()).prev_sample
        case("ddim", eta, sigmas, z)

lcm = LCMScheduler(prediction_type="sample", clip_sample=False, **SD)
lcm.set_timesteps(4)
lcm.alphas_cumprod = lcm.alphas_cumprod.double()
scheduling_lcm.randn_tensor = Noise()
a = lcm.alphas_cumprod[lcm.timesteps]
sigmas = kd.append_zero(((1 - a) / a) ** 0.5)
z = START * sigmas[0] / (1 + sigmas[0] ** 2) ** 0.5
for sigma, timestep in zip(sigmas, lcm.timesteps):
    z = lcm.step(denoise(z * (1 + sigma**2) ** 0.5, sigma), timestep, z).prev_sample
case("lcm", 0, sigmas, z)

# ---- Noise streams ----------------------------------------------------------------------------------------------


def ends(key, values):
    """The bits of the first and last numbers, and the sum of all bits modulo 2^32."""
    bits = values.astype(np.float32).reshape(-1).view(np.uint32)
    put(key, [int(b) for b in bits[:6]] + [int(b) for b in bits[-6:]] + [int(bits.astype(np.uint64).sum() % 2**32)])


SEEDS = [0, 42, 2**32 + 5, 2**64 - 1]
for seed in SEEDS:
    for size in [1, 15, 16, 17, 100, 4 * 64 * 64]:
        torch.manual_seed(seed)
        ends(f"torch_cpu/{seed}/{size}", torch.randn(size).numpy())
# One stream, many draws: the second normal of a pair waits across calls, whatever lies between.
torch.manual_seed(7)
ends("torch_cpu/7/mixed", np.concatenate([torch.randn(size).numpy() for size in [3, 16, 2, 17, 1, 5, 33, 4]]))


def philox(counter, key):
    """Philox4x32-10 of columns of counters [4, n] under a 64-bit key."""
    word = np.uint64(0xFFFFFFFF)
    c = [row.astype(np.uint64) for row in counter]
    k0, k1 = key & 0xFFFFFFFF, key >> 32
    for _ in range(10):
        p0, p1 = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        half = np.uint64(32)
        c = [(p1 >> half) ^ c[1] ^ np.uint64(k0), p1 & word, (p0 >> half) ^ c[3] ^ np.uint64(k1), p0 & word]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c


def cuda_normals(seed, draw, size):
    """One number a thread: counter (draw, 0, thread, 0), the sine half of Box–Muller on the first two words."""
    index = np.arange(size)
    a, b = philox([np.full(size, draw), 0 * index, index, 0 * index], seed)[:2]
    turn = np.float64(np.float32(2.3283064e-10 * 6.2831855))
    u, v = a.astype(np.float64) * 2.0**-32 + 2.0**-33, b.astype(np.float64) * turn + turn / 2
    return (np.sqrt(-2.0 * np.log(u)) * np.sin(v)).astype(np.float32)


known = [-0.92466259, -0.42534415, -2.6438457, 0.14518388, -0.12086647, -0.57972564, -0.62285122, -0.32838709]
# The values that A1111's module documents for seed 0. They are those of an exact 2 pi; the module's code rounds it to
# float32 and lands up to 2e-7 away, as here.
documented = [-0.92466259, -0.42534415, -2.6438457, 0.14518388, -0.12086647, -0.57972564, -0.62285122, -0.32838709]
assert np.allclose(cuda_normals(0, 0, 8), documented, rtol=0, atol=3e-7)
for seed in SEEDS:
    for draw in [0, 3]:
        for size in [1, 12, 4 * 64 * 64]:
            ends(f"torch_cuda/{seed}/{draw}/{size}", cuda_normals(seed, draw, size))

lines = [f"{json.dumps(key)}: {json.dumps(values)}" for key, values in golden.items()]
path = pathlib.Path(__file__).with_name("sampling.json")
path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
json.loads(path.read_text(encoding="utf-8"))
print(f"{path}: {len(golden)} keys, {sum(map(len, golden.values()))} numbers")
