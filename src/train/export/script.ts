/**
 * `train.py` of an exported run: transformers' Trainer, which TRL's trainers extend, on rows that are already
 * tokenised, labelled and ordered. It reads everything else from `export.json`.
 */
export const script = `"""Trains the run of export.json: \`accelerate launch train.py\`, or \`python train.py\`.

Needs: pip install torch transformers accelerate peft. Written by \`modicum train export-config --to trl\`.
"""

import argparse
import json
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments

here = Path(__file__).resolve().parent
run = json.loads((here / "export.json").read_text())

flags = argparse.ArgumentParser()
flags.add_argument("--model", default=run["model"], required=run["model"] is None, help="a folder or a hub's name")
flags.add_argument("--out", default="trained")
flags.add_argument("--steps", type=int, default=run["steps"], help="stop earlier; the schedule is unchanged")
flags.add_argument("--bf16", action="store_true", help="faster on GPUs; the losses then differ")
args = flags.parse_args()
if (here / args.model).exists():
    args.model = here / args.model


def model():
    config = AutoConfig.from_pretrained(args.model)
    for name, value in config.to_dict().items():  # the run has no dropout
        if isinstance(value, float) and ("dropout" in name or name.endswith("_pdrop")):
            setattr(config, name, 0.0)
    attention = {"attn_implementation": "sdpa"} if run["packing"] else {}  # takes the mask of packed rows
    found = AutoModelForCausalLM.from_pretrained(args.model, config=config, dtype=torch.float32, **attention)
    if run["adapter"]:
        from peft import PeftModel

        return PeftModel.from_pretrained(found, here / run["adapter"], is_trainable=True)
    if run["trained"] is not None:
        for name, parameter in found.named_parameters():
            parameter.requires_grad_(any(name == n or name.endswith("." + n) for n in run["trained"]))
    return found


class Rows(torch.utils.data.Dataset):
    def __init__(self, file):
        self.lines = file.read_bytes().splitlines()

    def __len__(self):
        return len(self.lines)

    def __getitem__(self, index):
        return json.loads(self.lines[index])


def collate(rows):
    def padded(name, fill):
        return torch.tensor([row[name] + [fill] * (run["tokens"] - len(row[name])) for row in rows])

    labels = padded("labels", -100)  # labels[i] is the token after position i
    batch = {"input_ids": padded("input_ids", 0), "labels": labels, "shift_labels": labels}
    batch["position_ids"] = torch.arange(run["tokens"]).expand(len(rows), -1)
    if run["packing"]:  # a token sees its own sample's tokens
        documents = padded("documents", -1)
        batch["attention_mask"] = (documents[:, :, None] == documents[:, None, :]).tril()[:, None]
    return batch


class Run(Trainer):
    def create_optimizer(self, model=None):
        trained = [(n, p) for n, p in self.model.named_parameters() if p.requires_grad]
        second = [p for n, p in trained if "lora_B" in n]
        o = run["optimizer"]
        groups = [
            {"params": [p for n, p in trained if p.ndim > 1 and "lora_B" not in n], "weight_decay": o["weightDecay"]},
            {"params": second, "weight_decay": o["weightDecay"], "lr": o["lr"] * run["loraplus_lr_ratio"]},
            {"params": [p for _, p in trained if p.ndim <= 1], "weight_decay": 0.0, "lr": o["lr"] * run["loraplus_lr_ratio"]},
        ]
        if o["name"] == "sgd":
            self.optimizer = torch.optim.SGD(groups, lr=o["lr"], momentum=o["momentum"])
        else:
            betas = (o["beta1"], o["beta2"])
            self.optimizer = torch.optim.AdamW(groups, lr=o["lr"], betas=betas, eps=o["eps"])
        return self.optimizer

    def create_scheduler(self, num_training_steps, optimizer=None):
        rates = run["rates"]  # rates[i] is step i's share of the peak
        share = lambda step: rates[min(step, len(rates) - 1)]
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer or self.optimizer, share)
        return self.lr_scheduler


trainer = Run(
    model=model(),
    train_dataset=Rows(here / "rows.jsonl"),
    data_collator=collate,
    processing_class=AutoTokenizer.from_pretrained(args.model),  # saved beside the weights
    args=TrainingArguments(
        output_dir=args.out,
        max_steps=args.steps,
        per_device_train_batch_size=run["batch"],
        gradient_accumulation_steps=run["accumulate"],
        accelerator_config={"split_batches": True},  # the same batches on any number of devices
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        learning_rate=run["optimizer"]["lr"],
        max_grad_norm=run["clip"],
        neftune_noise_alpha=run["neftune_noise_alpha"],
        gradient_checkpointing=run["recompute"],
        use_cpu=not torch.accelerator.is_available(),  # several processes then share batches over gloo
        bf16=args.bf16,
        logging_steps=1,
        save_steps=run["saveEvery"],
        save_total_limit=2,
        report_to="none",
    ),
)
trainer.train()
trainer.save_model(args.out)
if trainer.is_world_process_zero():  # the process that has saved the model
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    (Path(args.out) / "losses.json").write_text(json.dumps(losses))
    record = here / (run["adapter"] or "") / "modicum.json"  # the prompt format
    if record.exists():
        (Path(args.out) / record.name).write_text(record.read_text())
trainer.accelerator.wait_for_everyone()
trainer.accelerator.end_training()  # gloo aborts a process that only ends
`;
