"""Write the fixture of a sliding window over many times its length: transformers' logits of the tiny Gemma 3 in fp32.

    python tools/reference/window.py src/models/fixtures/gemma3

Reads the folder that architectures.py wrote, as of a model with a context of 2048, and writes `window.json` into it: 1,500 token ids, and the
logits (base64 of little-endian float32 [n, vocabulary]) after each of those at the n places `at`.
"""

import argparse
import base64
import json
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM

CONTEXT = 2048
TOKENS = 1500


@torch.no_grad()
def main(folder: Path) -> None:
    options = dict(dtype=torch.float32, attn_implementation="eager", max_position_embeddings=CONTEXT)
    model = AutoModelForCausalLM.from_pretrained(folder, **options).eval()
    ids = np.random.default_rng(21).integers(3, model.config.vocab_size, TOKENS).tolist()
    at = [7, 8, 63, 64, 255, 256, 519, 583, 584, 585, 647, 648, 1023, 1199, *range(1200, TOKENS, 13), TOKENS - 1]
    logits = model(torch.tensor([ids]), use_cache=False).logits[0, at].numpy().astype("<f4")
    reference = dict(context=CONTEXT, tokens=ids, at=at, logits=base64.b64encode(logits.tobytes()).decode())
    (folder / "window.json").write_text(json.dumps(reference) + "\n")
    print(f"{len(at)} rows, std {logits.std():.2f}, window {model.config.sliding_window}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    main(parser.parse_args().folder)
