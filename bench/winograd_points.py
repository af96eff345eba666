"""Error of Winograd's convolutions in f32 for some choices of points: the table of docs/adr/0018-winograd.md.

    python -m venv venv && venv/bin/pip install numpy
    venv/bin/python bench/winograd_points.py
"""

import numpy as np
from numpy.polynomial.polynomial import polyfromroots

SQUARES = 300


def matrices(points, outputs):
    """Aᵀ, G and Bᵀ of F(outputs, 3) at finite points and infinity (Toom and Cook)."""
    side = len(points) + 1
    at, g, bt = np.zeros((outputs, side)), np.zeros((side, 3)), np.zeros((side, side))
    for i, p in enumerate(points):
        others = [q for q in points if q != p]
        at[:, i] = [p**k for k in range(outputs)]
        g[i] = [p**k / np.prod([p - q for q in others]) for k in range(3)]
        bt[i, :-1] = polyfromroots(others)
    at[-1, -1], g[-1, -1], bt[-1] = 1, 1, polyfromroots(points)
    return at, g, bt


def error(points, outputs, channels):
    """Relative root of the mean square error of one square of outputs, with every step but the reference's in f32."""
    at, g, bt = matrices(points, outputs)
    at32, bt32 = at.astype(np.float32), bt.astype(np.float32)
    side, random = bt.shape[0], np.random.default_rng(0)
    wrong = right = 0.0
    for _ in range(SQUARES):
        d = random.standard_normal((channels, side, side)).astype(np.float32)
        kernel = (random.standard_normal((channels, 3, 3)) / np.sqrt(9 * channels)).astype(np.float32)
        wide, wide_kernel = d.astype(float), kernel.astype(float)
        expected = np.array([[(wide[:, y:y + 3, x:x + 3] * wide_kernel).sum() for x in range(outputs)] for y in range(outputs)])
        u, v = (g @ wide_kernel @ g.T).astype(np.float32), bt32 @ d @ bt32.T
        sums = np.zeros((side, side), np.float32)
        for channel in range(channels):
            sums = sums + u[channel] * v[channel]
        wrong += ((at32 @ sums @ at32.T - expected) ** 2).sum()
        right += (expected**2).sum()
    return np.sqrt(wrong / right)


ROOT = 2**0.5
for name, outputs, points in [
    ("F(2x2, 3x3)", 2, [0, 1, -1]),
    ("F(4x4, 3x3) at 0, ±1, ±2", 4, [0, 1, -1, 2, -2]),
    ("0, ±1/2, ±1", 4, [0, 0.5, -0.5, 1, -1]),
    ("0, 1, -1, 1/2, -2", 4, [0, 1, -1, 0.5, -2]),
    ("0, ±3/4, ±3/2", 4, [0, 0.75, -0.75, 1.5, -1.5]),
    ("0, ±1/√2, ±√2", 4, [0, ROOT / 2, -ROOT / 2, ROOT, -ROOT]),
]:
    print(f"{name:28}" + "".join(f"{error(points, outputs, channels):12.1e}" for channels in (64, 320)))
