"""Write PEFT's side of src/train/subject/peft.test.ts: adapters before and after three steps of AdamW on llama-biased, in fp32.

    python tools/reference/adapter_training.py src/models/fixtures/llama-biased src/train/subject/fixtures

Each fixture is a folder with `start` and `trained`, as PEFT saves them, and `losses.json`. Both factors start as large as the weights, so
that each has a gradient.
"""

import argparse
import json
import math
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from peft.optimizers import create_loraplus_optimizer
from transformers import AutoModelForCausalLM

CASES = {
    "rslora": dict(use_rslora=True, target_modules=r"model\.layers\.\d\.(self_attn\.[qv]|mlp\.down)_proj"),
    "loraplus": dict(target_modules=["k_proj", "layers.1.mlp.up_proj"]),
    "dora": dict(use_dora=True, target_modules=["q_proj", "v_proj", "o_proj", "down_proj"]),
    "saved": dict(target_modules=["q_proj"], modules_to_save=["lm_head", "embed_tokens"]),
}
RATIO = 8


def tokens(step: int) -> torch.Tensor:
    return torch.tensor([[(7 * i + 3 + 5 * step) % 72 for i in range(13)]])


def optimizer(model, name: str) -> torch.optim.Optimizer:
    adam = dict(lr=0.01, betas=(0.9, 0.95), eps=1e-8)
    if name == "loraplus":
        return create_loraplus_optimizer(
            model, torch.optim.AdamW, loraplus_lr_ratio=RATIO, loraplus_weight_decay=0.1, **adam
        )
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [(True, 0.1), (False, 0.0)]
    return torch.optim.AdamW(
        [{"params": [p for p in trained if (p.ndim > 1) == m], "weight_decay": w} for m, w in groups], **adam
    )


def save(model, folder: Path, base: str = "llama-biased") -> None:
    model.save_pretrained(folder)
    (folder / "README.md").unlink()
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = base
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")


def fixture(name: str, base: Path, out: Path) -> None:
    torch.manual_seed(5)
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="eager")
    model = get_peft_model(plain, LoraConfig(r=4, lora_alpha=6, task_type="CAUSAL_LM", **CASES[name])).train()
    for key, p in model.named_parameters():
        if "lora_A" in key or "lora_B" in key:
            p.data.copy_(torch.randn_like(p) / math.sqrt(p.shape[-1]))
    save(model, out / name / "start")
    adam, losses = optimizer(model, name), []
    for step in range(3):
        ids = tokens(step)
        loss = model(ids, labels=ids).loss
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
        adam.step()
        losses.append(loss.item())
    save(model, out / name / "trained")
    (out / name / "losses.json").write_text(json.dumps(losses) + "\n")
    print(name, losses)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*", default=[*CASES])
    args = parser.parse_args()
    for name in args.names:
        fixture(name, args.base, args.out)


if __name__ == "__main__":
    main()
