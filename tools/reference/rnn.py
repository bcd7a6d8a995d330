"""A tiny language model of PyTorch's nn.RNN layers, its logits and gradients: src/models/fixtures/rnn.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install -r tools/reference/train.txt
    /tmp/venv/bin/python tools/reference/rnn.py src/models/fixtures/rnn

Each layer is h + out_proj(nn.RNN(norm(h))), with RMS norms. nn.RNN has two biases, whose sum is in_proj's.
"""

import base64
import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

VOCABULARY, HIDDEN, INNER, LAYERS, EPSILON, TOKENS = 72, 32, 48, 2, 1e-3, 33


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.RMSNorm(HIDDEN, EPSILON)
        self.rnn = nn.RNN(HIDDEN, INNER, batch_first=True)
        self.out = nn.Linear(INNER, HIDDEN, bias=False)

    def forward(self, x):
        return x + self.out(self.rnn(self.norm(x))[0])


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(VOCABULARY, HIDDEN)
        self.layers = nn.Sequential(*(Layer() for _ in range(LAYERS)))
        self.norm = nn.RMSNorm(HIDDEN, EPSILON)

    def forward(self, ids):
        return self.norm(self.layers(self.table(ids))) @ self.table.weight.T


@torch.no_grad()
def random_model() -> Model:
    """Weights of 16 bits, and a recurrence that is far from linear."""
    torch.manual_seed(1)
    model = Model()
    for name, p in model.named_parameters():
        noise = torch.randn_like(p)
        p.copy_(noise * p.shape[-1] ** -0.5 if p.ndim > 1 else (1 if "norm" in name else 0) + 0.2 * noise)
        if name.endswith("bias_hh_l0"):
            p.zero_()
        p.copy_(p.half().float())
    model.table.weight.mul_(2)
    return model


def tensors(model: Model, of=lambda p: p) -> dict:
    """By the checkpoint's names: the parameters, or what `of` gives of each."""
    named = {"backbone.embeddings.weight": model.table.weight, "backbone.norm_f.weight": model.norm.weight}
    for i, layer in enumerate(model.layers):
        place = f"backbone.layers.{i}"
        named |= {
            f"{place}.norm.weight": layer.norm.weight,
            f"{place}.mixer.in_proj.weight": layer.rnn.weight_ih_l0,
            f"{place}.mixer.in_proj.bias": layer.rnn.bias_ih_l0,
            f"{place}.mixer.hidden_proj.weight": layer.rnn.weight_hh_l0,
            f"{place}.mixer.out_proj.weight": layer.out.weight,
        }
    return {name: of(p).detach().contiguous() for name, p in named.items()}


def gradients(model: Model, out: Path, ids: list[int]) -> None:
    """Those of the mean negative log-likelihood, in float64; the first row's first five tokens have no labels."""
    tokens = torch.tensor(ids[:24]).view(2, 12)
    labels = torch.full_like(tokens, -100)
    labels[:, :-1] = tokens[:, 1:]
    labels[0, :5] = -100
    model = model.double()
    loss = nn.functional.cross_entropy(model(tokens).flatten(0, 1), labels.flatten(), ignore_index=-100)
    loss.backward()
    save_file(tensors(model, lambda p: p.grad.float()), out / "gradients.safetensors")
    written = {"rows": tokens.tolist(), "labels": labels.tolist(), "loss": loss.item()}
    (out / "gradients.json").write_text(json.dumps(written) + "\n")


def main() -> None:
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    model = random_model()
    ids = np.random.default_rng(1).integers(3, VOCABULARY, TOKENS).tolist()
    with torch.no_grad():
        logits = model(torch.tensor([ids]))[0]
    print(f"logits: std {logits.std():.2f}")
    config = {
        "model_type": "rnn", "hidden_act": "tanh", "hidden_size": HIDDEN, "intermediate_size": INNER,
        "num_hidden_layers": LAYERS, "layer_norm_epsilon": EPSILON, "vocab_size": VOCABULARY,
        "tie_word_embeddings": True, "bos_token_id": 1, "eos_token_id": 2,
    }
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    save_file(tensors(model, torch.Tensor.half), out / "model.safetensors", metadata={"format": "pt"})
    packed = base64.b64encode(logits.numpy().astype("<f4").tobytes()).decode()
    reference = {"source": "tools/reference/rnn.py", "tokens": ids, "logits": packed}
    (out / "reference.json").write_text(json.dumps(reference) + "\n")
    gradients(model, out, ids)


if __name__ == "__main__":
    main()
