"""The official `openai` client against a server: python openai_client.py URL."""

import base64
import io
import sys

import openai
from PIL import Image

url = sys.argv[1]
client = openai.OpenAI(base_url=f"{url}/v1", api_key="not-needed", max_retries=0)
SMALL = {"seed": 7, "steps": 2}


def picture(item):
    image = Image.open(io.BytesIO(base64.b64decode(item.b64_json)))
    image.load()
    return image


# Models.
names = [model.id for model in client.models.list()]
assert "default" in names, names
assert client.models.retrieve("default").id == "default"
try:
    client.models.retrieve("nothing")
    raise AssertionError("a model that is not there was found")
except openai.NotFoundError as error:
    assert error.code == "model_not_found", error.code

# Generations.
reply = client.images.generate(
    model="gpt-image-1", prompt="a red fox", n=2, size="128x128", quality="low", background="transparent",
    output_format="png", extra_body={**SMALL, "negative_prompt": "blue", "guidance_scale": 3.0, "sampler": "euler"},
)
assert len(reply.data) == 2 and reply.size == "128x128" and reply.quality == "low" and reply.background == "transparent"
assert reply.output_format == "png" and reply.usage.total_tokens == 0
first = picture(reply.data[0])
assert first.size == (128, 128) and first.mode == "RGBA" and "parameters" in first.text, first.info
assert "Seed: 7" in first.text["parameters"] and "Negative prompt: blue" in first.text["parameters"]

again = client.images.generate(
    model="gpt-image-1", prompt="a red fox", n=1, size="128x128", quality="low",
    extra_body={**SMALL, "negative_prompt": "blue", "guidance_scale": 3.0, "sampler": "euler"},
)
assert picture(again.data[0]).tobytes() == first.tobytes(), "the same request gave other pixels"

jpeg = client.images.generate(prompt="a car", size="128x128", output_format="jpeg", output_compression=80, extra_body=SMALL)
assert picture(jpeg.data[0]).format == "JPEG"
webp = client.images.generate(prompt="a car", size="128x128", output_format="webp", extra_body=SMALL)
assert picture(webp.data[0]).format == "WEBP"
wide = client.images.generate(prompt="a car", size="1536x1024", extra_body=SMALL)
assert picture(wide.data[0]).size == (1536, 1024)
address = client.images.generate(prompt="a car", size="128x128", response_format="url", extra_body=SMALL)
assert address.data[0].url.startswith(url), address.data[0].url

# A stream.
kinds, partial = [], 0
for event in client.images.generate(
    prompt="a red fox", size="128x128", stream=True, partial_images=2, extra_body={"seed": 7, "steps": 12}
):
    kinds.append(event.type)
    assert picture(event).size == (128, 128)
    if event.type == "image_generation.partial_image":
        assert event.partial_image_index == partial
        partial += 1
assert kinds[-1] == "image_generation.completed" and kinds.count("image_generation.completed") == 1, kinds
assert 1 <= partial <= 2, kinds

# Edits: where the mask is transparent is drawn; the rest is kept to the byte.
source = Image.new("RGBA", (128, 128), (200, 30, 60, 255))
mask = Image.new("RGBA", (128, 128), (0, 0, 0, 255))
mask.paste((0, 0, 0, 0), (64, 0, 128, 128))


def file(image, name):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return (name, buffer.getvalue(), "image/png")


edited = client.images.edit(
    image=file(source, "source.png"), mask=file(mask, "mask.png"), prompt="a blue car", size="128x128",
    extra_body={**SMALL, "strength": 1.0},
)
edited = picture(edited.data[0])
assert edited.crop((0, 0, 64, 128)).tobytes() == source.crop((0, 0, 64, 128)).tobytes(), "what was to be kept changed"
assert edited.crop((64, 0, 128, 128)).tobytes() != source.crop((64, 0, 128, 128)).tobytes(), "nothing was drawn"
kinds = [
    event.type
    for event in client.images.edit(
        image=[file(source, "a.png"), file(source, "b.png")], prompt="a car", size="128x128", stream=True, partial_images=1,
        extra_body=SMALL,
    )
]
assert kinds[-1] == "image_edit.completed", kinds

# Variations.
varied = client.images.create_variation(image=file(source, "source.png"), n=2, size="256x256", response_format="b64_json")
assert len(varied.data) == 2 and picture(varied.data[0]).size == (256, 256)

# Errors name the field.
for field, wrong in {
    "n": {"n": 11}, "size": {"size": "7x7"}, "quality": {"quality": "best"}, "background": {"background": "blue"},
    "output_format": {"output_format": "gif"}, "partial_images": {"stream": True, "partial_images": 4},
    "steps": {"extra_body": {"steps": 201}}, "guidance_scale": {"extra_body": {"guidance_scale": -1}},
    "sampler": {"extra_body": {"sampler": "x"}}, "output_compression": {"output_compression": 101},
}.items():
    try:
        client.images.generate(prompt="x", **wrong)
        raise AssertionError(f"{field} was not refused")
    except openai.BadRequestError as error:
        assert error.param == field, (field, error.param, error.message)
        assert error.type == "invalid_request_error", error.type
for call in (
    lambda: client.images.edit(image=("x.png", b"not a picture", "image/png"), prompt="x"),
    lambda: client.images.edit(image=file(source, "a.png"), mask=file(mask.resize((64, 64)), "m.png"), prompt="x"),
):
    try:
        call()
        raise AssertionError("a bad picture was not refused")
    except openai.BadRequestError as error:
        assert error.param in ("image", "mask"), error.param
print("openai", openai.__version__, "ok")
