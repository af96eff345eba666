"""The `webuiapi` client against a server: python webuiapi_client.py URL."""

import sys
import threading
import time
from importlib.metadata import version
from urllib.parse import urlparse

import webuiapi
from PIL import Image

address = urlparse(sys.argv[1])
api = webuiapi.WebUIApi(host=address.hostname, port=address.port)

# What there is.
assert api.get_sd_models()[0]["model_name"] == "default"
assert "Euler" in [sampler["name"] for sampler in api.get_samplers()]
assert "Automatic" in [schedule["label"] for schedule in api.get_schedulers()]
options = api.get_options()
assert options["sd_model_checkpoint"] == "default"
api.set_options({"sd_model_checkpoint": "default", "show_progress_every_n_steps": 2})
assert api.get_options()["show_progress_every_n_steps"] == 2
assert api.get_progress()["progress"] == 0.0

# txt2img, as the client sends it unasked.
result = api.txt2img(prompt="a red fox", negative_prompt="blue", seed=1003, steps=2, cfg_scale=3, width=128, height=128)
assert result.image.size == (128, 128) and len(result.images) == 1
assert result.info["seed"] == 1003 and result.info["all_seeds"] == [1003], result.info
assert result.parameters["steps"] == 2 and result.parameters["prompt"] == "a red fox"
assert result.info["infotexts"][0].startswith("a red fox\nNegative prompt: blue\nSteps: 2, ")

several = api.txt2img(
    prompt="a car", seed=5, steps=2, width=128, height=128, batch_size=2, n_iter=2, sampler_name="DPM++ 2M Karras"
)
assert len(several.images) == 4 and several.info["all_seeds"] == [5, 6, 7, 8]
random = api.txt2img(prompt="a car", seed=-1, steps=1, width=128, height=128)
assert 0 <= random.info["seed"] <= 4294967295

# The text inside a picture.
info = api.png_info(result.image)
assert info.info.startswith("a red fox"), info.info
assert info.parameters["Seed"] == "1003" and info.parameters["Size-1"] == "128", info.parameters

# img2img with a mask: white is drawn, black is kept.
source = Image.new("RGB", (128, 128), (200, 30, 60))
mask = Image.new("RGB", (128, 128), (0, 0, 0))
mask.paste((255, 255, 255), (64, 0, 128, 128))
changed = api.img2img(
    images=[source], mask_image=mask, mask_blur=0, prompt="a blue car", seed=1, steps=4, denoising_strength=1.0,
    width=128, height=128,
).image.convert("RGB")
assert changed.crop((0, 0, 64, 128)).tobytes() == source.crop((0, 0, 64, 128)).tobytes(), "what was to be kept changed"
assert changed.crop((64, 0, 128, 128)).tobytes() != source.crop((64, 0, 128, 128)).tobytes(), "nothing was drawn"

# Progress with the picture as it is, then an interruption.
done = {}
thread = threading.Thread(
    target=lambda: done.update(result=api.txt2img(prompt="a fox", steps=200, width=1024, height=1024, batch_size=8))
)
thread.start()
seen = None
for _ in range(600):
    progress = api.get_progress()
    if progress["state"]["sampling_step"] > 1 and progress["current_image"]:
        seen = progress
        break
    time.sleep(0.05)
assert seen and 0 < seen["progress"] < 1 and seen["state"]["sampling_steps"] == 200, seen
api.interrupt()
thread.join(60)
assert not thread.is_alive(), "the interrupted call did not end"
assert len(done["result"].images) < 8

# Errors.
import requests

for path, body, status in [
    ("txt2img", {"steps": 0}, 400), ("txt2img", {"sampler_name": "Nonsense"}, 404), ("img2img", {"prompt": "x"}, 404),
    ("img2img", {"init_images": ["!!!"]}, 400), ("txt2img", {"width": 7, "height": 7}, 400), ("txt2img", {"steps": "x"}, 400),
    ("options", {"sd_model_checkpoint": "nothing"}, 400), ("png-info", {"image": "AAAA"}, 400),
]:
    reply = requests.post(f"{sys.argv[1]}/sdapi/v1/{path}", json=body, timeout=60)
    assert reply.status_code == status and reply.json()["detail"], (path, body, reply.status_code, reply.text)
print("webuiapi", version("webuiapi"), "ok")
