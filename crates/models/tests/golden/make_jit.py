"""Golden values of the jit network: a plain float64 implementation in Python (3.8 or later, no packages).

Run: python3 crates/models/tests/golden/make_jit.py > crates/models/tests/golden/jit.json
Written from arXiv 2511.13720 (JiT), 2104.09864 (rotary) and the description of the
default model, not from the Rust code; parameters and inputs are sines, so no file of weights is needed.
"""
import json
import math

D, BLOCKS, HEADS, HIDDEN, P, C, STEM, TEXT, REFINER = 32, 2, 2, 24, 8, 4, 12, 20, 1
DETAIL, DETAIL_BLOCKS, PLACE = 6, 2, 4
H, W, B, T = 16, 24, 2, 3
LENGTHS = [2, 3]
TIMES = [0.3, 0.9]
STEPS = [0.25, 0.0]
d = D // HEADS
TIME_FEATURES = 256

counter = 0
params = {}


def fill(count, phase, amplitude, base=0.0):
    return [base + amplitude * math.sin(0.731 * i + 1.17 * phase) for i in range(count)]


def declare(name, shape, base=0.0):
    global counter
    count = math.prod(shape)
    # Weights of many inputs are smaller, as trained ones are: each layer keeps the size of what it gets.
    amplitude = 0.2 if base else 0.3 * min(1.0, math.sqrt(32 / math.prod(shape[1:])))
    values = fill(count, counter, amplitude, base)
    params[name] = [values[r * shape[1]:(r + 1) * shape[1]] for r in range(shape[0])] if len(shape) == 2 else values
    counter += 1


def linear_params(name, out, inp, bias):
    declare(name + ".weight", [out, inp])
    if bias:
        declare(name + ".bias", [out])


def attention_params(block):
    declare(block + ".attention.qkv.weight", [3 * D, D])
    declare(block + ".attention.q_norm.weight", [d], 1.0)
    declare(block + ".attention.k_norm.weight", [d], 1.0)
    declare(block + ".attention.out.weight", [D, D])


def mlp_params(block):
    declare(block + ".mlp.up.weight", [2 * HIDDEN, D])
    declare(block + ".mlp.down.weight", [D, HIDDEN])


linear_params("stem.0", STEM, P * P * C, False)
linear_params("stem.1", D, STEM, True)
linear_params("time.0", D, TIME_FEATURES, True)
linear_params("time.1", D, D, True)
linear_params("step.0", D, TIME_FEATURES, True)
linear_params("step.1", D, D, True)
linear_params("text_pooled", D, TEXT, True)
linear_params("modulation", 6 * D, D, True)
linear_params("refiner.embed", D, TEXT, True)
for i in range(REFINER):
    block = f"refiner.blocks.{i}"
    declare(block + ".attention_norm.weight", [D], 1.0)
    attention_params(block)
    declare(block + ".mlp_norm.weight", [D], 1.0)
    mlp_params(block)
declare("refiner.norm.weight", [D], 1.0)
for i in range(BLOCKS):
    block = f"blocks.{i}"
    if i >= (BLOCKS + 1) // 2:
        declare(block + ".skip.weight", [D, 2 * D])
    declare(block + ".modulation", [6 * D])
    attention_params(block)
    declare(block + ".attention.text_kv.weight", [2 * D, D])
    declare(block + ".attention.text_k_norm.weight", [d], 1.0)
    mlp_params(block)
linear_params("final.modulation", 2 * D, D, True)
linear_params("head", P * P * C, D, True)
linear_params("detail.input", DETAIL, 2 * PLACE * PLACE * C, True)
linear_params("detail.context", (P // PLACE) ** 2 * DETAIL, D, False)
for i in range(DETAIL_BLOCKS):
    block = f"detail.blocks.{i}"
    linear_params(block + ".modulation", 3 * DETAIL, D, True)
    for j in range(2):
        declare(block + f".conv.{j}.weight", [DETAIL, 3, 3, DETAIL])
        declare(block + f".conv.{j}.bias", [DETAIL])
declare("detail.norm.weight", [DETAIL], 1.0)
linear_params("detail.output", PLACE * PLACE * C, DETAIL, True)


def linear(name, x):
    w = params[name + ".weight"]
    b = params.get(name + ".bias", [0.0] * len(w))
    return [sum(wi * xi for wi, xi in zip(row, x)) + bi for row, bi in zip(w, b)]


def silu(x):
    return [v / (1.0 + math.exp(-v)) for v in x]


def rms(x, weight=None):
    r = 1.0 / math.sqrt(sum(v * v for v in x) / len(x) + 1e-6)
    return [v * r * (weight[i] if weight else 1.0) for i, v in enumerate(x)]


def modulate(x, shift, scale):
    return [v * (1.0 + a) + b for v, a, b in zip(rms(x), scale, shift)]


def add(a, b):
    return [x + y for x, y in zip(a, b)]


def gated(x, gate, y):
    return [a + g * b for a, g, b in zip(x, gate, y)]


def heads(x, part):
    return [x[part * D + h * d:part * D + (h + 1) * d] for h in range(HEADS)]


def rotate(head, angles):
    half = d // 2
    out = list(head)
    for i in range(half):
        c, s = math.cos(angles[i]), math.sin(angles[i])
        out[i] = head[i] * c - head[i + half] * s
        out[i + half] = head[i + half] * c + head[i] * s
    return out


def angles(row, column):
    rows, columns = H // P, W // P
    unit = 16.0 / max(rows, columns)
    quarter = d // 4
    result = []
    for index, count in ((row, rows), (column, columns)):
        position = (index + 0.5 - 0.5 * count) * unit
        result += [position * 100.0 ** (-k / quarter) for k in range(quarter)]
    return result


def attend(queries, keys, values):
    """Per token and head; keys and values are lists over tokens of lists over heads."""
    out = []
    for q in queries:
        row = []
        for h in range(HEADS):
            scores = [sum(a * b for a, b in zip(q[h], k[h])) / math.sqrt(d) for k in keys]
            top = max(scores)
            weights = [math.exp(s - top) for s in scores]
            total = sum(weights)
            for j in range(d):
                row.append(sum(w * v[h][j] for w, v in zip(weights, values)) / total)
        out.append(row)
    return out


def swiglu(u):
    return [a * b for a, b in zip(silu(u[:HIDDEN]), u[HIDDEN:])]


def time(name, t):
    half = TIME_FEATURES // 2
    phases = [1000.0 * t * 10000.0 ** (-i / half) for i in range(half)]
    features = [math.cos(p) for p in phases] + [math.sin(p) for p in phases]
    return linear(name + ".1", silu(linear(name + ".0", features)))


def forward(z, t, step, text, length, pooled):
    rows, columns = H // P, W // P
    x = []
    for r in range(rows):
        for c in range(columns):
            patch = [z[((r * P + i) * W + c * P + j) * C + k] for i in range(P) for j in range(P) for k in range(C)]
            x.append(linear("stem.1", linear("stem.0", patch)))
    cond = add(add(time("time", t), time("step", step)), linear("text_pooled", [v * math.sqrt(TEXT) for v in pooled]))
    s = silu(cond)
    shared = linear("modulation", s)

    y = [linear("refiner.embed", text[k]) for k in range(length)]
    for i in range(REFINER):
        block = f"refiner.blocks.{i}"
        qn, kn = params[block + ".attention.q_norm.weight"], params[block + ".attention.k_norm.weight"]
        qkv = [linear(block + ".attention.qkv", rms(v, params[block + ".attention_norm.weight"])) for v in y]
        o = attend([[rms(q, qn) for q in heads(v, 0)] for v in qkv], [[rms(k, kn) for k in heads(v, 1)] for v in qkv],
                   [heads(v, 2) for v in qkv])
        y = [add(a, linear(block + ".attention.out", b)) for a, b in zip(y, o)]
        y = [add(v, linear(block + ".mlp.down", swiglu(linear(block + ".mlp.up", rms(v, params[block + ".mlp_norm.weight"])))))
             for v in y]
    y = [rms(v, params["refiner.norm.weight"]) for v in y]

    passed = []
    for i in range(BLOCKS):
        block = f"blocks.{i}"
        if i >= (BLOCKS + 1) // 2:
            x = [linear(block + ".skip", v + u) for v, u in zip(x, passed.pop())]
        m = add(shared, params[block + ".modulation"])
        shift1, scale1, gate1, shift2, scale2, gate2 = [m[k * D:(k + 1) * D] for k in range(6)]
        qn, kn = params[block + ".attention.q_norm.weight"], params[block + ".attention.k_norm.weight"]
        tn = params[block + ".attention.text_k_norm.weight"]
        qkv = [linear(block + ".attention.qkv", modulate(v, shift1, scale1)) for v in x]
        at = [angles(n // columns, n % columns) for n in range(len(x))]
        queries = [[rotate(rms(q, qn), at[n]) for q in heads(v, 0)] for n, v in enumerate(qkv)]
        keys = [[rotate(rms(k, kn), at[n]) for k in heads(v, 1)] for n, v in enumerate(qkv)]
        values = [heads(v, 2) for v in qkv]
        kv = [linear(block + ".attention.text_kv", v) for v in y]
        keys += [[rms(k, tn) for k in heads(v, 0)] for v in kv]
        values += [heads(v, 1) for v in kv]
        o = attend(queries, keys, values)
        x = [gated(a, gate1, linear(block + ".attention.out", b)) for a, b in zip(x, o)]
        x = [gated(v, gate2, linear(block + ".mlp.down", swiglu(linear(block + ".mlp.up", modulate(v, shift2, scale2)))))
             for v in x]
        if i < BLOCKS // 2:
            passed.append(x)

    m = linear("final.modulation", s)
    tokens = [modulate(v, m[:D], m[D:]) for v in x]
    out = unpatchify([linear("head", v) for v in tokens], P, columns, C)
    velocity = add(out, detail(z, out, tokens, s))
    return [a - t * b for a, b in zip(z, velocity)]


def unpatchify(patches, side, columns, channels):
    """Patches in row-major order to a flat picture; pixels inside a patch are row-major too."""
    width = columns * side
    out = [0.0] * (len(patches) * side * side * channels)
    for n, patch in enumerate(patches):
        r, c = n // columns, n % columns
        for i in range(side):
            for j in range(side):
                for k in range(channels):
                    out[((r * side + i) * width + c * side + j) * channels + k] = patch[(i * side + j) * channels + k]
    return out


def conv(name, x, rows, columns):
    """3 x 3, padded with zeros; x is a list over places."""
    w, bias = params[name + ".weight"], params[name + ".bias"]
    out = []
    for r in range(rows):
        for c in range(columns):
            values = list(bias)
            for i in range(3):
                for j in range(3):
                    if 0 <= r + i - 1 < rows and 0 <= c + j - 1 < columns:
                        v = x[(r + i - 1) * columns + c + j - 1]
                        for o in range(DETAIL):
                            at = ((o * 3 + i) * 3 + j) * DETAIL
                            values[o] += sum(a * b for a, b in zip(w[at:at + DETAIL], v))
            out.append(values)
    return out


def detail(z, picture, tokens, s):
    """The correction: convolutions over places of 4 x 4 pixels, which see z, the trunk's picture and its tokens."""
    rows, columns, per = H // PLACE, W // PLACE, P // PLACE
    flat = unpatchify([linear("detail.context", v) for v in tokens], per, W // P, DETAIL)
    x = []
    for r in range(rows):
        for c in range(columns):
            seen = []
            for i in range(PLACE):
                for j in range(PLACE):
                    at = ((r * PLACE + i) * W + c * PLACE + j) * C
                    seen += z[at:at + C] + picture[at:at + C]
            n = (r * columns + c) * DETAIL
            x.append(add(linear("detail.input", seen), flat[n:n + DETAIL]))
    for i in range(DETAIL_BLOCKS):
        block = f"detail.blocks.{i}"
        m = linear(block + ".modulation", s)
        shift, scale, gate = m[:DETAIL], m[DETAIL:2 * DETAIL], m[2 * DETAIL:]
        h = conv(block + ".conv.0", [modulate(v, shift, scale) for v in x], rows, columns)
        h = conv(block + ".conv.1", [silu(v) for v in h], rows, columns)
        x = [gated(v, gate, u) for v, u in zip(x, h)]
    patches = [linear("detail.output", rms(v, params["detail.norm.weight"])) for v in x]
    return unpatchify(patches, PLACE, columns, C)


z = fill(B * H * W * C, 100, 1.0)
text = fill(B * T * TEXT, 101, 1.0)
pooled = fill(B * TEXT, 102, 1.0)
outputs = []
for b in range(B):
    states = [text[(b * T + k) * TEXT:(b * T + k + 1) * TEXT] for k in range(T)]
    n = H * W * C
    outputs.append(forward(z[b * n:(b + 1) * n], TIMES[b], STEPS[b], states, LENGTHS[b], pooled[b * TEXT:(b + 1) * TEXT]))
print(json.dumps({"parameters": counter, "x_hat": [[round(v, 6) for v in out] for out in outputs]}))
