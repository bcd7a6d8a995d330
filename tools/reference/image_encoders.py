"""Write the fixtures of image encoders: tiny random models as they are published, and what transformers computes of pictures.

    python tools/reference/image_encoders.py src/models/fixtures [NAME ...]

Needs `pip install pillow` beside tools/reference/train.txt. The pictures are those of tools/reference/image_text.py. Each fixture is a folder:
`config.json`, `model.safetensors` (float16), `preprocessor_config.json`, and `image-encoder.json`: pixels after the processor's resize and crop
(base64 of uint8 [3, height, width]), the first token's vectors of length 1, and, for classifiers, the probabilities of the labels. Settings are
away from their defaults, so that one that is not read shows.
"""

import argparse
import copy
import json
from pathlib import Path

import numpy as np
import torch
from image_text import bytes_of, pack, pictures
from transformers import (
    Dinov2Config,
    Dinov2ForImageClassification,
    Dinov2Model,
    ViTConfig,
    ViTForImageClassification,
    ViTModel,
)
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

LABELS = {0: "a cat", 1: "a dog", 2: "a seven"}
SIZES = dict(hidden_size=40, num_hidden_layers=3, num_attention_heads=4, patch_size=8, layer_norm_eps=1e-3)

# name: (model, its configuration, its processor)
MODELS = {
    "vit": (
        ViTForImageClassification,
        ViTConfig(**SIZES, intermediate_size=56, image_size=24, id2label=LABELS),
        ViTImageProcessorPil(size={"height": 24, "width": 24}),
    ),
    # 27 pixels, of which patches leave three of a side out; no biases of q, k and v; a pooler that is not read.
    "vit-plain": (
        ViTModel,
        ViTConfig(**SIZES, intermediate_size=56, image_size=27, qkv_bias=False, hidden_act="gelu_new"),
        ViTImageProcessorPil(size={"height": 27, "width": 27}, resample=3),
    ),
    # Trained on 40 pixels, read at 32: positions are interpolated.
    "dinov2": (
        Dinov2ForImageClassification,
        Dinov2Config(**SIZES, mlp_ratio=2, image_size=40, id2label=LABELS, problem_type="multi_label_classification"),
        BitImageProcessorPil(size={"shortest_edge": 36}, crop_size={"height": 32, "width": 32}),
    ),
    "dinov2-gated": (
        Dinov2Model,
        Dinov2Config(**SIZES, mlp_ratio=2, image_size=24, use_swiglu_ffn=True),
        BitImageProcessorPil(size={"shortest_edge": 27}, crop_size={"height": 24, "width": 24}),
    ),
}  # fmt: skip


@torch.no_grad()
def random_model(model, seed: int):
    torch.manual_seed(seed)
    for name, p in model.eval().named_parameters():
        noise = torch.randn_like(p)
        if "token" in name or "position" in name:
            p.copy_(0.5 * noise)
        elif p.ndim == 1:
            p.copy_((0.0 if "bias" in name else 1.0) + 0.2 * noise)
        else:
            p.copy_(noise * p[0].numel() ** -0.5)
        p.copy_(p.half().float())
    return model


@torch.no_grad()
def fixture(name: str, seed: int, shown: dict, out: Path) -> None:
    kind, config, processor = MODELS[name]
    config._attn_implementation = "eager"
    model = random_model(kind(config), seed)
    pixels = [np.asarray(processor(picture, return_tensors="np").pixel_values[0]) for picture in shown.values()]
    batch = torch.tensor(np.stack(pixels))
    body = getattr(model, "vit", getattr(model, "dinov2", model))
    vectors = torch.nn.functional.normalize(body(batch).last_hidden_state[:, 0], dim=-1)
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    copy.deepcopy(model).half().save_pretrained(folder)
    again = kind.from_pretrained(folder, dtype=torch.float32).eval()
    print(f"{name}: from the folder {(again(batch)[0] - model(batch)[0]).abs().max():.1e}")
    processor.save_pretrained(folder)
    reference = {
        "source": "tools/reference/image_encoders.py",
        "pictures": list(shown),
        "pixels": [pack(bytes_of(p, processor)) for p in pixels],
        "embeddings": pack(vectors.numpy()),
    }
    if model is not body:
        logits = model(batch).logits
        several = config.problem_type == "multi_label_classification"
        reference["labels"] = list(LABELS.values())
        reference["probabilities"] = pack((logits.sigmoid() if several else logits.softmax(-1)).numpy())
    (folder / "image-encoder.json").write_text(json.dumps(reference) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder to write the fixtures' folders to")
    parser.add_argument("names", nargs="*", help="models; default: all")
    args = parser.parse_args()
    shown = pictures(args.out / "pictures")
    for seed, name in enumerate(MODELS, 1):
        if not args.names or name in args.names:
            fixture(name, seed, shown, args.out)


if __name__ == "__main__":
    main()
