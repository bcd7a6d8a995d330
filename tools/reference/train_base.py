"""Write a GGUF's model in float32 as a Hugging Face folder: the base of the peer of the bench `train-lora`.

    python tools/reference/train_base.py MODEL.gguf OUT
"""

import argparse
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("gguf", type=Path)
parser.add_argument("out", type=Path)
args = parser.parse_args()
read = AutoModelForCausalLM.from_pretrained(args.gguf.parent, gguf_file=args.gguf.name, dtype=torch.float32)
config = read.config
# A model that remembers having been quantised is not written.
del config.quantization_config
model = AutoModelForCausalLM.from_config(config)
model.load_state_dict(read.state_dict())
model.save_pretrained(args.out)
