"""Write the fixture of LongRoPE beyond its first context: transformers' own generation with the tiny Phi-3, in fp32.

    python tools/reference/longrope.py src/models/fixtures/phi3-long

Reads the folder that architectures.py wrote (short factors up to 48 tokens, long ones beyond, 64 in all) and writes `long.json` into it: greedy
answers to prompts before and beyond the border, and the logits of each step (base64 of little-endian float32 [n, vocabulary]). Where an answer
crosses the border, `generate` drops its cache and reads the whole text again with the long factors; the generator checks that each step's logits
are those of the whole text read at once.
"""

import argparse
import base64
import json
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM

LENGTHS = ((40, 20), (47, 3), (48, 2), (49, 8), (60, 4), (5, 20))


@torch.no_grad()
def main(folder: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    random = np.random.default_rng(31)
    cases = []
    for length, steps in LENGTHS:
        ids = torch.tensor([random.integers(3, model.config.vocab_size, length).tolist()])
        options = dict(max_new_tokens=steps, min_new_tokens=steps, do_sample=False, eos_token_id=None)
        out = model.generate(ids, **options, output_logits=True, return_dict_in_generate=True, use_cache=True)
        logits = torch.cat(out.logits)
        for i in range(steps):
            whole = model(out.sequences[:, : length + i], use_cache=False).logits[0, -1]
            assert (whole - logits[i]).abs().max() < 2e-5, (length, i)
        packed = base64.b64encode(logits.numpy().astype("<f4").tobytes()).decode()
        cases.append(dict(prompt=ids[0].tolist(), next=out.sequences[0, length:].tolist(), logits=packed))
        print(length, steps, f"std {logits.std():.2f}")
    (folder / "long.json").write_text(json.dumps({"source": "tools/reference/longrope.py", "cases": cases}) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    main(parser.parse_args().folder)
