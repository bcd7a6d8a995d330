"""Train a small transformer to fill in blanks of a copy language, as research/ul2r/main.ts does, in PyTorch.

    python tools/reference/ul2r_copy.py LETTERS RECORDS HIDDEN SPANS STEPS BATCH

Texts are RECORDS records `w=w;` with words of LETTERS of 16 letters. After 300 steps of causal training, STEPS steps of BATCH texts each: HIDDEN tokens
in SPANS spans, rotated, become sentinels, and the targets are the spans behind their sentinels; inputs see each other in both directions. Prints, every
200 steps, the loss of a batch in nats a label and the share of right first letters of one-span blanks in the first word of a record.
"""

import argparse
import math
import random

import torch
from torch import nn
from torch.nn import functional as F

WIDTH, HEADS, LETTER_KINDS, EQUALS, END, MODE, SENTINEL, EOS, SIZE = 64, 4, 16, 16, 17, 18, 19, 37, 38


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.before, self.between = nn.RMSNorm(WIDTH, eps=1e-5), nn.RMSNorm(WIDTH, eps=1e-5)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.gate, self.up = nn.Linear(WIDTH, 192, bias=False), nn.Linear(WIDTH, 192, bias=False)
        self.down = nn.Linear(192, WIDTH, bias=False)

    def forward(self, x, cos, sin, mask):
        rows, tokens, _ = x.shape
        q, k, v = self.qkv(self.before(x)).view(rows, tokens, 3, HEADS, -1).permute(2, 0, 3, 1, 4)

        def turned(t):
            a, b = t.chunk(2, -1)
            return t * cos[:tokens] + torch.cat([-b, a], -1) * sin[:tokens]

        y = F.scaled_dot_product_attention(turned(q), turned(k), v, attn_mask=mask)
        x = x + self.out(y.transpose(1, 2).reshape(rows, tokens, WIDTH))
        h = self.between(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(SIZE, WIDTH), nn.Linear(WIDTH, SIZE, bias=False)
        self.layers, self.norm = nn.ModuleList([Layer() for _ in range(2)]), nn.RMSNorm(WIDTH, eps=1e-5)
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.normal_(p, std=0.02)
        size = WIDTH // HEADS
        angles = torch.arange(256)[:, None] * 10_000 ** (-torch.arange(0, size, 2) / size)
        self.cos, self.sin = torch.cat([angles, angles], -1).cos(), torch.cat([angles, angles], -1).sin()

    def forward(self, ids, mask):
        x = self.table(ids)
        for layer in self.layers:
            x = layer(x, self.cos, self.sin, mask)
        return self.head(self.norm(x))


def mask_of(prefixes, tokens):
    mask = torch.ones(tokens, tokens, dtype=torch.bool).tril().repeat(len(prefixes), 1, 1)
    for row, prefix in enumerate(prefixes):
        mask[row, :prefix, :prefix] = True
    return mask[:, None]


def text(letters, records):
    words = [[random.randrange(LETTER_KINDS) for _ in range(letters)] for _ in range(records)]
    return [token for w in words for token in [*w, EQUALS, *w, END]]


def parts(total, count):
    cuts = [0, *sorted(random.sample(range(1, total), count - 1)), total]
    return [b - a for a, b in zip(cuts, cuts[1:])]


def hidden(tokens, mask):
    inputs, targets, spans = [], [], 0
    for i, token in enumerate(tokens):
        if not mask[i]:
            inputs.append(token)
            continue
        if i == 0 or not mask[i - 1]:
            inputs.append(SENTINEL + spans)
            targets.append(SENTINEL + spans)
            spans += 1
        targets.append(token)
    return [MODE, *inputs], [*targets, EOS]


def blanks(args):
    tokens = text(args.letters, args.records)
    mask = [bit for pair in zip(parts(len(tokens) - args.hidden, args.spans), parts(args.hidden, args.spans)) for bit in [0] * pair[0] + [1] * pair[1]]
    by = random.randrange(len(tokens))
    return hidden(tokens, mask[by:] + mask[:by])


def probe(model, args, items=480):
    length, right = args.hidden // args.spans, 0
    for _ in range(items):
        tokens, record = text(args.letters, args.records), random.randrange(args.records)
        at = record * (2 * args.letters + 2) + random.randrange(args.letters - length + 1)
        inputs, targets = hidden(tokens, [at <= i < at + length for i in range(len(tokens))])
        ids = [*inputs, targets[0]]
        with torch.no_grad():
            logits = model(torch.tensor([ids]), mask_of([len(inputs)], len(ids)))
        right += int(logits[0, -1].argmax() == targets[1])
    return right / items


def train(model, steps, batch_of, warmup, least, report):
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.95), weight_decay=0.01)
    for step in range(steps):
        done = (step - warmup) / max(1, steps - warmup)
        rate = 3e-3 * ((step + 1) / warmup if step < warmup else least + (1 - least) * 0.5 * (1 + math.cos(math.pi * done)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        ids, labels, mask = batch_of()
        loss = F.cross_entropy(model(ids, mask).flatten(0, 1), labels.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1)
        optimizer.step()
        report(step, steps, loss.item())


def main():
    parser = argparse.ArgumentParser()
    for name in ["letters", "records", "hidden", "spans", "steps", "batch"]:
        parser.add_argument(name, type=int)
    args = parser.parse_args()
    torch.manual_seed(0)
    random.seed(0)
    torch.set_num_threads(1)
    model = Model()

    def causal():
        rows = torch.tensor([text(args.letters, args.records) for _ in range(args.batch)])
        return rows[:, :-1], rows[:, 1:], mask_of([0], rows.shape[1] - 1)

    def filling():
        pairs = [blanks(args) for _ in range(args.batch)]
        longest = max(len(i) + len(t) for i, t in pairs) - 1
        ids, labels = torch.zeros(args.batch, longest, dtype=torch.long), torch.full((args.batch, longest), -100)
        for row, (inputs, targets) in enumerate(pairs):
            ids[row, : len(inputs) + len(targets) - 1] = torch.tensor([*inputs, *targets[:-1]])
            labels[row, len(inputs) - 1 : len(inputs) + len(targets) - 1] = torch.tensor(targets)
        return ids, labels, mask_of([len(inputs) for inputs, _ in pairs], longest)

    def report(step, steps, loss):
        if step % 200 == 0 or step == steps - 1:
            print(f"step {step}: {loss:.3f} nats a label, {probe(model, args):.3f} right", flush=True)

    train(model, 300, causal, 50, 0.1, lambda *_: None)
    train(model, args.steps, filling, 0, 0.01, report)


main()
