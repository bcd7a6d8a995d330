"""Trains an exported run in two processes over gloo, and compares its losses and its checkpoint with Modicum's.

    .ci/venv/bin/python tools/reference/train_beyond.py research/scale/results/train.json

Needs the packages of train.txt, and Node. A tiny Llama learns 200 samples of unequal length in 20 steps of two batches:
by `modicum train`, and by `modicum train export-config` under `accelerate launch`, `torchrun`, and two `torchrun`s in
folders of their own, like two machines. As a control, `torchrun` once averages over processes instead of tokens. Each checkpoint
then answers a prompt in one `modicum serve`. Writes the greatest differences.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

MODICUM = ["node", str(Path(__file__).resolve().parents[2] / "bin" / "modicum.js")]
BIN = Path(sys.executable).parent
ENV = {**os.environ, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
ARCHITECTURE = {
    **{"model_type": "llama", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2},
    **{"num_key_value_heads": 1, "intermediate_size": 48, "max_position_embeddings": 48, "rms_norm_eps": 1e-5},
}
RUN = {
    **{"architecture": ARCHITECTURE, "tokenizer": "bytes", "data": "samples.jsonl", "tokens": 48, "validation": 0},
    **{"batch": 4, "accumulate": 2, "steps": 20, "optimizer": {"lr": 1e-2}},
}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start(words: list, folder: Path, **pipes) -> subprocess.Popen:
    return subprocess.Popen([str(w) for w in words], cwd=folder, env=ENV, **pipes)


def finish(*processes: subprocess.Popen) -> None:
    failed = [p.args for p in processes if p.wait() != 0]
    assert not failed, f"failed: {failed}"


def launch(folder: Path) -> dict[str, Path]:
    """The folders that the launchers leave."""
    train = (folder / "exported" / "train.py").read_text()
    control = train.replace("max_steps=", "average_tokens_across_devices=False, max_steps=")
    (folder / "exported" / "control.py").write_text(control)
    accelerate = [BIN / "accelerate", "launch", "--multi_gpu", "--num_processes", 2, "--num_machines", 1]
    accelerate += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", free_port()]
    torchrun = [BIN / "torchrun", "--standalone", "--nproc-per-node", 2]
    finish(start([*accelerate, "exported/train.py", "--out", "accelerate"], folder))
    finish(start([*torchrun, "exported/train.py", "--out", "torchrun"], folder))
    finish(start([*torchrun, "exported/control.py", "--out", "control"], folder))
    node = [BIN / "torchrun", "--nnodes", 2, "--nproc-per-node", 1, "--master-port", free_port()]
    places = [folder / "first", folder / "second"]
    for place in places:
        place.mkdir()
    finish(*(start([*node, "--node-rank", rank, folder / "exported" / "train.py"], p) for rank, p in enumerate(places)))
    assert not list((places[1] / "trained").glob("**/*.safetensors")), "the second machine wrote a checkpoint"
    return {name: folder / name for name in ("accelerate", "torchrun", "control")} | {"machines": places[0] / "trained"}


def answers(folder: Path, models: dict[str, Path]) -> dict[str, dict]:
    """Each model's twelve likeliest tokens after a prompt, from one server."""
    port = free_port()
    words = [word for name, place in models.items() for word in ("--model", f"{name}={place}")]
    server = start([*MODICUM, "serve", "--port", port, "--quant", "f32", *words], folder, stderr=subprocess.DEVNULL)
    try:
        return {name: ask(port, name) for name in models}
    finally:
        server.terminate()
        server.wait()


def ask(port: int, model: str) -> dict:
    body = {"model": model, "prompt": "7: ", "temperature": 0, "max_tokens": 12, "logprobs": 1}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/completions", json.dumps(body).encode())
    request.add_header("content-type", "application/json")
    for _ in range(300):
        try:
            return json.loads(urllib.request.urlopen(request).read())["choices"][0]["logprobs"]
        except urllib.error.HTTPError as error:
            sys.exit(error.read().decode())
        except urllib.error.URLError:
            time.sleep(0.2)
    sys.exit("the server does not answer")


def apart(a: list[float], b: list[float]) -> float:
    assert len(a) == len(b), f"{len(a)} and {len(b)} numbers"
    return max(abs(x - y) for x, y in zip(a, b))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples = [{"prompt": f"{i}: ", "completion": " ".join([str(i)] * (1 + i % 6))} for i in range(200)]
        (folder / "samples.jsonl").write_text("".join(json.dumps(s) + "\n" for s in samples))
        (folder / "run.yaml").write_text(json.dumps(RUN))
        finish(start([*MODICUM, "train", "run.yaml", "--out", "ours"], folder))
        finish(start([*MODICUM, "train", "export-config", "run.yaml", "--to", "trl", "--out", "exported"], folder))
        rows = [json.loads(line)["labels"] for line in (folder / "exported" / "rows.jsonl").read_text().splitlines()]
        models = launch(folder)
        ours = [json.loads(line)["loss"] for line in (folder / "ours" / "metrics.jsonl").read_text().splitlines()]
        told = answers(folder, {"ours": folder / "ours", **models})
        losses = {k: json.loads((place / "losses.json").read_text()) for k, place in models.items()}
        result = {
            "steps": len(ours),
            "tokens of a row": [min(map(len, rows)), max(map(len, rows))],
            "losses": {"first": ours[0], "last": ours[-1]},
            "runs": {
                k: {
                    "greatest difference of a loss": apart(losses[k], ours),
                    "same tokens": told[k]["tokens"] == told["ours"]["tokens"],
                    "greatest difference of a log-probability": apart(
                        told[k]["token_logprobs"], told["ours"]["token_logprobs"]
                    ),
                }
                for k in models
            },
        }
    Path(sys.argv[1]).write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    assert all((r["greatest difference of a loss"] < 1e-4) == (k != "control") for k, r in result["runs"].items())


if __name__ == "__main__":
    main()
