"""Write fixtures of models of late interaction: tiny random ones as they are published, and their scores of documents by PyLate.

    python tools/reference/late_interaction.py src/engine/fixtures

Needs `pip install pylate` beside tools/reference/train.txt. A folder each: `colbert`, as ColBERT's own code saves one (`linear.weight` beside the
body, `artifact.metadata`; queries are filled up with mask tokens that the others do not see), and `pylate`, as PyLate saves one (a module of its
own for the projection, markers that were added to the vocabulary; mask tokens are seen). `task.json` has a query, documents and their scores.
Settings are away from their defaults, so that one that is not read shows.
"""

import argparse
import json
from pathlib import Path

import torch
from encoder_tasks import SIZES, random_model, tokenizer
from pylate import models
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel

QUERY = "How was the soup?"
TEXTS = [
    "The food was good, and the staff were kind.",
    "I waited an hour for a cold soup!",
    "It is a restaurant.",
    "The soup was good; the bread was old, and the staff were kind to all of us who had waited for an hour in the cold.",
    ", , soup",
]


def write(folder: Path, model: models.ColBERT) -> None:
    model.float().eval()
    with torch.no_grad():
        query = model.encode([QUERY], is_query=True, convert_to_tensor=True)[0]
        documents = [model.encode([text], is_query=False, convert_to_tensor=True)[0] for text in TEXTS]
    scores = [(query @ vectors.T).max(-1).values.sum().item() for vectors in documents]
    task = {"source": "tools/reference/late_interaction.py", "query": QUERY, "texts": TEXTS, "scores": scores}
    task |= {"tokens": [len(query), *(len(vectors) for vectors in documents)]}
    (folder / "task.json").write_text(json.dumps(task, indent=1) + "\n")


def body(folder: Path, seed: int) -> None:
    """A BERT whose vocabulary has the markers of ColBERT's own code."""
    words = tokenizer(True, model_input_names=["input_ids", "token_type_ids", "attention_mask"])
    words.add_tokens(["[unused0]", "[unused1]"])
    words.save_pretrained(folder)
    random_model(BertModel(BertConfig(**{**SIZES, "vocab_size": len(words)}), add_pooling_layer=False), seed).half().save_pretrained(folder)


def colbert(folder: Path) -> None:
    body(folder, 11)
    tensors = {f"bert.{name}": tensor for name, tensor in load_file(folder / "model.safetensors").items()}
    torch.manual_seed(12)
    tensors["linear.weight"] = (0.2 * torch.randn(12, SIZES["hidden_size"])).half()
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["HF_ColBERT"]}, indent=2) + "\n")
    settings = {"query_maxlen": 16, "doc_maxlen": 24, "dim": 12, "query_token_id": "[unused0]", "doc_token_id": "[unused1]"}
    (folder / "artifact.metadata").write_text(json.dumps({**settings, "mask_punctuation": True, "attend_to_mask_tokens": False}) + "\n")
    write(folder, models.ColBERT(str(folder), device="cpu"))


def pylate(folder: Path) -> None:
    body(folder, 13)
    settings = dict(query_length=12, document_length=20, attend_to_expansion_tokens=True, skiplist_words=["the", ","])
    made = models.ColBERT(str(folder), embedding_size=12, query_prefix="[Q] ", document_prefix="[D] ", device="cpu", **settings)
    random_model(made, 14)
    for file in folder.iterdir():
        file.unlink()
    made.half().save(str(folder), create_model_card=False)
    write(folder, made)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    for name, make in {"colbert": colbert, "pylate": pylate}.items():
        (out / name).mkdir(parents=True, exist_ok=True)
        make(out / name)


main()
