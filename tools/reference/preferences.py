"""Write what TRL's trainers compute of preferences on a tiny random model: losses, gradient norms and rewards of three steps of plain SGD.

    python tools/reference/preferences.py src/models/fixtures/llama-heads src/train/methods/preferences/fixtures

Needs trl 1.16.0, besides train.txt. All rows are one batch, so that no order matters; they differ in length. Characters are tokens.
"""

import argparse
import json
from pathlib import Path

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer
from trl.experimental.cpo import CPOConfig, CPOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

SPECIAL = ["<pad>", "<s>", "</s>", "<user>", "<assistant>"]
CHARACTERS = sorted(set(" abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,?!'-"))
TEMPLATE = (
    "{% for message in messages %}{{ '<' + message['role'] + '>' + message['content'] + '</s>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"
)
PAIRS = [
    ("What is it? ", "a cat.", "A CAT AND ALSO, PERHAPS, A DOG!"),
    ("Say hello. ", "hello, my dear friend, how are you?", "HI"),
    ("Count to three. ", "one, two, three", "ONE, TWO, THREE"),
    ("Why? ", "because.", "BECAUSE I SAY SO."),
]
STEPS = 3
METRICS = ["rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins", "logps/chosen", "logps/rejected"]


def write_tokenizer(folder: Path) -> None:
    tokens = SPECIAL + CHARACTERS
    added = [
        {"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        for i, t in enumerate(SPECIAL)
    ]  # fmt: skip
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
             "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": {t: i for i, t in enumerate(tokens)}, "merges": []}  # fmt: skip
    tokenizer = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None, "pre_tokenizer": None,
                 "post_processor": None, "decoder": {"type": "Sequence", "decoders": [{"type": "Fuse"}]}, "model": model}  # fmt: skip
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>", "pad_token": "<pad>", "clean_up_tokenization_spaces": False,
              "chat_template": TEMPLATE}  # fmt: skip
    for name, content in (("tokenizer.json", tokenizer), ("tokenizer_config.json", config)):
        (folder / name).write_text(json.dumps(content) + "\n")


def said(role: str, text: str) -> list[dict]:
    return [{"role": role, "content": text}]


def rows_of(form: str, kind: str) -> list[dict]:
    chat = form == "chat"
    user, assistant = (lambda t: said("user", t) if chat else t), (lambda t: said("assistant", t) if chat else t)
    if kind == "pairs":
        return [{"prompt": user(p), "chosen": assistant(c), "rejected": assistant(r)} for p, c, r in PAIRS]
    sides = [(p, side, label) for p, c, r in PAIRS for side, label in ((c, True), (r, False))][:-1]
    return [{"prompt": user(p), "completion": assistant(s), "label": label} for p, s, label in sides]


def run(base: Path, folder: Path, trainer_class, config_class, rows: list[dict], options: dict, rate: float) -> dict:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    args = config_class(
        output_dir="/tmp/trl", per_device_train_batch_size=len(rows), max_steps=STEPS, learning_rate=rate, lr_scheduler_type="constant",
        optim="sgd", max_grad_norm=1e9, weight_decay=0.0, logging_steps=1, report_to=[], use_cpu=True, bf16=False,
        gradient_checkpointing=False, save_strategy="no", max_length=64, disable_tqdm=True, **options,
    )  # fmt: skip
    tokenizer = AutoTokenizer.from_pretrained(folder)
    trainer = trainer_class(model=model, args=args, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
    losses, compute = [], trainer.compute_loss

    def recorded(*given, **named):
        loss = compute(*given, **named)
        losses.append((loss[0] if isinstance(loss, tuple) else loss).item())
        return loss

    trainer.compute_loss = recorded
    trainer.train()
    logs = [log for log in trainer.state.log_history if "grad_norm" in log]
    assert len(logs) == len(losses) == STEPS
    own = {ORPOTrainer: ["nll_loss", "log_odds_ratio", "log_odds_chosen"], KTOTrainer: ["kl"]}.get(trainer_class, [])
    names = [name for name in (*METRICS, *own) if name in logs[0]]
    return {"losses": losses, "norms": [float(log["grad_norm"]) for log in logs], "metrics": [{n: float(log[n]) for n in names} for log in logs]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    write_tokenizer(args.out)
    dpo, orpo, simpo, kto = (DPOTrainer, DPOConfig, "pairs"), (ORPOTrainer, ORPOConfig, "pairs"), (CPOTrainer, CPOConfig, "pairs"), (KTOTrainer, KTOConfig, "judged")
    cases = [
        ("dpo", "text", dpo, {"beta": 0.1}, {}, 0.1),
        ("dpo", "chat", dpo, {"beta": 0.5}, {}, 0.01),
        ("dpo", "text", dpo, {"beta": 0.2, "loss_type": "ipo"}, {}, 0.01),
        ("dpo", "text", dpo, {"beta": 0.1, "loss_type": "robust", "label_smoothing": 0.2}, {}, 0.05),
        ("simpo", "text", simpo, {"beta": 2.0, "simpo_gamma": 0.5}, {"loss_type": "simpo", "cpo_alpha": 0.0}, 0.03),
        ("orpo", "text", orpo, {"beta": 0.1}, {}, 0.1),
        ("orpo", "chat", orpo, {"beta": 1.0}, {}, 0.1),
        ("kto", "text", kto, {"beta": 0.1}, {}, 0.3),
        ("kto", "chat", kto, {"beta": 0.1, "desirable_weight": 1.5, "undesirable_weight": 0.5}, {}, 0.3),
    ]
    found = []
    for method, form, (trainer, config, kind), options, more, rate in cases:
        rows = rows_of(form, kind)
        given = {key: [value] if key == "loss_type" else value for key, value in options.items()} if trainer is DPOTrainer else options
        result = run(args.base, args.out, trainer, config, rows, {**given, **more}, rate)
        found.append({"method": method, "options": options, "form": form, "rate": rate, "rows": rows, **result})
    (args.out / "trl.json").write_text(json.dumps({"trl": __import__("trl").__version__, "cases": found}, indent=1) + "\n")


main()
