"""Write what ONNX Runtime computes of a published consistency model of height maps (`adaptive-terrain-diffusion` 0.4.2 on PyPI).

    pip download --no-deps adaptive-terrain-diffusion==0.4.2 && unzip *.whl
    python tools/reference/consistency.py terrain_diffusion/weights/*.onnx research/consistency/fixtures/consistency.json

Needs `pip install onnxruntime` beside what tools/reference/stable_diffusion.py needs. Each case is an image of the house's own noise of
a seed, times sigma; the result is every 61st pixel of the clean image (base64 of float32).
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime
from stable_diffusion import normals, pack
from torch import tensor

CASES = [dict(seed=1, sigma=80.0, difficulty=60), dict(seed=2, sigma=1.5, difficulty=7)]
EVERY = 61

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    session = onnxruntime.InferenceSession(args.model, providers=["CPUExecutionProvider"])
    found = []
    for case in CASES:
        noisy = case["sigma"] * normals(case["seed"], 128 * 128).numpy().astype(np.float32).reshape(1, 1, 128, 128)
        inputs = {"noisy": noisy, "sigma": [case["sigma"]], "difficulty": [case["difficulty"]]}
        inputs = {name: np.asarray(value, dtype=np.float32) for name, value in inputs.items()}
        denoised = session.run(None, inputs)[0].flatten()
        print(case, denoised.min(), denoised.mean(), denoised.max())
        found.append({**case, "pixels": pack(tensor(denoised[::EVERY]))})
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps({"every": EVERY, "cases": found}) + "\n")
