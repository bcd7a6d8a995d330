"""Write the fixtures of merged adapters: three adapters of one base, and what PEFT's add_weighted_adapter makes of them.

    python tools/reference/merges.py src/models/fixtures/llama-biased src/weights/adapter/fixtures/merges

`one`, `two` and `three` are adapters as PEFT saves them. `two` lacks a module of `one`, `three` has another rank and is merged by `cat` alone.
`results.safetensors` has PEFT's factors of each merge, `NAME/MODULE/A` and `/B`, and for dare the masks that torch drew, `NAME/MODULE/A/0` for the first
adapter's (8-bit integers). `results.json` lists the merges with their arguments.
"""

import argparse
import json
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

BASE = "llama-biased"
ADAPTERS = {
    "one": dict(r=4, lora_alpha=6, target_modules=["q_proj", "down_proj"]),
    "two": dict(r=4, lora_alpha=3, use_rslora=True, target_modules=["q_proj"]),
    "three": dict(r=2, lora_alpha=2, target_modules=["q_proj", "down_proj"]),
}
MERGES = [
    dict(name="linear", adapters=["one", "two"], weights=[0.7, 0.4], combination_type="linear"),
    dict(name="linear-negative", adapters=["one", "two"], weights=[1.0, -0.5], combination_type="linear"),
    dict(name="cat", adapters=["one", "two", "three"], weights=[0.7, -0.4, 1.5], combination_type="cat"),
    dict(name="ties", adapters=["one", "two"], weights=[0.7, 0.4], combination_type="ties", density=0.45),
    dict(name="ties-frequency", adapters=["two", "one"], weights=[1.2, 0.6], combination_type="ties", density=0.8,
         majority_sign_method="frequency"),
    dict(name="ties-whole", adapters=["one", "two"], weights=[0.7, 0.4], combination_type="ties", density=1.0),
    dict(name="dare_linear", adapters=["one", "two"], weights=[0.7, 0.4], combination_type="dare_linear", density=0.6),
    dict(name="dare_ties", adapters=["one", "two"], weights=[0.7, 0.4], combination_type="dare_ties", density=0.6),
]  # fmt: skip


def save_adapters(base: Path, out: Path) -> None:
    for seed, (name, options) in enumerate(ADAPTERS.items()):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **options))
        for key, p in model.named_parameters():
            if "lora_" in key:
                p.data = torch.randn_like(p) * p.shape[-1] ** -0.5
        model.save_pretrained(out / name)
        (out / name / "README.md").unlink()
        config = json.loads((out / name / "adapter_config.json").read_text())
        config["base_model_name_or_path"] = BASE
        (out / name / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")


def merges(base: Path, out: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    model = PeftModel.from_pretrained(model, out / "one", adapter_name="one")
    for name in ("two", "three"):
        model.load_adapter(out / name, adapter_name=name)
    drawn: list[torch.Tensor] = []
    bernoulli = torch.bernoulli
    torch.bernoulli = lambda *args, **kwargs: drawn.append(bernoulli(*args, **kwargs)) or drawn[-1]
    results = {}
    for merge in MERGES:
        torch.manual_seed(5)
        drawn.clear()
        options = {key: value for key, value in merge.items() if key != "name"}
        model.add_weighted_adapter(adapter_name=merge["name"], **options)
        masks = iter(drawn)
        for module, layer in model.base_model.model.named_modules():
            if merge["name"] not in getattr(layer, "lora_A", {}):
                continue
            for factor in "AB":
                tensor = getattr(layer, f"lora_{factor}")[merge["name"]].weight.data
                results[f"{merge['name']}/{module}/{factor}"] = tensor.contiguous().clone()
                if merge["combination_type"].startswith("dare"):
                    for i, adapter in enumerate(merge["adapters"]):
                        if adapter in layer.lora_A:
                            results[f"{merge['name']}/{module}/{factor}/{i}"] = next(masks).to(torch.uint8)
        assert next(masks, None) is None
    save_file(results, out / "results.safetensors", metadata={"format": "pt"})
    (out / "results.json").write_text(json.dumps(MERGES, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    save_adapters(options.base, options.out)
    merges(options.base, options.out)


if __name__ == "__main__":
    main()
