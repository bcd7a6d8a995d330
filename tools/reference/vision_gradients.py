"""Write the loss and gradients of vision-language models whose encoder of images is frozen, in float64.

    python tools/reference/vision_gradients.py src/models/fixtures [NAME ...]

Each fixture's folder, which `vision_language.py` has written, gets `seen-gradients.json`: two chats about a picture, their ids without the last token,
their labels and the loss, a mean over all labels; and `seen-gradients.safetensors`: gradients of the decoder's first and last layer, its last norm and
its tables, under the checkpoint's names.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import AutoModelForImageTextToText, PreTrainedTokenizerFast
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from image_text import pictures
from vision_language import QwenProcessor, framing

NAMES = ("qwen2-5-vl", "qwen3-vl", "qwen3-vl-moe", "gemma3-vision", "internvl")
# A row with two questions about its picture, and a shorter one with a picture of another size.
ROWS = (
    {"image": "wide.png", "questions": [("what is left?", "a cat"), ("and right?", "a red dog")]},
    {"image": "clear.webp", "questions": [("where?", "at the top")]},
)


def processor_of(name: str, folder: Path):
    if name.startswith("qwen"):
        words = PreTrainedTokenizerFast.from_pretrained(folder)
        images = Qwen2VLImageProcessorPil.from_pretrained(folder)
        return QwenProcessor(images, words, (folder / "chat_template.jinja").read_text())
    return framing(name)[2]


def turns(questions) -> list[dict]:
    chat = []
    for i, (prompt, answer) in enumerate(questions):
        image = [{"type": "image"}] if i == 0 else []
        chat.append({"role": "user", "content": [*image, {"type": "text", "text": prompt}]})
        chat.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
    return chat


def row_of(processor, picture, questions) -> tuple[dict, list[int]]:
    """The inputs without the last token, and for each place the next token if an assistant writes it, else −1."""
    chat = turns(questions)

    def read(messages, **options) -> dict:
        text = processor.apply_chat_template(messages, **options)
        return dict(processor(text=[text], images=[[picture]], return_tensors="pt"))

    batch = read(chat)
    ids = batch["input_ids"][0].tolist()
    labelled = [False] * len(ids)
    for end in range(2, len(chat) + 1, 2):
        before = read(chat[: end - 1], add_generation_prompt=True)["input_ids"].shape[1]
        behind = read(chat[:end])["input_ids"][0].tolist()
        assert ids[: len(behind)] == behind
        labelled[before : len(behind)] = [True] * (len(behind) - before)
    for key in ("input_ids", "attention_mask", "mm_token_type_ids", "token_type_ids"):
        if key in batch:
            batch[key] = torch.as_tensor(batch[key])[:, :-1]
    return batch, [ids[i + 1] if labelled[i + 1] else -1 for i in range(len(ids) - 1)]


def in_file(names: list[str], parameter: str) -> str:
    suffix = parameter.split("language_model.")[-1]
    found = [n for n in names if n.endswith("." + suffix) or n == suffix]
    return next(n for n in found if "vis" not in n)


def gradients(name: str, out: Path) -> None:
    folder = out / name
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager", experts_implementation="eager").eval()
    processor, shown = processor_of(name, folder), pictures(out / "pictures")
    rows = [row_of(processor, shown[row["image"]], row["questions"]) for row in ROWS]
    count = sum(label >= 0 for _, labels in rows for label in labels)
    loss = 0.0
    for batch, labels in rows:
        # Rows of images are read once, before training.
        pixels = {key: value.double() if value.is_floating_point() else value for key, value in batch.items()}
        logits = model(**pixels).logits[0]
        target = torch.tensor(labels)
        part = torch.nn.functional.cross_entropy(logits[target >= 0], target[target >= 0], reduction="sum") / count
        part.backward()
        loss += part.item()
    last = f"layers.{model.config.text_config.num_hidden_layers - 1}."
    with safe_open(folder / "model.safetensors", "pt") as file:
        names = list(file.keys())
    kept = {}
    for parameter, p in model.named_parameters():
        if p.grad is None or "visual" in parameter or "vision" in parameter or "projector" in parameter:
            continue
        if "layers." in parameter and "layers.0." not in parameter and last not in parameter:
            continue
        stacked = name == "qwen3-vl-moe" and ".experts." in parameter
        kept[in_file(names, parameter)] = (p.grad.transpose(1, 2) if stacked else p.grad).float().contiguous()
    save_file(kept, folder / "seen-gradients.safetensors")
    reference = {
        "source": "tools/reference/vision_gradients.py",
        "rows": [{"image": row["image"], "questions": [{"prompt": p, "answer": a} for p, a in row["questions"]]} for row in ROWS],
        "ids": [batch["input_ids"][0].tolist() for batch, _ in rows],
        "labels": [labels for _, labels in rows],
        "loss": loss,
    }
    (folder / "seen-gradients.json").write_text(json.dumps(reference) + "\n")
    print(f"{name}: {[len(labels) for _, labels in rows]} tokens, {count} labels, loss {loss:.4f}, {len(kept)} gradients")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the fixtures' folder")
    parser.add_argument("names", nargs="*", help="models; default: all")
    args = parser.parse_args()
    for name in args.names or NAMES:
        gradients(name, args.out)


if __name__ == "__main__":
    main()
