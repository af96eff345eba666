"""`sd-parsers` on the pictures that go out: python sd_parsers_client.py URL."""

import base64
import io
import sys
from importlib.metadata import version

import requests
from PIL import Image
from sd_parsers import ParserManager

url = sys.argv[1]
PROMPT = "a red fox, ein Füchslein 🦊"
parser = ParserManager()


def check(file, kind):
    image = Image.open(io.BytesIO(file))
    assert image.format == kind, image.format
    found = parser.parse(io.BytesIO(file))
    assert found, f"nothing was found in {kind}"
    sampler = found.samplers[0]
    assert [prompt.value for prompt in found.prompts] == [PROMPT], found.prompts
    assert [prompt.value for prompt in found.negative_prompts] == ["blue"], found.negative_prompts
    assert sampler.parameters["seed"] == "7" and sampler.parameters["steps"] == "4", sampler
    assert sampler.model.name == "calotype-default" and found.metadata["Size"] == "128x128", (sampler, found.metadata)


job = {"prompt": PROMPT, "negative": "blue", "seed": 7, "steps": 4, "size": "128x128"}
drawn = requests.post(f"{url}/v1/images/generations", json={**job, "response_format": "url"}, timeout=300).json()
asset = requests.get(f"{url}/api/v1/assets?limit=1", timeout=60).json()["assets"][0]["id"]
for name, kind in [("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP")]:
    native = requests.get(f"{url}/api/v1/assets/{asset}/file?format={name}", timeout=60).content
    check(native, kind)
    openai = requests.post(f"{url}/v1/images/generations", json={**job, "output_format": name}, timeout=300).json()
    check(base64.b64decode(openai["data"][0]["b64_json"]), kind)
    # Our own readers find the same in each.
    headers = {"content-type": "application/octet-stream"}
    inspected = requests.post(f"{url}/api/v1/inspect", data=native, headers=headers, timeout=60).json()
    assert inspected["recipe"]["seed"] == 7 and inspected["parameters"].startswith(PROMPT), inspected
    body = {"image": base64.b64encode(native).decode()}
    info = requests.post(f"{url}/sdapi/v1/png-info", json=body, timeout=60).json()
    assert info["info"] == inspected["parameters"] and info["parameters"]["Seed"] == "7", info
small = requests.get(f"{url}/api/v1/assets/{asset}/file?format=webp&width=64", timeout=60).content
assert not Image.open(io.BytesIO(small)).getexif(), "a small picture carries what is not its own"
print("sd-parsers", version("sd-parsers"), "ok")
