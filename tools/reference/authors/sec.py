"""The controller's labels, decisions and loss by SEC's own code.

    python tools/reference/authors/sec.py FOLDER COMMIT     (v587su/SEC)

`compute_score` of `generate_dataset.py` makes the labels. Decisions and loss stand within the forward passes of its GPT-2, which needs a
transformers of its time: they are read from the file, between their first and last lines, and run over given logits.
"""

import textwrap
from types import SimpleNamespace

import torch
from common import arguments, functions, numbers, write

FOLDER, COMMIT = arguments()
LINES = (FOLDER / "model/multi_lmhead_gpt2.py").read_text().splitlines()


def between(first: str, last: str) -> str:
    """The code from a line that begins with `first` to the next that begins with `last`."""
    start = next(i for i, line in enumerate(LINES) if line.strip().startswith(first))
    end = next(i for i, line in enumerate(LINES) if i >= start and line.strip().startswith(last))
    return textwrap.dedent("\n".join(LINES[start : end + 1]))


def labels(seed: int, exits: int, tokens: int) -> dict:
    """`right` says which exits are right about which tokens."""
    right = (numbers(seed, exits, tokens) > 0.3).int()
    score = functions(FOLDER / "generate_dataset.py", ["compute_score"], {})["compute_score"]
    truth = [[0, *[1] * tokens]]
    made, first = score({exit: [right[exit].tolist()] for exit in range(exits)}, truth)
    return {"right": right.tolist(), "first": first[0], "labels": made[0]}


def decision(logits: torch.Tensor, stop: float, leave: float) -> str:
    decide = between("exit_logits = output_layer(hidden_states", "elif confident[1] > exit_threshold")
    scope = {
        "torch": torch,
        "self": SimpleNamespace(is_stopped=False, current_exit_layer=0),
        "output_layer": lambda _: logits,
        "hidden_states": torch.zeros(1, 1, 1),
        "stop_threshold": stop,
        "exit_threshold": leave,
        "i": 0,
        "left": [],
    }
    exec("for _ in (0,):\n" + textwrap.indent(decide + "\n    left.append(True)", "    "), scope)  # noqa: S102
    return "stop" if scope["self"].is_stopped else "exit" if scope["left"] else "continue"


def decisions(seed: int, stop: float, leave: float) -> dict:
    logits = 3 * numbers(seed, 24, 3)
    return {"seed": seed, "stop": stop, "exit": leave, "actions": [decision(row, stop, leave) for row in logits]}


def loss(seed: int, exits: int, tokens: int) -> dict:
    given = (numbers(seed, exits, tokens) * 1.5 + 1.5).int().clamp(0, 2)
    logits = 3 * numbers(seed + 1, exits, tokens, 3)
    scope = {
        "self": SimpleNamespace(config=SimpleNamespace(n_layer=exits), exit_classifier=lambda x: x, loss_fct=torch.nn.CrossEntropyLoss()),
        "labels": given.long(),
        "all_hidden_states": logits,
        "loss": None,
    }
    exec(between("total_weight = 0", "loss /= total_weight"), scope)  # noqa: S102
    return {"seed": seed, "labels": given.tolist(), "loss": scope["loss"].item()}


write(
    "src/train/methods/exit-heads/fixtures/authors.json",
    "v587su/SEC",
    COMMIT,
    labels=[labels(51, 4, 12), labels(52, 2, 6)],
    decisions=[decisions(53, 0.0, 0.0), decisions(54, 0.8, 0.6), decisions(55, 100.0, 0.5), decisions(56, 0.7, 100.0)],
    losses=[loss(57, 4, 9), loss(59, 2, 5)],
)
