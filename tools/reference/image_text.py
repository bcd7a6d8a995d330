"""Write the fixtures of image-text models: tiny random models as they are published, pictures, and what transformers computes of them.

    python tools/reference/image_text.py src/models/fixtures [NAME ...]

Needs `pip install pillow` beside tools/reference/train.txt. The folder `pictures` has the pictures. `clip`, `clip-gelu` and `siglip` each have
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
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoConfig, AutoModel, CLIPTokenizer, PreTrainedTokenizerFast
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

TEXTS = ["a red square", "The number 7, handwritten; it's tall", "a photo of a dog", "été"]
WORDS = ["photo", "square", "red", "dog", "the", "number"]
TEXT = dict(vocab_size=0, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=40)
VISION = dict(hidden_size=40, intermediate_size=56, num_hidden_layers=3, num_attention_heads=4, image_size=24, patch_size=8)
PROCESSORS = {
    "clip": dict(size={"shortest_edge": 27}, crop_size={"height": 24, "width": 24}),
    # A square without a crop, bilinear, as SigLIP's processors do.
    "clip-gelu": dict(size={"height": 24, "width": 24}, do_center_crop=False, resample=2, image_mean=[0.5] * 3, image_std=[0.5] * 3),
    # 27 pixels, of which patches leave three of a side out.
    "siglip": dict(size={"height": 27, "width": 27}),
}
ACTIVATIONS = {"clip": "quick_gelu", "clip-gelu": "gelu", "siglip": "gelu_pytorch_tanh"}


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


def pieces_tokenizer() -> PreTrainedTokenizerFast:
    """Pieces of sentences by their likelihood, of texts in small letters without punctuation, as SigLIP's."""
    letters = sorted(set("".join(TEXTS).lower()) - set(" ;,'"))
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(c, -4.0 - i / 50) for i, c in enumerate(letters)] + [("▁" + w, -3.0 - i / 10) for i, w in enumerate(WORDS)]
    own = Tokenizer(models.Unigram(pieces, unk_id=2))
    blank = [normalizers.Replace(Regex(r"[\p{P}]"), ""), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    own.normalizer = normalizers.Sequence([normalizers.Lowercase(), *blank])
    own.pre_tokenizer = pre_tokenizers.Metaspace()
    own.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    length = TEXT["max_position_embeddings"]
    return PreTrainedTokenizerFast(tokenizer_object=own, pad_token="</s>", eos_token="</s>", unk_token="<unk>", model_max_length=length)


@torch.no_grad()
def random_model(model, seed: int):
    torch.manual_seed(seed)
    for name, p in model.eval().named_parameters():
        noise = torch.randn_like(p)
        if name.startswith("logit_"):
            p.fill_(2.5 if name == "logit_scale" else -1.5)
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
    siglip = name == "siglip"
    words = pieces_tokenizer() if siglip else tokenizer()
    text = {**TEXT, "vocab_size": len(words), "bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id,
            "hidden_act": ACTIVATIONS[name]}  # fmt: skip
    vision = {**VISION, "hidden_act": ACTIVATIONS[name]}
    own = dict(projection_dim=16)
    if siglip:
        text |= dict(projection_size=VISION["hidden_size"], layer_norm_eps=1e-3)
        vision |= dict(image_size=27, layer_norm_eps=1e-3)
        own = {}
    config = AutoConfig.for_model(
        "siglip" if siglip else "clip", text_config=text, vision_config=vision, attn_implementation="eager", **own)
    model = random_model(AutoModel.from_config(config), seed)
    processor = (SiglipImageProcessorPil if siglip else CLIPImageProcessorPil)(**PROCESSORS[name])
    pixels = [np.asarray(processor(picture, return_tensors="np").pixel_values[0]) for picture in shown.values()]
    # SigLIP was trained with padding that is read as any token.
    padding = dict(padding="max_length", return_attention_mask=False) if siglip else dict(padding=True)
    batch = words(TEXTS, return_tensors="pt", **padding)
    result = model(**batch, pixel_values=torch.tensor(np.stack(pixels)))
    alone = [model.get_text_features(**words([t], return_tensors="pt", **padding)).pooler_output[0] for t in TEXTS]
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
        "probabilities": pack((result.logits_per_image.sigmoid() if siglip else result.logits_per_image.softmax(-1)).numpy()),
    }
    (folder / "image-text.json").write_text(json.dumps(reference) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder to write the fixtures' folders to")
    parser.add_argument("names", nargs="*", help="models; default: all")
    args = parser.parse_args()
    shown = pictures(args.out / "pictures")
    for seed, name in enumerate(PROCESSORS, 1):
        if not args.names or name in args.names:
            fixture(name, seed, shown, args.out)


if __name__ == "__main__":
    main()
