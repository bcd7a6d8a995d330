"""Write the LoRA fixtures: adapters as PEFT saves them, on the tiny models of architectures.py, and the logits of both together in fp32.

    python tools/reference/adapters.py src/models/fixtures src/weights/adapter/fixtures [NAME ...]

Each fixture is a folder: `adapter_config.json`, `adapter_model.safetensors` (float32), and `reference.json`: the base model's folder, 48
token ids and the logits after each of them (base64 of little-endian float32 [48, vocabulary]). Updates are as large as the weights, so that
one that is left away shows. `llama` has ranks of its own for one module; `gpt2` is scaled by the root of the rank and has Conv1D; `llama-head`
is another adapter of llama's base, for the head too, with alphas of its own for some modules; `gemma3` is for the table of embeddings and
the head that is tied to it; `llama-gguf` and `llama-gguf-head` are for a GGUF.
"""

import argparse
import base64
import json
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

ADAPTERS = {
    "llama": ("llama-biased", dict(
        r=4, lora_alpha=6, target_modules=["q_proj", "v_proj", "o_proj", "down_proj"], rank_pattern={"v_proj": 2})),
    "gpt2": ("gpt2", dict(r=3, lora_alpha=2, use_rslora=True, target_modules=["c_attn", "c_proj", "c_fc"], fan_in_fan_out=True)),
    "llama-head": ("llama-biased", dict(
        r=3, lora_alpha=4, target_modules=["k_proj", "gate_proj", "up_proj", "lm_head"],
        alpha_pattern={"layers.1.mlp.gate_proj": 9, r"layers\.\d+\.self_attn\.k_proj": 2, "lm_head": 3})),
    "gemma3": ("gemma3", dict(r=2, lora_alpha=2, target_modules=["embed_tokens", "lm_head", "q_proj", "down_proj"])),
    "llama-gguf-head": ("llama-tiny.gguf", dict(r=2, lora_alpha=2, target_modules=["v_proj", "down_proj", "embed_tokens", "lm_head"])),
    "llama-gguf": ("llama-tiny.gguf", dict(r=4, lora_alpha=3, target_modules=["q_proj", "k_proj", "o_proj", "up_proj"])),
}  # fmt: skip


@torch.no_grad()
def fixture(name: str, bases: Path, out: Path) -> None:
    base, lora = ADAPTERS[name]
    torch.manual_seed(7)
    options = dict(dtype=torch.float32, attn_implementation="eager")
    gguf = base.endswith(".gguf")
    folder, options = (bases, dict(options, gguf_file=base)) if gguf else (bases / base, options)
    model = AutoModelForCausalLM.from_pretrained(folder, **options)
    ids = np.random.default_rng(7).integers(3, model.config.vocab_size, 48).tolist()
    plain = model(torch.tensor([ids])).logits[0]
    model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **lora)).eval()
    for key, p in model.named_parameters():
        if "lora_" in key:
            p.copy_(torch.randn_like(p) * p.shape[1] ** -0.5)
    logits = model(torch.tensor([ids])).logits[0].float()
    print(f"{name}: moved by {(logits - plain).abs().max():.2f}, std {logits.std():.2f}")
    folder = out / name
    model.save_pretrained(folder)
    (folder / "README.md").unlink()
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = base
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")
    packed = base64.b64encode(logits.numpy().astype("<f4").tobytes()).decode()
    (folder / "reference.json").write_text(json.dumps({"base": base, "tokens": ids, "logits": packed}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bases", type=Path, help="folder of architectures.py's fixtures")
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*", default=list(ADAPTERS))
    args = parser.parse_args()
    for name in args.names:
        fixture(name, args.bases, args.out)


if __name__ == "__main__":
    main()
