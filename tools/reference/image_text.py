"""Write the fixtures of image-text models: tiny random models as they are published, pictures, and what transformers computes of them.

    python tools/reference/image_text.py src/models/fixtures

Needs `pip install pillow` beside tools/reference/train.txt. The folder `pictures` has the pictures. `clip` and `clip-gelu` each have
`config.json`, `model.safetensors` (float16), `tokenizer.json`, `preprocessor_config.json`, and `image-text.json`: ids and embeddings of texts,
pixels after the processor's resize and crop (base64 of uint8 [3, height, width]; the generator checks that normalising them gives
`pixel_values`), embeddings of the pictures, and the probabilities of the texts for each picture.
"""

import argparse
import base64
import copy
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from transformers import AutoConfig, AutoModel, CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

TEXTS = ["a red square", "The number 7, handwritten; it's tall", "a photo of a dog", "été"]
WORDS = ["photo", "square", "red", "dog", "the", "number"]
TEXT = dict(vocab_size=0, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=40)
VISION = dict(hidden_size=40, intermediate_size=56, num_hidden_layers=3, num_attention_heads=4, image_size=24, patch_size=8)
PROCESSORS = {
    "clip": dict(size={"shortest_edge": 27}, crop_size={"height": 24, "width": 24}),
    # A square without a crop, bilinear, as SigLIP's processors do.
    "clip-gelu": dict(size={"height": 24, "width": 24}, do_center_crop=False, resample=2, image_mean=[0.5] * 3, image_std=[0.5] * 3),
}
ACTIVATIONS = {"clip": "quick_gelu", "clip-gelu": "gelu"}


def pictures(folder: Path) -> dict[str, Image.Image]:
    """The pictures as transformers' `load_image` has them, but with transparency on white."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)

    def drawn(width: int, height: int, bands: int, noise: float) -> np.ndarray:
        y, x = np.mgrid[0:height, 0:width]
        waves = [127 + 110 * np.sin((x * (i + 1) + y * (bands - i)) * 0.11 + i) for i in range(bands)]
        return np.clip(np.stack(waves, -1) + rng.normal(0, noise, (height, width, bands)), 0, 255).astype(np.uint8)

    Image.fromarray(drawn(91, 50, 3, 20)).save(folder / "wide.png")
    Image.fromarray(drawn(20, 11, 1, 5)[..., 0]).save(folder / "small-gray.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(drawn(70, 41, 3, 0)).save(folder / "turned.jpg", quality=95, subsampling=0, exif=turned)
    clear = drawn(48, 52, 4, 10)
    # Wholly transparent or not at all: mixtures are rounded in different ways.
    clear[..., 3] = np.where(clear[..., 3] > 127, 255, 0)
    Image.fromarray(clear).save(folder / "clear.webp", lossless=True, exact=True)
    Image.fromarray(drawn(64, 40, 3, 0)).quantize(32).save(folder / "still.gif")

    def flat(picture: Image.Image) -> Image.Image:
        picture = ImageOps.exif_transpose(picture).convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")

    return {file.name: flat(Image.open(file)) for file in sorted(folder.iterdir())}


def tokenizer() -> CLIPTokenizer:
    """Bytes, bytes that end a word, and the merges of a few words."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in printable]
    alphabet = [chr(b) for b in printable] + [chr(256 + i) for i in range(len(rest))]
    tokens = alphabet + [c + "</w>" for c in alphabet]
    merges = []
    for word in WORDS:
        pieces = [*word[:-1], word[-1] + "</w>"]
        while len(pieces) > 1:
            pair = (pieces[0], pieces[1])
            if pair not in merges:
                merges.append(pair)
            pieces[:2] = ["".join(pair)]
            if pieces[0] not in tokens:
                tokens.append(pieces[0])
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={t: i for i, t in enumerate(tokens)}, merges=merges)


@torch.no_grad()
def random_model(model, seed: int):
    torch.manual_seed(seed)
    for name, p in model.eval().named_parameters():
        noise = torch.randn_like(p)
        if name == "logit_scale":
            p.fill_(2.5)
        elif p.ndim == 1:
            p.copy_((0.0 if "bias" in name or "class" in name else 1.0) + 0.2 * noise)
        else:
            p.copy_(0.5 * noise if "embedding.weight" in name and p.ndim == 2 else noise * p[0].numel() ** -0.5)
        p.copy_(p.half().float())
    return model


def pack(values) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def bytes_of(pixels: np.ndarray, processor) -> np.ndarray:
    """The bytes that normalising makes pixel values of."""
    mean, std = (np.array(v).reshape(3, 1, 1) for v in (processor.image_mean, processor.image_std))
    found = np.round((pixels * std + mean) * 255)
    assert np.abs((found / 255 - mean) / std - pixels).max() < 1e-5
    return found.astype(np.uint8)


@torch.no_grad()
def fixture(name: str, seed: int, shown: dict[str, Image.Image], out: Path) -> None:
    words = tokenizer()
    text = {**TEXT, "vocab_size": len(words), "bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id,
            "hidden_act": ACTIVATIONS[name]}  # fmt: skip
    config = AutoConfig.for_model(
        "clip", text_config=text, vision_config={**VISION, "hidden_act": ACTIVATIONS[name]}, projection_dim=16,
        attn_implementation="eager",
    )  # fmt: skip
    model = random_model(AutoModel.from_config(config), seed)
    processor = CLIPImageProcessorPil(**PROCESSORS[name])
    pixels = [np.asarray(processor(picture, return_tensors="np").pixel_values[0]) for picture in shown.values()]
    batch = words(TEXTS, padding=True, return_tensors="pt")
    result = model(**batch, pixel_values=torch.tensor(np.stack(pixels)))
    alone = [model.get_text_features(**words([t], return_tensors="pt")).pooler_output[0] for t in TEXTS]
    alone = torch.nn.functional.normalize(torch.stack(alone), dim=-1)
    print(f"{name}: texts alone against in a batch {(alone - result.text_embeds).abs().max():.1e}, logits\n{result.logits_per_image}")
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    copy.deepcopy(model).half().save_pretrained(folder)
    words.save_pretrained(folder)
    processor.save_pretrained(folder)
    reference = {
        "source": "tools/reference/image_text.py",
        "texts": TEXTS,
        "ids": [words(t).input_ids for t in TEXTS],
        "pictures": list(shown),
        "pixels": [pack(bytes_of(p, processor)) for p in pixels],
        "textEmbeddings": pack(result.text_embeds.numpy()),
        "imageEmbeddings": pack(result.image_embeds.numpy()),
        "probabilities": pack(result.logits_per_image.softmax(-1).numpy()),
    }
    (folder / "image-text.json").write_text(json.dumps(reference) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder to write the fixtures' folders to")
    args = parser.parse_args()
    shown = pictures(args.out / "pictures")
    for seed, name in enumerate(PROCESSORS, 1):
        fixture(name, seed, shown, args.out)


if __name__ == "__main__":
    main()
