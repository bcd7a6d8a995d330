"""PyTorch's and PEFT's side of the bench `train-lora` (see train_peer.py): train a PEFT adapter beside its base, a Hugging Face folder.

    python tools/reference/train_lora.py BASE ADAPTER
"""

from pathlib import Path

import torch
from peft import PeftModel
from train_peer import adamw, parser, serve, stepper
from transformers import AutoModelForCausalLM

arguments = parser(__doc__)
arguments.add_argument("base", type=Path)
arguments.add_argument("adapter", type=Path)
args = arguments.parse_args()
base = AutoModelForCausalLM.from_pretrained(args.base, dtype=torch.float32)
model = PeftModel.from_pretrained(base, args.adapter, is_trainable=True).train()


def loss(ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The labels are the next tokens already; transformers shifts labels that are not."""
    return model(ids, labels=ids, shift_labels=labels.masked_fill(labels < 0, -100), use_cache=False).loss


serve(stepper(model, adamw(model, lr=1e-3), loss, args.precision))
