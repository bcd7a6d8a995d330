"""Write the LoRA fixtures: adapters as PEFT saves them, on the tiny models of architectures.py, and the logits of both together in fp32.

    python tools/reference/adapters.py src/models/fixtures src/weights/adapter/fixtures [NAME ...]

Each fixture is a folder: `adapter_config.json`, `adapter_model.safetensors` (float32), and `reference.json`: the base model's folder, 48
token ids and the logits after each of them (base64 of little-endian float32 [48, vocabulary]). Updates are as large as the weights, so that
one that is left away shows. `llama` has ranks of its own for one module; `gpt2` is scaled by the root of the rank and has Conv1D; `llama-head`
is another adapter of llama's base, for the head too, with alphas of its own for some modules; `gemma3` is for the table of embeddings and
the head that is tied to it; those named `dora` also have norms, `llama-saved` has a table and a head of its own; `llama-gguf` and `llama-gguf-head` are for a GGUF. Those of encoders and of T5 have `outputs` instead: what the
texts of encoders.py give (scores, or hidden states where `bert-plain` was trained without the head), or the logits of t5.py's. Those named `head` hold a trained head of five labels, their bases
are without one, or with one of three.
"""

import argparse
import base64
import json
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoModelForSequenceClassification

ADAPTERS = {
    "llama": ("llama-biased", dict(
        r=4, lora_alpha=6, target_modules=["q_proj", "v_proj", "o_proj", "down_proj"], rank_pattern={"v_proj": 2})),
    "gpt2": ("gpt2", dict(r=3, lora_alpha=2, use_rslora=True, target_modules=["c_attn", "c_proj", "c_fc"], fan_in_fan_out=True)),
    "llama-head": ("llama-biased", dict(
        r=3, lora_alpha=4, target_modules=["k_proj", "gate_proj", "up_proj", "lm_head"],
        alpha_pattern={"layers.1.mlp.gate_proj": 9, r"layers\.\d+\.self_attn\.k_proj": 2, "lm_head": 3})),
    "gemma3": ("gemma3", dict(r=2, lora_alpha=2, target_modules=["embed_tokens", "lm_head", "q_proj", "down_proj"])),
    "llama-gguf-head": ("llama-tiny.gguf", dict(r=2, lora_alpha=2, target_modules=["v_proj", "down_proj", "embed_tokens", "lm_head"])),
    "llama-saved": ("llama-biased", dict(r=2, lora_alpha=3, target_modules=["v_proj"], modules_to_save=["embed_tokens", "lm_head"])),
    "llama-dora": ("llama-biased", dict(
        r=2, lora_alpha=3, use_dora=True, target_modules=["q_proj", "k_proj", "o_proj", "down_proj", "lm_head"])),
    "gpt2-dora": ("gpt2", dict(r=2, lora_alpha=3, use_dora=True, target_modules=["c_attn", "c_proj"], fan_in_fan_out=True)),
    "llama-gguf-dora": ("llama-tiny.gguf", dict(r=2, lora_alpha=3, use_dora=True, target_modules=["q_proj", "v_proj", "up_proj"])),
    "llama-gguf": ("llama-tiny.gguf", dict(r=4, lora_alpha=3, target_modules=["q_proj", "k_proj", "o_proj", "up_proj"])),
}  # fmt: skip

# name: (base, factory, options)
TEXTS = {
    "roberta": ("roberta", AutoModelForSequenceClassification, dict(
        r=3, lora_alpha=5, target_modules=["query", "value", "dense", "out_proj", "word_embeddings"])),
    "bert-plain": ("bert", AutoModel, dict(r=2, lora_alpha=3, target_modules=["key", "dense"])),
    "distilbert": ("distilbert", AutoModelForSequenceClassification, dict(r=2, lora_alpha=3, target_modules=["q_lin", "lin1", "pre_classifier"])),
    "modernbert": ("modernbert", AutoModelForSequenceClassification, dict(r=2, lora_alpha=3, target_modules=["Wqkv", "Wi", "Wo"])),
    "bert-head": ("bert", AutoModelForSequenceClassification, dict(
        r=2, lora_alpha=3, task_type="SEQ_CLS", target_modules=["query", "value"])),
    "roberta-head": ("roberta-mlm", AutoModelForSequenceClassification, dict(
        r=2, lora_alpha=3, task_type="SEQ_CLS", target_modules=["query", "value", "word_embeddings"])),
    "distilbert-head": ("distilbert-mlm", AutoModelForSequenceClassification, dict(
        r=2, lora_alpha=3, task_type="SEQ_CLS", target_modules=["q_lin", "v_lin"], modules_to_save=["pre_classifier"])),
    "modernbert-head": ("modernbert-mlm", AutoModelForSequenceClassification, dict(
        r=2, lora_alpha=3, task_type="SEQ_CLS", target_modules=["Wqkv", "Wo"])),
    "t5": ("t5", AutoModelForSeq2SeqLM, dict(r=2, lora_alpha=3, target_modules=["q", "v", "wi", "lm_head"])),
    "t5-gated": ("t5-gated", AutoModelForSeq2SeqLM, dict(r=2, lora_alpha=3, target_modules=["k", "o", "wi_0", "wi_1", "wo", "lm_head"])),
}  # fmt: skip


def pack(tensor: torch.Tensor) -> str:
    return base64.b64encode(tensor.contiguous().float().numpy().astype("<f4").tobytes()).decode()


def adapted(model, lora: dict, folder: Path, base: str, **more):
    """The model with a random adapter, which is saved."""
    model = get_peft_model(model, LoraConfig(**more, **lora)).eval()
    for key, p in model.named_parameters():
        if "magnitude" in key:
            p.mul_(torch.rand_like(p) + 0.5)
        elif "lora_" in key or "modules_to_save" in key:
            p.copy_(torch.randn_like(p) * p.shape[-1] ** -0.5)
    model.save_pretrained(folder)
    (folder / "README.md").unlink()
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = base
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")
    return model


def answers(model, given: dict) -> torch.Tensor:
    """What each text gives by itself."""
    found = []
    for i, text in enumerate(given["texts"]):
        more = {"decoder_input_ids": torch.tensor([given["targets"][i]])} if "targets" in given else {}
        if given.get("types"):
            more["token_type_ids"] = torch.tensor([given["types"][i]])
        out = model(input_ids=torch.tensor([text]), **more)
        found.append(out.logits[0] if "logits" in out else out.last_hidden_state[0])
    return torch.cat([f.reshape(-1) for f in found])


@torch.no_grad()
def text_fixture(name: str, bases: Path, out: Path) -> None:
    base, factory, lora = TEXTS[name]
    torch.manual_seed(7)
    kind = "seq2seq" if factory is AutoModelForSeq2SeqLM else "encoder"
    given = json.loads((bases / base / f"{kind}.json").read_text())
    options = dict(dtype=torch.float32, attn_implementation="eager")
    if name.endswith("-head"):
        options |= dict(num_labels=5, ignore_mismatched_sizes=True)
    model = factory.from_pretrained(bases / base, **options).eval()
    plain = answers(model, given)
    outputs = answers(adapted(model, lora, out / name, base), given)
    print(f"{name}: moved by {(outputs - plain).abs().max():.2f}, std {outputs.std():.2f}")
    (out / name / "reference.json").write_text(json.dumps({"base": base, "outputs": pack(outputs)}) + "\n")


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
    folder = out / name
    model = adapted(model, lora, folder, base, task_type="CAUSAL_LM")
    logits = model(torch.tensor([ids])).logits[0].float()
    print(f"{name}: moved by {(logits - plain).abs().max():.2f}, std {logits.std():.2f}")
    (folder / "reference.json").write_text(json.dumps({"base": base, "tokens": ids, "logits": pack(logits)}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bases", type=Path, help="folder of architectures.py's fixtures")
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*", default=[*ADAPTERS, *TEXTS])
    args = parser.parse_args()
    for name in args.names:
        (fixture if name in ADAPTERS else text_fixture)(name, args.bases, args.out)


if __name__ == "__main__":
    main()
