"""Write all-MiniLM-L6-v2 as ONNX, in float32 and in the layout that transformers.js reads: the peer's model of the bench `embed`.

    python tools/reference/minilm_onnx.py MODEL OUT

MODEL is the model's folder (`modicum show minilm` tells where), OUT a folder to write. The generator checks that ONNX Runtime gives the hidden
states of transformers within 1e-4, with padding.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from transformers import AutoModel

INPUTS = ["input_ids", "attention_mask", "token_type_ids"]
FILES = ["config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"]


class Hidden(torch.nn.Module):
    def __init__(self, model) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.model(**dict(zip(INPUTS, inputs))).last_hidden_state


def batch(lengths: list[int]) -> list[torch.Tensor]:
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    return [torch.randint(1000, 20000, mask.shape) * mask, mask, torch.zeros_like(mask)]


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    model = Hidden(AutoModel.from_pretrained(args.model, attn_implementation="eager")).eval()
    file = args.out / "onnx" / "model.onnx"
    file.parent.mkdir(parents=True, exist_ok=True)
    axes = {name: {0: "batch_size", 1: "sequence_length"} for name in [*INPUTS, "last_hidden_state"]}
    torch.onnx.export(
        model, tuple(batch([9, 5])), str(file), input_names=INPUTS, output_names=["last_hidden_state"], dynamic_axes=axes, opset_version=14, dynamo=False
    )
    for name in FILES:
        shutil.copy(args.model / name, args.out / name)
    session = onnxruntime.InferenceSession(str(file))
    for lengths in ([1], [30, 7, 12], [256]):
        inputs = batch(lengths)
        (got,) = session.run(None, {name: x.numpy() for name, x in zip(INPUTS, inputs)})
        seen = inputs[1].bool().numpy()
        worst = np.abs(got - model(*inputs).numpy())[seen].max()
        print(f"lengths {lengths}: {worst:.1e}")
        assert worst < 1e-4


if __name__ == "__main__":
    main()
