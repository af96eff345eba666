"""Golden values of CLIP's text half from its two reference implementations.

    pip install torch transformers open_clip_torch ftfy safetensors
    python clip.py

Writes, beside this script,
  clip.json                      versions, prompts with their token ids, names and shapes of the published sizes
  clip_transformers.safetensors  a tiny random model in the layout of transformers, as it stands in SD 1.x files
  clip_open_clip.safetensors     the same model in the layout of open_clip, as it stands in SD 2.x files
  clip_states.safetensors        what it computes: ids [4, 77] I64; for each activation (quick, erf) the last hidden states
                                 with the final norm, those one layer earlier without and with it, all [4, 77, 64] f32, and
                                 the pooled vectors before and after the projection, [4, 64] and [4, 48]

Token ids are those of open_clip's SimpleTokenizer; those of transformers' CLIPTokenizer, which knows neither HTML nor ftfy, are
compared and the differences printed. States are those of transformers' CLIPTextModelWithProjection in f32;
open_clip's TextTransformer must agree to 2e-5. Weights are f16, so both files hold exactly what was computed with.
"""

import gzip
import json
from pathlib import Path

import ftfy
import open_clip
import torch
import transformers
from open_clip.tokenizer import SimpleTokenizer, bytes_to_unicode, default_bpe
from open_clip.transformer import QuickGELU, TextTransformer
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

HERE = Path(__file__).parent
TOKENS = 77

PROMPTS = [
    "a photo of a cat",
    "A Photo Of A CAT",
    "masterpiece, best quality, 1girl, solo, long hair, looking at viewer",
    "(masterpiece:1.2), [bad hands], {{detailed}}, <lora:style:0.8>",
    "it's the dog's bone, they'll see; we've, I'm, you're, he'd, can't",
    "IT'S THE DOG'S, THEY'LL'VE",
    "'s 't 're 've 'm 'll 'd '",
    "''quoted'' \"double\" `back`",
    "tab\tand\nnewline\r\nand   spaces   ",
    "3.14159 and 1,000,000 or 2nd 4K 8k 1080p f/1.8 35mm",
    "1234567890",
    "hello!!! world??? ... --- ___ *** +++ ===",
    "a_b_c-d-e.f/g\\h|i",
    "semi;colon:dash-dash_under~tilde^caret",
    "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis",
    "qwxzvbn zzzyxqqj xkcdxkcd",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "donaudampfschifffahrtselektrizit\u00e4tenhauptbetriebswerkbauunterbeamtengesellschaft",
    "caf\u00e9 au lait na\u00efve d\u00e9cor \u00fcber gro\u00df",
    "cafe\u0301 decomposed, A\u030angstro\u0308m",
    "\u00c9COLE \u00dcBUNG \u00d8RE \u0130stanbul STRASSE \u1e9e",
    "\u039f\u0394\u03a5\u03a3\u03a3\u0395\u03a5\u03a3 \u03a3 \u03bb\u03cc\u03b3\u03bf\u03c2",
    "\u732b\u304c\u597d\u304d \u30ab\u30bf\u30ab\u30ca \u6c49\u5b57",
    "\ud55c\uad6d\uc5b4 \ud14d\uc2a4\ud2b8",
    "\u043a\u0440\u0430\u0441\u043d\u043e\u0435 \u042f\u0411\u041b\u041e\u041a\u041e",
    "\u0639\u0631\u0628\u064a \u05e2\u05d1\u05e8\u05d9\u05ea \u0939\u093f\u0928\u094d\u0926\u0940 \u0e44\u0e17\u0e22",
    "\U0001f98a fox \U0001f525\U0001f525 fire",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 family \U0001f44d\U0001f3fd \U0001f1ef\U0001f1f5",
    "heart \u2764\ufe0f star \u2605 snow \u2603 arrow \u2192 \u221e",
    "half \u00bd squared m\u00b2 \u2166 \u2460 \u0663 \u0be7",
    "em\u2014dash en\u2013dash ellipsis\u2026 bullet\u2022",
    "no\u00a0break thin\u2009space ideographic",
    "price $5 \u20ac10 \u00a320 100% #tag @user & co",
    "C++ and C# & F# <3 :) :-D ^_^ >_<",
    "https://example.com/a?b=c&d=e#f",
    "by greg rutkowski and alphonse mucha, artstation, octane render, 8k, hdr",
    "x",
    "!",
    "0",
    "\u00b5",
    "the the the the",
    "emoji\U0001f600inside\U0001f600words",
    "\u212b \u2126 \u212a",
    "word " * 75,
    "word " * 76,
    "a very long prompt, " * 40,
    # What is cleaned first.
    "",
    "   \t\n ",
    "fish &amp; chips &lt;b&gt; &quot;x&quot; &#39;y&#x27;",
    "&amp;amp;amp;amp; twice &amp;lt;",
    "&eacute;t&eacute; &copy &notit; &hellip &nbsp;x &unknown; &; & &#0; &#128; &#xD800; &#x1F98A; &#1;",
    "<p> &rdquo;stays curly&rdquo; &amp;amp;amp; </p>",
    "<\nnext &ldquo;line&rdquo; &ampamp",
    "\u201ccurly\u201d \u2018single\u2019 it\u2019s \u201elow\u201f \u02bcokina",
    "\uff2c\uff2f\uff35\uff24\u3000\uff2e\uff2f\uff29\uff33\uff25\uff33 \uff76\uff9e\uff77 \uff06amp;",
    "\ufb01ne \ufb02at o\ufb03ce \u0133s \u01c6",
    "control\x00\x08\x1bcharacters\x7f \x1b[31mred\x1b[0m \ufeffbom\ufffc",
    "line\u2028separator\u2029and\u0085next",
    "vertical\x0btab form\x0cfeed",
    "<start_of_text>a cat<end_of_text> <END_OF_TEXT>!<end_of_text>",
    "'\u017f long s",
    "iota \u03b1\u0345\u0301 t\u0345",
    "caf&eacute; \u201cna&iuml;ve\u201d &#8217;s",
]


def published_tokenizer() -> CLIPTokenizer:
    """transformers' tokenizer with the published vocabulary, whose special tokens are spelt with bars."""
    merges = gzip.open(default_bpe()).read().decode().split("\n")[1 : 49152 - 256 - 2 + 1]
    vocabulary = list(bytes_to_unicode().values())
    vocabulary += [v + "</w>" for v in vocabulary] + ["".join(m.split()) for m in merges]
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    assert len(set(vocabulary)) == len(vocabulary) == 49408
    pairs = [tuple(m.split()) for m in merges]
    return CLIPTokenizer(vocab={v: i for i, v in enumerate(vocabulary)}, merges=pairs)


def prompts() -> list[dict]:
    simple, fast = SimpleTokenizer(), published_tokenizer()
    records = []
    for text in PROMPTS:
        ids = simple.encode(text)
        if ids != fast(text, add_special_tokens=False)["input_ids"]:
            print("transformers differs:", ascii(text))
        records.append({"text": text, "ids": ids})
    return records


def collapse(shapes: dict[str, list[int]]) -> dict[str, list[int]]:
    """Names and shapes with the layer's number as N."""
    found = {}
    for name, shape in shapes.items():
        parts = ["N" if p.isdigit() else p for p in name.split(".")]
        found[".".join(parts)] = shape
    return found


def published() -> list[dict]:
    """Names and shapes of the published sizes, from the configurations the libraries build them with."""
    found = []
    with torch.device("meta"):
        large = CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12)
        model = CLIPTextModelWithProjection(large).text_model
        shapes = {"text_model." + n: list(p.shape) for n, p in model.named_parameters()}
        found.append({"size": "L", "layout": "transformers", "layers": 12, "parameters": shapes})
        for size, name in [("H", "ViT-H-14"), ("G", "ViT-bigG-14")]:
            config = open_clip.get_model_config(name)
            text = config["text_cfg"]
            model = TextTransformer(
                context_length=text["context_length"],
                vocab_size=text["vocab_size"],
                width=text["width"],
                heads=text["heads"],
                layers=text["layers"],
                output_dim=config["embed_dim"],
            )
            shapes = {n: list(p.shape) for n, p in model.named_parameters()}
            record = {"size": size, "layout": "open_clip", "layers": text["layers"], "parameters": shapes}
            found.append(record)
    for record in found:
        sizes = [torch.Size(s).numel() for s in record["parameters"].values()]
        record["values"] = sum(sizes)
        record["tensors"] = len(sizes)
        record["parameters"] = collapse(record["parameters"])
    return found


SIZES = dict(width=64, layers=3, heads=4, intermediate=128, projection=48, vocabulary=64)


def transformers_model(activation: str) -> CLIPTextModelWithProjection:
    end = SIZES["vocabulary"] - 1
    config = CLIPTextConfig(
        vocab_size=SIZES["vocabulary"],
        hidden_size=SIZES["width"],
        intermediate_size=SIZES["intermediate"],
        projection_dim=SIZES["projection"],
        num_hidden_layers=SIZES["layers"],
        num_attention_heads=SIZES["heads"],
        max_position_embeddings=TOKENS,
        hidden_act=activation,
        bos_token_id=end - 1,
        eos_token_id=end,
        pad_token_id=end,
    )
    config._attn_implementation = "eager"
    return CLIPTextModelWithProjection(config).eval()


def open_clip_model(quick: bool) -> TextTransformer:
    return TextTransformer(
        context_length=TOKENS,
        vocab_size=SIZES["vocabulary"],
        width=SIZES["width"],
        heads=SIZES["heads"],
        layers=SIZES["layers"],
        mlp_ratio=SIZES["intermediate"] / SIZES["width"],
        output_dim=SIZES["projection"],
        act_layer=QuickGELU if quick else torch.nn.GELU,
    ).eval()


def random_weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Weights large enough that attention is far from uniform; all are exact in f16."""
    generator = torch.Generator().manual_seed(7)
    found = {}
    for name, old in model.named_parameters():
        value = torch.randn(old.shape, generator=generator)
        if "norm" in name and name.endswith("weight"):
            value = 1 + 0.2 * value
        elif name.endswith("bias"):
            value = 0.2 * value
        elif "embedding" not in name:
            value = 1.5 * value / old.shape[1] ** 0.5
        found[name] = value.half().float()
    return found


def to_open_clip(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same weights by the names of open_clip."""
    w = {n.removeprefix("text_model."): v for n, v in weights.items()}
    found = {
        "positional_embedding": w["embeddings.position_embedding.weight"],
        "token_embedding.weight": w["embeddings.token_embedding.weight"],
        "text_projection": w["text_projection.weight"].T.contiguous(),
    }
    for kind in ["weight", "bias"]:
        found[f"ln_final.{kind}"] = w[f"final_layer_norm.{kind}"]
        for i in range(SIZES["layers"]):
            a, b = f"transformer.resblocks.{i}", f"encoder.layers.{i}"
            for x, y in [("ln_1", "layer_norm1"), ("ln_2", "layer_norm2"), ("mlp.c_fc", "mlp.fc1")]:
                found[f"{a}.{x}.{kind}"] = w[f"{b}.{y}.{kind}"]
            for x, y in [("mlp.c_proj", "mlp.fc2"), ("attn.out_proj", "self_attn.out_proj")]:
                found[f"{a}.{x}.{kind}"] = w[f"{b}.{y}.{kind}"]
            qkv = [w[f"{b}.self_attn.{p}_proj.{kind}"] for p in "qkv"]
            found[f"{a}.attn.in_proj_{kind}"] = torch.cat(qkv)
    return found


def example_ids() -> torch.Tensor:
    """A sentence padded with the end token, one padded with zeros, an empty one, a full one."""
    generator = torch.Generator().manual_seed(3)
    end = SIZES["vocabulary"] - 1
    rows = []
    for length, pad in [(9, end), (30, 0), (0, end), (75, 0)]:
        words = torch.randint(0, end - 1, (length,), generator=generator).tolist()
        row = [end - 1, *words, end]
        rows.append(row + [pad] * (TOKENS - len(row)))
    return torch.tensor(rows)


@torch.no_grad()
def states() -> None:
    ids = example_ids()
    found, weights = {"ids": ids}, None
    for label, activation in [("quick", "quick_gelu"), ("erf", "gelu")]:
        model = transformers_model(activation)
        if weights is None:
            weights = random_weights(model)
        model.load_state_dict(weights, strict=False)
        out = model(input_ids=ids, output_hidden_states=True)
        body = model.text_model(input_ids=ids, output_hidden_states=True)
        earlier = body.hidden_states[-2]
        found[f"{label}.last"] = body.last_hidden_state
        found[f"{label}.earlier"] = earlier
        found[f"{label}.earlier_normed"] = model.text_model.final_layer_norm(earlier)
        found[f"{label}.pooled"] = body.pooler_output
        found[f"{label}.projected"] = out.text_embeds

        other = open_clip_model(activation == "quick_gelu")
        other.load_state_dict(to_open_clip(weights))
        x = other.token_embedding(ids) + other.positional_embedding
        for block in other.transformer.resblocks[:-1]:
            x = block(x, attn_mask=other.attn_mask)
        last = other.ln_final(other.transformer.resblocks[-1](x, attn_mask=other.attn_mask))
        for a, b in [(x, earlier), (last, body.last_hidden_state), (other(ids), out.text_embeds)]:
            error = ((a - b).norm() / b.norm()).item()
            assert error < 2e-5, error
    save_file({n: v.contiguous() for n, v in found.items()}, HERE / "clip_states.safetensors")

    half = {n: v.half().contiguous() for n, v in weights.items()}
    # What else a single-file checkpoint has beside and below the same prefix.
    model = {f"cond_stage_model.transformer.{n}": v for n, v in half.items()}
    positions = torch.arange(TOKENS).unsqueeze(0)
    model["cond_stage_model.transformer.text_model.embeddings.position_ids"] = positions
    model["model.diffusion_model.out.2.bias"] = torch.zeros(4)
    save_file(model, HERE / "clip_transformers.safetensors")
    half = to_open_clip(half)
    model = {f"cond_stage_model.model.{n}": v for n, v in half.items()}
    model["cond_stage_model.model.logit_scale"] = torch.tensor(4.6)
    model["first_stage_model.encoder.conv_in.bias"] = torch.zeros(4)
    save_file(model, HERE / "clip_open_clip.safetensors")


def main() -> None:
    torch.set_num_threads(1)
    recipe = {
        "script": "clip.py",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "open_clip": open_clip.__version__,
        "ftfy": ftfy.__version__,
        "sizes": SIZES,
        "published": published(),
        "prompts": prompts(),
    }
    text = json.dumps(recipe, separators=(",", ":"))
    (HERE / "clip.json").write_text(text.replace('{"text"', '\n{"text"').replace('{"size"', '\n{"size"') + "\n")
    states()


main()
