"""Write the SmolLM2 fixture: greedy tokens, logits and the likelihood of a text by transformers, fp32 on the dequantised GGUF.

    python tools/reference/smollm2.py MODEL.gguf TEXT.txt src/models/fixtures

MODEL.gguf is SmolLM2-135M-Instruct in Q4_1, alone in its folder; TEXT.txt is tiny Shakespeare (public domain), of which the first 1,024
tokens are scored. `smollm2.json` holds

- `prompts`: token ids of five prompts (`chat`: through the chat template), `next`: the 48 ids of the largest logit, going on past the end
  of the answer, `text`: those ids up to the first end token, `top`: ten [id, logit] after the prompt, and `margin`: the least distance between the
  first and the second logit over the 48 steps, below which rounding could change the text;
- `nll`: token ids of the text and the mean of -ln p(token | all before it) over tokens 1..1023.
"""

import argparse
import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

NEXT, TEXT_TOKENS, TOP = 48, 1024, 10

PROMPTS = [
    {"chat": True, "text": "What is the capital of France?"},
    {"chat": True, "text": "Write a short story about a lighthouse keeper who finds a message in a bottle."},
    {"chat": True, "text": "Explain in a few sentences why the sky is blue."},
    {"chat": False, "text": "The three laws of motion that Isaac Newton published in 1687 are"},
    {"chat": False, "text": "def fibonacci(n):\n    \"\"\"Return the n-th Fibonacci number.\"\"\"\n"},
]


@torch.no_grad()
def greedy(model, prompt: list[int]) -> tuple[list[int], torch.Tensor, float]:
    """The next ids by the largest logit, the logits after the prompt, and the least margin met on the way."""
    out = model(torch.tensor([prompt]), use_cache=True)
    first = out.logits[0, -1]
    ids, margin = [], float("inf")
    for _ in range(NEXT):
        best = out.logits[0, -1].topk(2)
        margin = min(margin, (best.values[0] - best.values[1]).item())
        ids.append(best.indices[0].item())
        out = model(torch.tensor([[ids[-1]]]), past_key_values=out.past_key_values, use_cache=True)
    return ids, first, margin


def prompt_entry(model, tokenizer, prompt: dict) -> dict:
    if prompt["chat"]:
        message = [{"role": "user", "content": prompt["text"]}]
        tokens = tokenizer.apply_chat_template(message, add_generation_prompt=True, return_dict=False)
    else:
        tokens = tokenizer(prompt["text"], add_special_tokens=False).input_ids
    ids, first, margin = greedy(model, tokens)
    answer = ids[: ids.index(tokenizer.eos_token_id)] if tokenizer.eos_token_id in ids else ids
    top = first.topk(TOP)
    entry = {
        "chat": prompt["chat"],
        "prompt": prompt["text"],
        "tokens": tokens,
        "next": ids,
        "text": tokenizer.decode(answer),
        "top": [[i, round(v, 5)] for i, v in zip(top.indices.tolist(), top.values.tolist())],
        "margin": round(margin, 5),
    }
    print(f"margin {margin:.4f}: {entry['text']!r}")
    return entry


@torch.no_grad()
def likelihood(model, tokenizer, text: str) -> dict:
    tokens = tokenizer(text[: TEXT_TOKENS * 8], add_special_tokens=False).input_ids[:TEXT_TOKENS]
    ids = torch.tensor([tokens])
    logits = model(ids).logits[0, :-1].double()
    mean = torch.nn.functional.cross_entropy(logits, ids[0, 1:]).item()
    print(f"mean nll {mean:.6f}")
    return {"tokens": tokens, "mean": round(mean, 6)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="the GGUF file")
    parser.add_argument("text", type=Path, help="the text whose first 1,024 tokens are scored")
    parser.add_argument("out", type=Path, help="folder to write smollm2.json to")
    args = parser.parse_args()
    source = dict(gguf_file=args.model.name)
    tokenizer = AutoTokenizer.from_pretrained(args.model.parent, **source)
    model = AutoModelForCausalLM.from_pretrained(args.model.parent, **source, dtype=torch.float32).eval()
    prompts = [prompt_entry(model, tokenizer, p) for p in PROMPTS]
    # A wrong order of the rows in q and k still gives fluent nonsense, so the answer itself is checked.
    assert prompts[0]["text"] == "The capital of France is Paris."
    nll = likelihood(model, tokenizer, args.text.read_text())
    fixture = {"source": "tools/reference/smollm2.py", "model": args.model.name, "prompts": prompts, "nll": nll}
    (args.out / "smollm2.json").write_text(json.dumps(fixture, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
