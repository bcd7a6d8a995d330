"""Run an export of `modicum export` in stock ONNX Runtime, and compare it with a fixture by transformers.

    python tools/reference/run_export.py DIR FIXTURE.json [--file llama-tiny.gguf]

DIR holds model.onnx, or encoder_model.onnx and decoder_model.onnx; FIXTURE is the file of the same model under src/models/fixtures:
`llama-tiny.json` (--file names one of its models), a `reference.json`, an `encoder.json`, a `seq2seq.json`, or `smollm2.json`. Prints the worst
difference of each way of running the model:

- decoders: all tokens at once; a prompt, then token by token with the cache; two rows of different length, the shorter one padded on the right.
- encoders: all texts in one batch with padding, and each alone.
- encoders with a decoder: likewise, the decoder at once and token by token with its cache.
- smollm2.json: the ten greatest logits after each prompt, how many of the 48 greedy tokens are the same, the mean of -ln p over 1,024 tokens.
"""

import argparse
import base64
import json
from pathlib import Path

import numpy as np
import onnxruntime

onnxruntime.disable_telemetry_events()


def unpack(packed: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed), "<f4")


class Decoder:
    """A batch of sequences and its cache."""

    def __init__(self, session: onnxruntime.InferenceSession, rows: int = 1):
        self.session = session
        self.mask = np.zeros((rows, 0), np.int64)
        past = [i for i in session.get_inputs() if i.name.startswith("past_key_values.")]
        self.cache = {i.name: np.zeros((rows, i.shape[1], 0, i.shape[3]), np.float32) for i in past}

    def run(self, ids, mask=None) -> np.ndarray:
        """Logits [rows, tokens, vocabulary] of the next ids [rows, tokens]."""
        ids = np.array(ids, np.int64)
        new = np.ones_like(ids) if mask is None else np.array(mask, np.int64)
        self.mask = np.concatenate([self.mask, new], axis=1)
        feeds = {"input_ids": ids, "attention_mask": self.mask, **self.cache}
        logits, *cache = self.session.run(None, feeds)
        self.cache = dict(zip(self.cache, cache))
        return logits


def check_decoder(session, tokens: list[int], expected: np.ndarray) -> None:
    expected = expected.reshape(len(tokens), -1)
    report("at once", Decoder(session).run([tokens])[0], expected)
    prompt = len(tokens) * 2 // 3
    decoder = Decoder(session)
    steps = [decoder.run([tokens[:prompt]])[0]] + [decoder.run([[t]])[0] for t in tokens[prompt:]]
    report("a prompt, then token by token", np.concatenate(steps), expected)
    padded(session, tokens, expected, prompt, prompt // 2)


def padded(session, tokens, expected, long: int, short: int) -> None:
    """Two rows, the second one a part of the first, that go on side by side."""
    decoder = Decoder(session, rows=2)
    ids = [tokens[:long], tokens[:short] + [0] * (long - short)]
    logits = decoder.run(ids, [[1] * long, [1] * short + [0] * (long - short)])
    got, want = [logits[0], logits[1][:short]], [expected[:long], expected[:short]]
    for step in range(len(tokens) - long):
        logits = decoder.run([[tokens[long + step]], [tokens[short + step]]])
        got += [logits[0], logits[1]]
        want += [expected[long + step, None], expected[short + step, None]]
    report("two rows with padding", np.concatenate(got), np.concatenate(want))


def check_encoder(session, fixture: dict) -> None:
    texts, names = fixture["texts"], [i.name for i in session.get_inputs()]
    width = max(map(len, texts))
    row = lambda values, filler: values + [filler] * (width - len(values))
    feeds = {
        "input_ids": [row(t, 1) for t in texts],
        "attention_mask": [row([1] * len(t), 0) for t in texts],
        "token_type_ids": [row(t, 0) for t in fixture.get("types") or [[0] * len(t) for t in texts]],
    }
    feeds = {name: np.array(feeds[name], np.int64) for name in names}
    hidden, outputs = session.run(None, feeds)
    flat = lambda x: np.concatenate([x[i, : len(t)].ravel() for i, t in enumerate(texts)]) if x.ndim == 3 else x.ravel()
    report("hidden states, in a batch", flat(hidden), unpack(fixture["hidden"]))
    report("outputs, in a batch", flat(outputs), unpack(fixture["outputs"]))
    alone = [session.run(None, {n: v[i : i + 1, : len(t)] for n, v in feeds.items()}) for i, t in enumerate(texts)]
    report("hidden states, alone", np.concatenate([h.ravel() for h, _ in alone]), unpack(fixture["hidden"]))
    report("outputs, alone", np.concatenate([o.ravel() for _, o in alone]), unpack(fixture["outputs"]))


def decode(decoder, source: dict, mask: np.ndarray, targets: list[list[int]], parts: list[int]) -> np.ndarray:
    """Logits [rows, tokens, vocabulary], so many tokens at a time."""
    past = {name.replace("present", "past_key_values"): rows for name, rows in source.items()}
    past |= {name.replace("encoder", "decoder"): rows[:, :, :0] for name, rows in past.items()}
    names, logits, at = [o.name for o in decoder.get_outputs()], [], 0
    for count in parts:
        ids = np.array([t[at : at + count] for t in targets], np.int64)
        got = dict(zip(names, decoder.run(None, {"input_ids": ids, "encoder_attention_mask": mask, **past})))
        logits.append(got.pop("logits"))
        past |= {name.replace("present", "past_key_values"): rows for name, rows in got.items()}
        at += count
    return np.concatenate(logits, axis=1)


def check_seq2seq(encoder, decoder, fixture: dict) -> None:
    texts, targets = fixture["texts"], fixture["targets"]
    names, length, groups = [o.name for o in encoder.get_outputs()], len(targets[0]), range(len(texts))
    for what, batches in (("in a batch", [groups]), ("alone", [[i] for i in groups])):
        hidden, whole, steps = [], [], []
        for batch in batches:
            width = max(len(texts[i]) for i in batch)
            ids = np.array([texts[i] + [0] * (width - len(texts[i])) for i in batch], np.int64)
            mask = np.array([[1] * len(texts[i]) + [0] * (width - len(texts[i])) for i in batch], np.int64)
            source = dict(zip(names, encoder.run(None, {"input_ids": ids, "attention_mask": mask})))
            hidden += [h[: len(texts[i])].ravel() for i, h in zip(batch, source.pop("last_hidden_state"))]
            own = [targets[i] for i in batch]
            whole.append(decode(decoder, source, mask, own, [length]).ravel())
            steps.append(decode(decoder, source, mask, own, [1] * length).ravel())
        report(f"hidden states, {what}", np.concatenate(hidden), unpack(fixture["hidden"]))
        report(f"logits at once, {what}", np.concatenate(whole), unpack(fixture["logits"]))
        report(f"logits token by token, {what}", np.concatenate(steps), unpack(fixture["logits"]))


def check_smollm2(session, fixture: dict) -> None:
    for prompt in fixture["prompts"]:
        decoder = Decoder(session)
        last = decoder.run([prompt["tokens"]])[0, -1]
        ids, values = zip(*prompt["top"])
        same = 0
        for expected in prompt["next"]:
            if int(last.argmax()) != expected:
                break
            same += 1
            last = decoder.run([[expected]])[0, -1]
        first = Decoder(session).run([prompt["tokens"]])[0, -1]
        worst = np.abs(first[list(ids)] - np.array(values)).max()
        print(f"top ten logits {worst:.1e}, {same} of {len(prompt['next'])} greedy tokens: {prompt['prompt'][:40]!r}")
    tokens = fixture["nll"]["tokens"]
    logits = Decoder(session).run([tokens])[0, :-1].astype(np.float64)
    top = logits.max(-1, keepdims=True)
    logs = logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True))
    mean = -logs[np.arange(len(tokens) - 1), tokens[1:]].mean()
    print(f"mean -ln p {mean:.6f}, expected {fixture['nll']['mean']:.6f}")


def report(what: str, got: np.ndarray, expected: np.ndarray) -> None:
    assert got.shape == expected.shape, f"{what}: {got.shape}, expected {expected.shape}"
    print(f"{what}: {np.abs(got - expected).max():.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="what modicum export has written")
    parser.add_argument("fixture", type=Path)
    parser.add_argument("--file", help="which of a fixture's models")
    args = parser.parse_args()
    opened = lambda name: onnxruntime.InferenceSession(args.folder / name, providers=["CPUExecutionProvider"])
    fixture = json.loads(args.fixture.read_text())
    if "targets" in fixture:
        check_seq2seq(opened("encoder_model.onnx"), opened("decoder_model.onnx"), fixture)
        return
    session = opened("model.onnx")
    if "prompts" in fixture:
        check_smollm2(session, fixture)
    elif "texts" in fixture:
        check_encoder(session, fixture)
    else:
        model = next(m for m in fixture["models"] if m["file"] == args.file) if args.file else fixture
        check_decoder(session, model["tokens"], unpack(model["logits"]))


if __name__ == "__main__":
    main()
