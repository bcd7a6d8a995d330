"""Write the gradients of an encoder's heads: PyTorch's, in float64.

    python tools/reference/heads.py src/models/fixtures/bert

For `classes`, the mean cross-entropy of a class per text. For `embedding`, that of each query's own document by cosines times 20, with every document of
the batch as a choice, one wrong document among them: what sentence-transformers' MultipleNegativesRankingLoss computes. Writes beside the model `heads.json`
(the texts' token ids, classes, and each head's loss) and `gradients-HEAD.safetensors` (float32, by the checkpoint's names).
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoModelForSequenceClassification

QUERIES = 3
CLASSES = [2, 0, 1]
LENGTHS = [5, 9, 3, 4, 6, 8, 7]


def hidden(model: torch.nn.Module, row: list) -> torch.Tensor:
    return model.bert(torch.tensor([row])).last_hidden_state[0]


def classes(model: torch.nn.Module, rows: list) -> torch.Tensor:
    logits = torch.cat([model(torch.tensor([row])).logits for row in rows[:QUERIES]])
    return torch.nn.functional.cross_entropy(logits, torch.tensor(CLASSES))


def embedding(model: torch.nn.Module, rows: list) -> torch.Tensor:
    vectors = torch.nn.functional.normalize(torch.stack([hidden(model, row).mean(dim=0) for row in rows]), dim=1)
    scores = 20 * vectors[:QUERIES] @ vectors[QUERIES:].T
    return torch.nn.functional.cross_entropy(scores, torch.arange(QUERIES))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    args = parser.parse_args()
    generator = torch.Generator().manual_seed(0)
    rows = [torch.randint(1, 60, (length,), generator=generator).tolist() for length in LENGTHS]
    losses = {}
    for head in (classes, embedding):
        model = AutoModelForSequenceClassification.from_pretrained(args.model, dtype=torch.float64, attn_implementation="eager").eval()
        loss = head(model, rows)
        loss.backward()
        gradients = {name: p.grad.float().contiguous() for name, p in model.named_parameters() if p.grad is not None}
        save_file(gradients, args.model / f"gradients-{head.__name__}.safetensors")
        losses[head.__name__] = loss.item()
    (args.model / "heads.json").write_text(json.dumps({"rows": rows, "queries": QUERIES, "classes": CLASSES, "losses": losses}) + "\n")


if __name__ == "__main__":
    main()
