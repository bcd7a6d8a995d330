"""Write what TRL's GRPOTrainer computes of fixed completions and rewards on a tiny random model: losses and gradient norms of three steps of plain SGD.

    python tools/reference/grpo.py src/models/fixtures/llama-heads src/train/methods/preferences/fixtures src/train/methods/grpo/fixtures

Needs trl 1.16.0, besides train.txt. The second folder has the tokenizer of tools/reference/preferences.py; characters are tokens. All
prompts are in each step, so that no order matters; prompts and completions differ in length, and some completions lack an end.
"""

import argparse
import json
from pathlib import Path

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer

# Each completion with its reward; one without </s> was cut.
GROUPS = [
    ("What is it? ", [("a cat.</s>", 1.0), ("A CAT AND ALSO, PERHAPS, A DOG", 0.0), ("it is nothing</s>", 0.25), ("dog</s>", 0.5)]),
    ("Count. ", [("one, two</s>", 2.0), ("three</s>", -1.0), ("four, five, six, seven, eight, nine", 0.0), ("</s>", 0.0)]),
    ("Say hello, please. ", [("hi</s>", 1.0), ("hello</s>", 1.0), ("HELLO</s>", 1.0), ("good day to you</s>", 1.0)]),
]
STEPS = 3
METRICS = ["reward", "reward_std", "frac_reward_zero_std", "completions/mean_length", "completions/clipped_ratio"]


def run(base: Path, tokenizer_folder: Path, form: str, scale: str, accumulate: int, rate: float) -> dict:
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    group, batch = len(GROUPS[0][1]), len(GROUPS) * len(GROUPS[0][1]) // accumulate
    prompts = [[{"role": "user", "content": p}] if form == "chat" else p for p, _ in GROUPS]
    fixed = {tuple(tokenizer(p)["input_ids"] if form == "text" else tokenizer.apply_chat_template(prompt, add_generation_prompt=True)["input_ids"]): answers
             for (p, answers), prompt in zip(GROUPS, prompts)}  # fmt: skip
    args = GRPOConfig(
        output_dir="/tmp/trl", per_device_train_batch_size=batch, gradient_accumulation_steps=accumulate, num_generations=group, max_steps=STEPS,
        learning_rate=rate, lr_scheduler_type="constant", optim="sgd", max_grad_norm=1e9, weight_decay=0.0, logging_steps=1, report_to=[],
        use_cpu=True, bf16=False, gradient_checkpointing=False, save_strategy="no", scale_rewards=scale, shuffle_dataset=False, disable_tqdm=True,
    )  # fmt: skip
    assert (args.loss_type, args.beta, args.epsilon, args.num_iterations, args.temperature) == ("dapo", 0.0, 0.2, 1, 1.0)
    rewards: list[float] = []

    def fixed_rewards(completions, **_):
        return rewards[-len(completions) :]

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    trainer = GRPOTrainer(model=model, reward_funcs=fixed_rewards, args=args, train_dataset=Dataset.from_list([{"prompt": p} for p in prompts]), processing_class=tokenizer)

    def generate(prompt_ids, *_, **__):
        seen: dict[tuple, int] = {}
        completions = []
        for ids in map(tuple, prompt_ids):
            text, reward = fixed[ids][seen.get(ids, 0)]
            seen[ids] = seen.get(ids, 0) + 1
            completions.append(tokenizer(text)["input_ids"])
            rewards.append(reward)
        return completions, None

    trainer._generate_single_turn = generate
    losses, compute = [], trainer.compute_loss

    def recorded(*given, **named):
        loss = compute(*given, **named)
        losses.append(loss.item())
        return loss

    trainer.compute_loss = recorded
    trainer.train()
    logs = [log for log in trainer.state.log_history if "grad_norm" in log]
    assert len(logs) == STEPS and len(losses) == STEPS * accumulate
    sums = [sum(losses[i * accumulate : (i + 1) * accumulate]) for i in range(STEPS)]
    return {"losses": sums, "norms": [float(log["grad_norm"]) for log in logs], "metrics": {name: float(logs[0][name]) for name in METRICS}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("base", "tokenizer", "out"):
        parser.add_argument(name, type=Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    cases = []
    for form, scale, accumulate, rate in (("text", "group", 1, 0.1), ("chat", "batch", 1, 0.1), ("text", "none", 3, 0.1)):
        result = run(args.base, args.tokenizer, form, scale, accumulate, rate)
        cases.append({"form": form, "scale_rewards": scale, "accumulate": accumulate, "rate": rate, **result})
    groups = [{"prompt": p, "completions": [{"text": t, "reward": r} for t, r in answers]} for p, answers in GROUPS]
    (args.out / "trl.json").write_text(json.dumps({"trl": __import__("trl").__version__, "groups": groups, "cases": cases}, indent=1) + "\n")


main()
