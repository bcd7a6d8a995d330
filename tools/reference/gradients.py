"""Write the gradients of the fixtures' models: PyTorch's, of the mean negative log-likelihood of some labels, in float64.

    python tools/reference/gradients.py src/models/fixtures [NAME ...]

Reads each fixture's folder as `architectures.py` and `encoders.py` wrote it. Writes beside it `gradients.json` (`rows` of token ids, an encoder's of
different lengths and with their `types`, `labels` of each position, -100 where there is none, and the loss) and `gradients.safetensors` (float32, by
the parameters' names in the checkpoint). Tied weights are there once.
"""

import argparse
import json
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

MODELS = ["cohere2", "exaone4", "falcon_h1-before", "gemma4-experts", "gemma4-e2b", "qwen3_5", "deepseek_v2-groups", "glm4_moe-air", "gpt2", "gpt_oss-limits", "granitemoehybrid-dense", "jetmoe", "lfm2", "llama-biased", "llama4-chunks", "mamba", "mamba2-groups", "mixtral", "nemotron_h", "nemotron_h-experts", "qwen2", "qwen3_next", "gemma2", "bert-mlm", "modernbert-mlm", "mpnet-mlm"]
STORED = ["deepseek_v2-groups", "gemma4-experts", "gemma4-e2b", "glm4_moe-air", "jetmoe", "mixtral", "nemotron_h", "nemotron_h-experts", "qwen3_next"]
ROWS, TOKENS = 2, 12


def labels_of(tokens: torch.Tensor) -> torch.Tensor:
    """The next token of each; none for the last of a row and for the first row's first five."""
    labels = torch.full_like(tokens, -100)
    labels[:, :-1] = tokens[:, 1:]
    labels[0, :5] = -100
    return labels


def loss_of(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)


def decoder(folder: Path) -> tuple:
    attention = {} if folder.name.startswith("mamba") else dict(attn_implementation="eager")
    if folder.name in ("gemma4-experts", "gpt_oss-limits", "deepseek_v2-groups", "glm4_moe-air", "mixtral", "nemotron_h-experts", "qwen3_next"):
        attention["experts_implementation"] = "eager"
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64, **attention).eval()
    reference = json.loads((folder / "reference.json").read_text())
    tokens = torch.tensor(reference["tokens"][: ROWS * TOKENS]).view(ROWS, TOKENS)
    labels = labels_of(tokens)
    return model, loss_of(model(tokens).logits, labels), {"rows": tokens.tolist(), "labels": labels.tolist()}


def encoder(folder: Path) -> tuple:
    """A token is to be told at every second place of a text."""
    model = AutoModelForMaskedLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float64).eval()
    reference = json.loads((folder / "encoder.json").read_text())
    rows = [reference["texts"][i] for i in (0, 2)]
    labels = [[(3 * token + 1) % model.config.vocab_size if i % 2 else -100 for i, token in enumerate(row)] for row in rows]
    written = {"rows": rows, "labels": labels}
    if "types" in reference:
        written["types"] = [reference["types"][i] for i in (0, 2)]
    # One by one: transformers has no numbers for padding that sees no token within its window.
    logits = [
        model(torch.tensor([row]), **({"token_type_ids": torch.tensor([written["types"][i]])} if "types" in written else {})).logits
        for i, row in enumerate(rows)
    ]
    return model, loss_of(torch.cat(logits, dim=1), torch.tensor([sum(labels, [])])), written


def of_parameters(model) -> dict[str, torch.Tensor]:
    return {name: p.grad.float().contiguous() for name, p in model.named_parameters() if p.grad is not None}


@torch.no_grad()
def as_stored(model) -> dict[str, torch.Tensor]:
    """By the checkpoint's names, which transformers gives to some parameters as it saves them."""
    for p in model.parameters():
        p.copy_(p.grad)
    for name, b in model.named_buffers():
        if name.endswith(("e_score_correction_bias", "layer_scalar")):
            b.zero_()
    with tempfile.TemporaryDirectory() as folder:
        model.float().save_pretrained(folder)
        return load_file(Path(folder) / "model.safetensors")


def write(folder: Path) -> None:
    model, loss, written = (encoder if folder.name.endswith("-mlm") else decoder)(folder)
    loss.backward()
    gradients = as_stored(model) if folder.name in STORED else of_parameters(model)
    save_file(gradients, folder / "gradients.safetensors")
    (folder / "gradients.json").write_text(json.dumps({**written, "loss": loss.item()}) + "\n")
    (folder / "gradients.safetensors").chmod(0o644)
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
