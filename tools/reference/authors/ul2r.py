"""Hidden spans, and the inputs and targets that they make, by T5's own code, which UL2's denoisers use.

    python tools/reference/authors/ul2r.py FOLDER COMMIT     (google-research/text-to-text-transfer-transformer)

Functions of `t5/data/preprocessors.py` run with a few lines of numpy in place of the parts of TensorFlow and seqio that they call.
"""

from types import SimpleNamespace

import numpy as np
from common import arguments, functions, write

FOLDER, COMMIT = arguments()


def segment_sum(values, ids, count=None):
    return np.bincount(ids, weights=values, minlength=count or 0)[:count].astype(np.int64)


tf = SimpleNamespace(
    int32=np.int32,
    float32=np.float32,
    cast=lambda x, dtype: np.asarray(x).astype(dtype),
    round=np.round,
    maximum=np.maximum,
    minimum=np.minimum,
    pad=lambda x, by: np.pad(x, by),
    range=np.arange,
    cumsum=lambda x, axis=-1: np.cumsum(x, axis=axis),
    ones_like=np.ones_like,
    reshape=np.reshape,
    stack=lambda parts, axis: np.stack(parts, axis=axis),
    equal=np.equal,
    where=np.where,
    logical_and=np.logical_and,
    logical_not=np.logical_not,
    math=SimpleNamespace(segment_sum=segment_sum, unsorted_segment_sum=segment_sum),
    ragged=SimpleNamespace(boolean_mask=lambda x, mask: x[mask]),
    RaggedTensor=type(None),
)
seqio = SimpleNamespace(stateless_shuffle=lambda x, seed: np.random.default_rng(seed).permutation(x))
NAMES = ["random_spans_helper", "random_spans_noise_mask", "noise_span_to_unique_sentinel", "nonnoise_span_to_unique_sentinel", "sentinel_id"]
code = functions(FOLDER / "t5/data/preprocessors.py", NAMES, {"tf": tf, "seqio": seqio, "gin": SimpleNamespace(REQUIRED=None)})
VOCABULARY = SimpleNamespace(vocab_size=1000)


def case(length: int, rate: float, mean_span: float) -> dict:
    mask = code["random_spans_noise_mask"](length, rate, (1, 2), mean_noise_span_length=mean_span)
    tokens = np.arange(length)
    inputs = code["noise_span_to_unique_sentinel"](tokens, mask, VOCABULARY, None)
    targets = code["nonnoise_span_to_unique_sentinel"](tokens, mask, VOCABULARY, None)
    return {
        "rate": rate,
        "meanSpan": mean_span,
        "mask": mask.astype(int).tolist(),
        "inputs": inputs.tolist(),
        "targets": targets.tolist(),
    }


def counts(length: int, rate: float, mean_span: float) -> dict:
    mask = code["random_spans_noise_mask"](length, rate, (3, 4), mean_noise_span_length=mean_span)
    runs = np.sum(mask & ~np.concatenate([[False], mask[:-1]]))
    return {"length": length, "rate": rate, "meanSpan": mean_span, "hidden": int(mask.sum()), "spans": int(runs)}


RULES = [(0.15, 3.0), (0.5, 3.0), (0.15, 8.0), (0.5, 8.0), (0.15, 64.0), (0.5, 64.0), (0.15, 32.0)]
write(
    "src/train/methods/ul2r/fixtures/authors.json",
    "google-research/text-to-text-transfer-transformer",
    COMMIT,
    cases=[case(64, *rule) for rule in RULES[:4]] + [case(23, 0.3, 2.0)],
    counts=[counts(length, *rule) for rule in RULES for length in (18, 64, 140, 512)],
    halves=counts(10, 0.25, 1.0),
)
