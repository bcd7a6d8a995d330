"""Block scores, masks and profiled thresholds by XAttention's own code, on the processor.

    python tools/reference/authors/xattention.py FOLDER COMMIT     (mit-han-lab/x-attention)

Runs its PyTorch path (`use_triton=False`). Its Triton kernels, the block-sparse kernel and FlashAttention need a GPU: they are stand-ins
here and none is called but the last, whose output the profile does not read. The profile asks for the Triton path, so it is given the other.
"""

from types import SimpleNamespace

import torch
from common import arguments, numbers, stand_in, without_cuda, write

_, COMMIT = arguments()
stand_in("block_sparse_attn", "xattn.src.kernels", "flash_attn", "transformers")
without_cuda()

from xattn.src.Xattention import xattn_estimate  # noqa: E402

HEADS, KV_HEADS, SIZE, BLOCK, LENGTH = 4, 2, 16, 32, 300
q = 16 * numbers(1, HEADS, LENGTH, SIZE)[None]
k = numbers(2, KV_HEADS, LENGTH, SIZE).repeat_interleave(HEADS // KV_HEADS, 0)[None]


def case(past: int, end: int, stride: int, mode: str, chunk: int, thresholds: list[float]) -> dict:
    """One chunk of queries after `past` tokens; scores and masks are cut to the blocks that hold tokens."""
    rows, cols = -(-end // BLOCK) - past // BLOCK, -(-end // BLOCK)
    kept = {}
    for threshold in thresholds:
        scores, mask = xattn_estimate(
            q[:, :, past:end],
            k[:, :, :end],
            block_size=BLOCK,
            stride=stride,
            threshold=threshold,
            chunk_size=chunk,
            select_mode=mode,
            use_triton=False,
        )
        mask = mask[0, :, :rows, :cols].reshape(-1, cols)
        kept[str(threshold)] = [row.nonzero().flatten().tolist() for row in mask]
    select = {"inverse": "antidiagonal", "slash": "diagonal"}[mode]
    scores = scores[0, :, :rows, :cols].flatten()
    return {"past": past, "tokens": end - past, "stride": stride, "select": select, "chunk": chunk, "scores": scores, "kept": kept}


def profile(stride: int) -> list[float]:
    """Thresholds of the heads at blocks of 128, which the profile has built in nowhere but in its caller."""
    import xattn.threshold.profile_threshold.profile_threshold as module

    module.xattn_estimate = lambda *a, **options: xattn_estimate(*a, **{**options, "use_triton": False, "chunk_size": 64})
    layer = SimpleNamespace(layer_idx=0, profile_config=SimpleNamespace(history_threshold=[]))
    module.xattn_prefill_profile(layer, q, k, k, BLOCK, stride)
    return layer.profile_config.history_threshold[0][0]


write(
    "src/savings/attention/xattention/fixtures/authors.json",
    "mit-han-lab/x-attention",
    COMMIT,
    length=LENGTH,
    blockSize=BLOCK,
    cases=[
        case(0, LENGTH, 8, "inverse", 64, [0.5, 0.8, 0.9, 0.95]),
        case(0, LENGTH, 4, "inverse", 64, [0.9]),
        case(0, LENGTH, 16, "inverse", 64, [0.9]),
        case(0, LENGTH, 8, "slash", 64, [0.9]),
        case(128, LENGTH, 8, "inverse", 64, [0.9]),
    ],
    # All in the first chunk: its rows keep more blocks there.
    first=case(0, 256, 8, "inverse", 256, [0.5]),
    # Several chunks and no padding: earlier chunks are out of reach there.
    unpadded=case(0, 256, 8, "inverse", 64, [0.5]),
    thresholds={str(stride): profile(stride) for stride in (4, 8)},
)
