"""The `webuiapi` client against a server: python webuiapi_client.py URL."""

import sys
import threading
import time
from importlib.metadata import version
from urllib.parse import urlparse

import webuiapi
from PIL import Image, ImageChops

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

# What the client sends unasked: nothing fails. The seed is the only thing that is chosen, and few steps to be quick.
assert api.txt2img(prompt="a fox", seed=1, steps=1).image.size == (512, 512)
assert api.img2img(images=[source], prompt="a fox", seed=1, steps=1).image.size == (512, 512)
unasked = api.img2img(images=[source.resize((600, 300))], mask_image=mask.resize((600, 300)), prompt="a fox", seed=1, steps=1)
assert unasked.image.size == (600, 300)
assert api.extra_single_image(image=source).image.size == (128, 128)

# Hires fix: drawn at one size, developed at another; the text says how. Without guidance, because with it all seeds draw one fox.
small = api.txt2img(prompt="a fox", seed=9, steps=2, cfg_scale=1, width=128, height=128)
large = api.txt2img(
    prompt="a fox", seed=9, steps=2, cfg_scale=1, width=128, height=128, enable_hr=True, hr_scale=2, hr_second_pass_steps=3,
    hr_upscaler=webuiapi.HiResUpscaler.Lanczos, denoising_strength=0.5, batch_size=2,
)
assert [image.size for image in large.images] == [(256, 256)] * 2 and large.info["all_seeds"] == [9, 10]
told = large.info["infotexts"][0]
for part in ("Size: 128x128", "Denoising strength: 0.5", "Hires upscale: 2", "Hires steps: 3", "Hires upscaler: Lanczos"):
    assert part in told, (part, told)
assert api.png_info(large.image).parameters["Hires steps"] == "3" and large.image.text["parameters"] == told


def distance(a, b):
    """Mean difference of two pictures over white, 0 to 255."""
    flat = []
    for image in (a, b):
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image.convert("RGBA"))
        flat.append(white.convert("L").resize((64, 64)).tobytes())
    return sum(abs(x - y) for x, y in zip(*flat)) / len(flat[0])


other = api.txt2img(prompt="a fox", seed=77, steps=2, cfg_scale=1, width=256, height=256)
assert distance(large.image, small.image) < distance(large.image, other.image), "it was not developed from its first pass"
resized = api.txt2img(
    prompt="a fox", seed=9, steps=1, width=128, height=128, enable_hr=True, hr_resize_x=256, hr_resize_y=128
)
assert resized.image.size == (256, 128) and "Hires resize: 256x128" in resized.info["infotexts"][0]

# Only masked: what is outside of the mask is the given picture to the byte, at its own size.
wide = Image.effect_noise((400, 200), 60).convert("RGB")
spot = Image.new("RGB", (400, 200))
spot.paste((255, 255, 255), (40, 60, 90, 110))
for fill in range(4):
    painted = api.img2img(
        images=[wide], mask_image=spot, mask_blur=0, inpaint_full_res=True, inpaint_full_res_padding=16, inpainting_fill=fill,
        prompt="a red car", seed=3, steps=2, width=128, height=128,
    )
    image = painted.image.convert("RGB")
    assert image.size == (400, 200) and "Inpaint area: Only masked" in painted.info["infotexts"][0], painted.info
    difference = ImageChops.difference(image, wide).getbbox()
    assert difference and difference[0] >= 40 and difference[1] >= 60 and difference[2] <= 90 and difference[3] <= 110, difference
inverted = api.img2img(
    images=[wide], mask_image=spot, mask_blur=0, inpainting_mask_invert=1, inpaint_full_res=False, inpainting_fill=1,
    prompt="a red car", seed=3, steps=1, width=256, height=128,
).image.convert("RGB")
assert inverted.size == (256, 128)

# Ways to fit a picture: a red one between blue ends keeps, loses or repeats its ends.
banner = Image.new("RGB", (256, 128), (200, 0, 0))
banner.paste((0, 0, 200), (0, 0, 64, 128))
banner.paste((0, 0, 200), (192, 0, 256, 128))
for mode, corner in [(0, (0, 0, 200)), (1, (200, 0, 0)), (2, (0, 0, 200))]:
    fitted = api.img2img(
        images=[banner], resize_mode=mode, mask_image=Image.new("RGB", (256, 128)), mask_blur=0, prompt="x", seed=1, steps=1,
        width=128, height=128, inpaint_full_res=False,
    ).image.convert("RGB")
    assert fitted.size == (128, 128) and fitted.getpixel((2, 64)) == corner, (mode, fitted.getpixel((2, 64)))

# Variations: the seed stays, the other one moves on; a strength of 0 is the seed's own picture.
base = {"prompt": "a car", "seed": 5, "steps": 2, "width": 128, "height": 128}
varied = api.txt2img(**base, subseed=11, subseed_strength=0.3, batch_size=2)
assert varied.info["all_seeds"] == [5, 5] and varied.info["all_subseeds"] == [11, 12], varied.info
assert "Variation seed: 11, Variation seed strength: 0.3" in varied.info["infotexts"][0]
plain = api.txt2img(**base, subseed=11, subseed_strength=0.0).image
assert plain.tobytes() == api.txt2img(**base).image.tobytes()
full = api.txt2img(**base, subseed=11, subseed_strength=1.0).image
assert distance(full, api.txt2img(**{**base, "seed": 11}).image) < 2, "a strength of 1 is not the other seed's picture"
assert 0 < distance(varied.images[0], plain) and varied.images[0].tobytes() != varied.images[1].tobytes()

# Enlarging.
assert {"None", "Lanczos", "Nearest"} <= {upscaler["name"] for upscaler in api.get_upscalers()}
assert api.extra_single_image(image=source, upscaler_1="Lanczos", upscaling_resize=3).image.size == (384, 384)
both = api.extra_batch_images(
    images=[source, banner], resize_mode=1, upscaler_1="Nearest", upscaling_resize_w=100, upscaling_resize_h=100
)
assert [image.size for image in both.images] == [(100, 100)] * 2
assert both.images[1].convert("RGB").getpixel((50, 50)) == (200, 0, 0)

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
    ("txt2img", {"enable_hr": True, "hr_scale": 9}, 400), ("txt2img", {"enable_hr": True, "hr_upscaler": "x"}, 400),
    ("txt2img", {"subseed_strength": 2}, 400), ("extra-single-image", {"image": "!"}, 400), ("extra-batch-images", {}, 400),
    ("options", {"sd_model_checkpoint": "nothing"}, 400), ("png-info", {"image": "AAAA"}, 400),
]:
    reply = requests.post(f"{sys.argv[1]}/sdapi/v1/{path}", json=body, timeout=60)
    assert reply.status_code == status and reply.json()["detail"], (path, body, reply.status_code, reply.text)
print("webuiapi", version("webuiapi"), "ok")
