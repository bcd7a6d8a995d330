"""Masks of weights after each pruning by the code of sparse pre-training.

    python tools/reference/authors/sparse.py FOLDER COMMIT     (tjingrant/sparse-llm-code)

`prune` and `calculate_per_step_sparsity` of its `MaxText/train.py` run with numpy in place of jax.numpy; the rest of that file is not imported.
"""

import math
from types import SimpleNamespace

import numpy as np
from common import arguments, functions, numbers, write

FOLDER, COMMIT = arguments()
jax = SimpleNamespace(debug=SimpleNamespace(print=lambda *_, **__: None))
code = functions(FOLDER / "MaxText/train.py", ["prune", "calculate_per_step_sparsity"], {"jnp": np, "jax": jax, "math": math})


class State:
    def __init__(self, params: dict):
        self.params = params

    def replace(self, params: dict) -> "State":
        return State(params)


def run(sparsity: float, events: int) -> dict:
    """Two matrices whose weights change before every pruning."""
    shapes = ((16, 8), (8, 8))
    masks = [np.ones(shape, np.float32) for shape in shapes]
    each = code["calculate_per_step_sparsity"](events, sparsity)
    steps = []
    for event in range(events):
        values = numbers(41 + event, 192).numpy()
        parts = [part.reshape(shape) for part, shape in zip(np.split(values, [128]), shapes)]
        params = {f"layer{i}": {"kernel": part, "mask": mask} for i, (part, mask) in enumerate(zip(parts, masks))}
        kept = (1.0 - each) ** (event + 1)
        state, _ = code["prune"](State(params), kept, "none", "", "magnitude")
        masks = [state.params[f"layer{i}"]["mask"] for i in range(2)]
        steps.append({"kept": kept, "left": np.flatnonzero(np.concatenate([mask.flatten() for mask in masks])).tolist()})
    return {"sparsity": sparsity, "steps": steps}


write("src/train/methods/sparse/fixtures/authors.json", "tjingrant/sparse-llm-code", COMMIT, runs=[run(0.55, 4), run(0.8, 3)])
