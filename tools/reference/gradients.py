"""Write the gradients of the fixtures' models: PyTorch's, of the mean negative log-likelihood of some labels, in float64.

    python tools/reference/gradients.py src/models/fixtures [NAME ...]

Reads each fixture's folder as `architectures.py` wrote it. Writes beside it `gradients.json` (`rows` of token ids, `labels` of each position, -100
where there is none, and the loss) and `gradients.safetensors` (float32, by the parameters' names in the checkpoint). Tied weights are there once.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

MODELS = ["gpt2", "llama-biased", "qwen2", "gemma2"]
ROWS, TOKENS = 2, 12


def labels_of(tokens: torch.Tensor) -> torch.Tensor:
    """The next token of each; none for the last of a row and for the first row's first five."""
    labels = torch.full_like(tokens, -100)
    labels[:, :-1] = tokens[:, 1:]
    labels[0, :5] = -100
    return labels


def write(folder: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float64).eval()
    reference = json.loads((folder / "reference.json").read_text())
    tokens = torch.tensor(reference["tokens"][: ROWS * TOKENS]).view(ROWS, TOKENS)
    labels = labels_of(tokens)
    logits = model(tokens).logits
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)
    loss.backward()
    gradients = {name: p.grad.float().contiguous() for name, p in model.named_parameters()}
    save_file(gradients, folder / "gradients.safetensors")
    written = {"rows": tokens.tolist(), "labels": labels.tolist(), "loss": loss.item()}
    (folder / "gradients.json").write_text(json.dumps(written) + "\n")
    print(folder.name, len(gradients), loss.item())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", default=MODELS)
    args = parser.parse_args()
    for name in args.names:
        write(args.folder / name)


if __name__ == "__main__":
    main()
