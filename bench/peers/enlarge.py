"""The built-in enlarger beside a Lanczos filter, on pictures it was not trained on: those inside scikit-image.

Each is made four times smaller, then enlarged again by both; the table has the PSNR with the original (dB).

    python -m venv venv && venv/bin/pip install scikit-image pillow
    venv/bin/python bench/peers/enlarge.py > bench/runs/DATE-enlarge.csv
"""

import math
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import skimage.data
from PIL import Image

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else "target/release/calotype"
TIMES, LEAST = 4, 128


def psnr(a, b):
    return 10 * math.log10(255**2 / np.mean((np.asarray(a, float) - np.asarray(b, float)) ** 2))


print("picture,network_db,lanczos_db")
for path in sorted(pathlib.Path(skimage.data.__file__).parent.iterdir()):
    if path.suffix not in (".png", ".jpg"):
        continue
    picture = Image.open(path).convert("RGB")
    width, height = (side // TIMES * TIMES for side in picture.size)
    if min(width, height) < LEAST:
        continue
    picture = picture.crop((0, 0, width, height))
    small = picture.resize((width // TIMES, height // TIMES), Image.LANCZOS)
    with tempfile.TemporaryDirectory() as folder:
        small.save(f"{folder}/small.png")
        subprocess.run([PROGRAM, "enlarge", f"{folder}/small.png", "-o", f"{folder}/large.png"], check=True, stdout=subprocess.DEVNULL)
        network = Image.open(f"{folder}/large.png").convert("RGB")
    print(f"{path.name},{psnr(network, picture):.2f},{psnr(small.resize((width, height), Image.LANCZOS), picture):.2f}")
