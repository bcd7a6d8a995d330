"""Scores and routing by E-LANG's own code.

    python tools/reference/authors/elang.py FOLDER COMMIT     (vbdi/elang)

Its `do_eval` runs with a Swift that gives the logits of a list and a Super that counts its calls. The score is caught where the code computes it.
"""

import torch
from common import arguments, load, numbers, stand_in, write

FOLDER, COMMIT = arguments()
stand_in("sklearn", "scipy", "boto3", "botocore")
code = load(FOLDER / "elang.py", "elang")
code.compute_metrics = lambda task, predictions, labels: {}
code.tqdm = lambda batches, desc: batches

logsumexp = torch.logsumexp


def routed(seed: int, classes: int, threshold: float) -> dict:
    """Which of twelve inputs Super answers, and Swift's scores of all."""
    inputs = 3 * numbers(seed, 12, 1, classes)
    scores, supers = [], []
    torch.logsumexp = lambda *a, **k: scores.append(logsumexp(*a, **k)) or scores[-1]

    class Model(torch.nn.Module):
        def __init__(self, is_super: bool):
            super().__init__()
            self.is_super = is_super

        def forward(self, ids, segments, mask):
            if self.is_super:
                supers.append(ids.item())
            return inputs[ids.item()], None, None

    batches = [(torch.tensor(i), *[torch.zeros(1)] * 2, torch.tensor([0]), torch.zeros(1)) for i in range(12)]
    code.do_eval(Model(False), "task", batches, "cpu", "classification", torch.zeros(12), classes, Model(True), threshold)
    torch.logsumexp = logsumexp
    return {"seed": seed, "classes": classes, "threshold": threshold, "scores": [score.item() for score in scores], "super": supers}


write("src/pipelines/fixtures/elang.json", "vbdi/elang", COMMIT, cases=[routed(1, 2, 1.28), routed(2, 3, 1.5), routed(3, 5, 1.82)])
