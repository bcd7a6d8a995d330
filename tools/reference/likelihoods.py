"""Write a small fixture of log-likelihoods by transformers, fp32 on the dequantised GGUF, with the cases in which conventions differ.

    python tools/reference/likelihoods.py MODEL.gguf src/lab/answer/fixtures/likelihoods.json

MODEL.gguf is SmolLM2-135M-Instruct in Q4_1, alone in its folder. Spaces that end a context belong to the continuation, whose tokens are
those that both have beyond the context's own; what has no context stands after the token that begins a text (lm-evaluation-harness).
"""

import argparse
import json
from pathlib import Path

import torch
from arc_likelihoods import encode_pair, score
from transformers import AutoModelForCausalLM, AutoTokenizer

QUESTION = "Question: Which of these lives in the sea?\nAnswer:"
PAIRS = [
    *((QUESTION, f" {choice}") for choice in ["whale", "horse", "a large cactus", "oak"]),
    ("The capital of France is ", "Paris"),
    ("Two lines end here.\n\n", "Then a third begins."),
    ("", "Once upon a time there was a king."),
    ("def add(a, b):\n    return", " a + b\n"),
    ("un", "believable"),
    ("The naïve café owner said 你好 to", " everyone 😀"),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="the GGUF file")
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    source = dict(gguf_file=args.model.name)
    tokenizer = AutoTokenizer.from_pretrained(args.model.parent, **source)
    model = AutoModelForCausalLM.from_pretrained(args.model.parent, **source, dtype=torch.float32).eval()
    items = []
    for context, continuation in PAIRS:
        before, after = encode_pair(tokenizer, context, continuation)
        ((nats, greedy),) = score(model, [(before or [tokenizer.bos_token_id], after)])
        pair = {"context": context, "continuation": continuation}
        items.append({**pair, "logLikelihood": round(nats, 5), "tokens": len(after), "greedy": greedy})
    lines = ",\n".join(json.dumps(item) for item in items)
    head = json.dumps({"source": "tools/reference/likelihoods.py", "model": args.model.name})[:-1]
    args.out.write_text(f'{head}, "items": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
