"""Print what transformers and diffusers compute of shipped models, for src/models/shipped-models.test.ts.

    python tools/reference/shipped.py models packages/models

Needs what tools/reference/unet.py needs.
"""

import argparse
import json
from pathlib import Path

import denoisers
import torch
from diffusers import UNet2DModel
from safetensors.torch import load_file
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoTokenizer,
    CLIPModel,
    PreTrainedTokenizerFast,
)

QUESTION, PATH = "gc,ab,bd,af,fg|ac4=", "afgc"


def executor(folder: Path) -> float:
    """Nats a token of a question with its path and answer."""
    words = AutoTokenizer.from_pretrained(folder)
    ids = words(f"{QUESTION}{PATH}>f", return_tensors="pt").input_ids
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)(ids, labels=ids).loss.item()


def planner(folder: Path) -> list[float]:
    """Log-probabilities of the path's tokens when six places are masked."""
    own = json.loads((folder / "config.json").read_text())
    config = AutoConfig.for_model(
        "llama", vocab_size=own["vocab_size"], hidden_size=own["d_model"], intermediate_size=own["mlp_hidden_size"],
        num_hidden_layers=own["n_layers"], num_attention_heads=own["n_heads"], num_key_value_heads=own["n_kv_heads"],
        rms_norm_eps=own["rms_norm_eps"], rope_parameters={"rope_type": "default", "rope_theta": float(own["rope_theta"])},
        tie_word_embeddings=own["tie_word_embeddings"], attn_implementation="eager",
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config).eval()
    stored = load_file(folder / "model.safetensors")
    named = {name: stored.get(denoisers.llada_name(name)) for name in model.state_dict()}
    model.load_state_dict({name: value.float() for name, value in named.items() if value is not None}, strict=False)
    model.tie_weights()
    words = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    ids, path = (words(text, add_special_tokens=False).input_ids for text in (QUESTION, PATH))
    masked = torch.tensor([ids + [words.convert_tokens_to_ids("<|mdm_mask|>")] * 6])
    found = denoisers.run(model, masked)[0].log_softmax(-1)
    return [found[len(ids) + i, token].item() for i, token in enumerate(path)]


def clip(folder: Path) -> dict[str, float]:
    """Probabilities of texts for a picture of bytes (i * 7919) % 251; a text's vector is its last token's."""
    model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
    words = AutoTokenizer.from_pretrained(folder)
    values = torch.tensor([(i * 7919) % 251 for i in range(96 * 96 * 3)]).view(96, 96, 3).permute(2, 0, 1)
    image = model.visual_projection(model.vision_model(pixel_values=(values[None] / 255 - 0.5) / 0.5).pooler_output)
    labels = ["cat", "a red car", "two blue dogs and a 4"]
    inputs = [words(label, return_tensors="pt").input_ids for label in labels]
    texts = [model.text_projection(model.text_model(input_ids=ids).last_hidden_state[:, -1]) for ids in inputs]
    cosines = torch.nn.functional.cosine_similarity(image, torch.cat(texts))
    return dict(zip(labels, (model.logit_scale.exp() * cosines).softmax(-1).tolist(), strict=True))


def vlm(folder: Path) -> list[tuple[int, float]]:
    """The likeliest tokens of an answer about a picture of bytes (i * 7919) % 251, with their log-probabilities."""
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    words = AutoTokenizer.from_pretrained(folder)
    values = torch.tensor([(i * 7919) % 251 for i in range(96 * 96 * 3)]).view(96, 96, 3).permute(2, 0, 1)
    image = [model.config.image_token_id] * (96 // 12) ** 2
    ids = torch.tensor([image + words("what is at the top?", add_special_tokens=False).input_ids])
    logits = model(input_ids=ids, pixel_values=(values[None] / 255 - 0.5) / 0.5).logits[0, -1]
    top = logits.log_softmax(-1).topk(4)
    return list(zip(top.indices.tolist(), top.values.tolist(), strict=True))


def digits(folder: Path) -> list[float]:
    """The first values and the mean of the noise in an image at time 120, as a 7."""
    model = UNet2DModel.from_config(json.loads((folder / "config.json").read_text())).eval()
    model.load_state_dict({name: value.float() for name, value in load_file(folder / "model.safetensors").items()})
    pixels = (torch.arange(256) * 7919 % 251) / 125 - 1
    noise = model(pixels.view(1, 1, 16, 16), torch.tensor([120]), class_labels=torch.tensor([7])).sample.flatten()
    return [*noise[:4].tolist(), noise.mean().item()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+", type=Path)
    folders = parser.parse_args().folders
    with torch.no_grad():
        reference = {"clip-tiny": clip, "executor-tiny": executor, "planner-tiny": planner}
        reference |= {"digits-tiny": digits, "vlm-tiny": vlm}
        for name, compute in reference.items():
            print(name, compute(next(path for folder in folders if (path := folder / name).exists())))
