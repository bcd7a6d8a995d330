"""Open models and adapters that Modicum wrote in transformers and PEFT, and compare their logits with Modicum's.

    python tools/reference/check_trained.py DIR ...

Each DIR holds `model` (a Hugging Face folder), `adapter` (a PEFT folder for it, if there is one) and `logits.json`: token ids, and Modicum's logits
of the model alone and with the adapter (base64 of little-endian float32 [tokens, vocabulary]). An encoder's has `texts` of ids, `types`, and what each text gives
(`model`): scores, or hidden states. Prints for each, as JSON on one line: the worst differences, and
what a loader missed or did not expect.
"""

import argparse
import base64
import json
import warnings
from pathlib import Path

import numpy as np
import torch
from peft import PeftModel
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification

from adapters import answers


def worst(logits: torch.Tensor, packed: str) -> float:
    theirs = np.frombuffer(base64.b64decode(packed), "<f4").reshape(logits.shape[1:])
    return float(np.abs(logits[0].detach().numpy() - theirs).max())


def check_encoder(folder: Path, ours: dict) -> dict:
    theirs = np.frombuffer(base64.b64decode(ours["model"]), "<f4")
    config = json.loads((folder / "model" / "config.json").read_text())
    labels = len(config.get("id2label") or [])
    scores = theirs.size == len(ours["texts"]) * labels
    model, loaded = (AutoModelForSequenceClassification if scores else AutoModel).from_pretrained(
        folder / "model", dtype=torch.float32, output_loading_info=True)
    amiss = [f"{what}: {name}" for what, names in loaded.items() for name in names]
    with torch.no_grad():
        return {"name": folder.name, "model": float(np.abs(answers(model.eval(), ours).numpy() - theirs).max()), "amiss": amiss}


def check(folder: Path) -> dict:
    ours = json.loads((folder / "logits.json").read_text())
    if "texts" in ours:
        return check_encoder(folder, ours)
    ids = torch.tensor([ours["ids"]])
    model, loaded = AutoModelForCausalLM.from_pretrained(
        folder / "model", dtype=torch.float32, output_loading_info=True)
    alone = worst(model(ids).logits, ours["model"])
    amiss = [f"{what}: {name}" for what, names in loaded.items() for name in names]
    if "adapted" not in ours:
        return {"name": folder.name, "model": alone, "amiss": amiss}
    wide = np.frombuffer(base64.b64decode(ours["adapted"]), "<f4").size // ids.numel()
    if wide > model.config.vocab_size:
        model.resize_token_embeddings(wide)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        adapted = PeftModel.from_pretrained(model, folder / "adapter")
    amiss += [str(w.message) for w in told if "adapter" in str(w.message)]
    return {"name": folder.name, "model": alone, "adapted": worst(adapted(ids).logits, ours["adapted"]), "amiss": amiss}


parser = argparse.ArgumentParser()
parser.add_argument("folders", type=Path, nargs="+")
for folder in parser.parse_args().folders:
    print(json.dumps(check(folder)))
