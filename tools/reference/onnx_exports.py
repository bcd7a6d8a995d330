"""Write tiny models as PyTorch exports them to ONNX, and with matrices in bytes as ONNX Runtime's quantiser leaves them.

    python tools/reference/onnx_exports.py src/models/fixtures src/weights/onnx/fixtures

Needs `pip install onnx` beside tools/reference/train.txt. The models are fixtures of tools/reference/encoders.py and image_encoders.py, whose
safetensors the tests compare the exports' weights with: `bert.onnx`, `bert-bytes.onnx` (a scale for each output), `dinov2.onnx`.
"""

import argparse
from pathlib import Path

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from transformers import AutoModelForSequenceClassification, Dinov2ForImageClassification


class Named(torch.nn.Module):
    """A model by the names of its inputs, under which its modules keep their names."""

    def __init__(self, model, inputs: list[str], output: str) -> None:
        super().__init__()
        for name, child in model.named_children():
            self.add_module(name, child)
        self.call = [model]
        self.inputs = inputs
        self.output = output

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.call[0](**dict(zip(self.inputs, inputs)))[self.output]


def export(model, inputs: dict[str, torch.Tensor], file: Path) -> None:
    named = Named(model.float().eval(), list(inputs), "logits")
    axes = {name: {0: "batch"} for name in inputs} | {name: {0: "batch", 1: "tokens"} for name in inputs if name != "pixel_values"}
    with torch.no_grad():
        torch.onnx.export(
            named, tuple(inputs.values()), str(file), input_names=list(inputs), output_names=["logits"], dynamic_axes=axes, opset_version=14, dynamo=False
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fixtures", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    ids = torch.tensor([[3, 7, 5, 4]])
    texts = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids)}
    bert = AutoModelForSequenceClassification.from_pretrained(args.fixtures / "bert", attn_implementation="eager")
    export(bert, texts, args.out / "bert.onnx")
    quantize_dynamic(args.out / "bert.onnx", args.out / "bert-bytes.onnx", per_channel=True, weight_type=QuantType.QInt8)
    dinov2 = Dinov2ForImageClassification.from_pretrained(args.fixtures / "dinov2", attn_implementation="eager")
    export(dinov2, {"pixel_values": torch.zeros(1, 3, 32, 32)}, args.out / "dinov2.onnx")


main()
