"""Write PEFT's side of src/train/subject/encoder-lora.test.ts: adapters of encoders before and after three steps of AdamW, in fp32.

    python tools/reference/encoder_training.py src/models/fixtures src/train/subject/fixtures

`classes` is a classifier's mean cross-entropy, `embedding` that of heads.py. Each fixture is a folder as adapter_training.py writes it,
with the texts' token ids in `losses.json`.
"""

import argparse
import json
import math
from pathlib import Path

import torch
from adapter_training import optimizer, save
from heads import CLASSES, LENGTHS, QUERIES
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForSequenceClassification, BertModel


def classes(model, rows: list) -> torch.Tensor:
    logits = torch.cat([model(input_ids=torch.tensor([row])).logits for row in rows[:QUERIES]])
    return torch.nn.functional.cross_entropy(logits, torch.tensor(CLASSES))


def embedding(model, rows: list) -> torch.Tensor:
    means = [model(input_ids=torch.tensor([row])).last_hidden_state[0].mean(dim=0) for row in rows]
    vectors = torch.nn.functional.normalize(torch.stack(means), dim=1)
    return torch.nn.functional.cross_entropy(20 * vectors[:QUERIES] @ vectors[QUERIES:].T, torch.arange(QUERIES))


LAYERS = ["query", "value", "intermediate.dense", "layer.1.output.dense"]
CASES = {
    "bert-classes": ("bert", AutoModelForSequenceClassification, classes, "SEQ_CLS", [*LAYERS, "pooler.dense"]),
    "distilbert-classes": ("distilbert", AutoModelForSequenceClassification, classes, "SEQ_CLS", ["q_lin", "v_lin", "lin1"]),
    "bert-embedding": ("bert", BertModel, embedding, "FEATURE_EXTRACTION", LAYERS),
}


def fixture(name: str, bases: Path, out: Path) -> None:
    base, cls, head, task, targets = CASES[name]
    torch.manual_seed(5)
    plain = cls.from_pretrained(bases / base, dtype=torch.float32, attn_implementation="eager")
    model = get_peft_model(plain, LoraConfig(r=4, lora_alpha=6, task_type=task, target_modules=targets)).eval()
    for key, p in model.named_parameters():
        if "lora_A" in key or "lora_B" in key:
            p.data.copy_(torch.randn_like(p) / math.sqrt(p.shape[-1]))
    generator = torch.Generator().manual_seed(0)
    rows = [torch.randint(1, 60, (length,), generator=generator).tolist() for length in LENGTHS]
    save(model, out / name / "start", base)
    adam, losses = optimizer(model, name), []
    for _ in range(3):
        loss = head(model, rows)
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
        adam.step()
        losses.append(loss.item())
    save(model, out / name / "trained", base)
    (out / name / "losses.json").write_text(json.dumps({"rows": rows, "losses": losses}) + "\n")
    print(name, losses)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bases", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*", default=[*CASES])
    args = parser.parse_args()
    for name in args.names:
        fixture(name, args.bases, args.out)


if __name__ == "__main__":
    main()
