"""Logits of a prompt whose visual tokens compute less, by YOPO's own layers, and which neighbours they attend to.

    python tools/reference/authors/yopo.py FOLDER COMMIT     (ZhangAIPI/YOPO_MLLM_Pruning)

Its decoder layers run with the weights of `TinyLlama`. They have a picture of 24 x 24 tokens and the layer from which none takes part built in;
the mask of heads, which they read from a file, is given. They stand in a file of an older transformers: what that imported and the newer one
lacks is replaced by objects that do nothing.
"""


import numpy as np
import torch
from common import TinyLlama, arguments, load, numbers, without_cuda, write

import transformers.models.llama.modeling_llama  # noqa: F401

FOLDER, COMMIT = arguments()
without_cuda()
code = load(FOLDER / "modeling_llama_prune.py", "transformers.models.llama.modeling_llama_prune")

LAYERS, SIDE, BEFORE = 3, 24, 3
llama = TinyLlama(LAYERS)
image = numbers(78, SIDE * SIDE, llama.hidden)
ids = [3, 4, 5, 20, 21, 22, 23]
embeddings = torch.cat([llama.embedding[ids[:BEFORE]], image, llama.embedding[ids[BEFORE:]]])[None]
ALL = [[True] * llama.kv_heads for _ in range(LAYERS)]
SOME = [[True, True], [True, False], [False, True]]


def run(window: int, ratio: float, kept: list[list[bool]]) -> dict:
    """`window` rows and columns of neighbours, the share 1/`ratio` of neurons, and the key-value heads that visual tokens keep."""
    config = llama.config()
    for name, value in (("rope_theta", llama.theta), ("rope_scaling", None), ("pretraining_tp", 1), ("attention_bias", False)):
        setattr(config, name, value)
    for name, value in (("attncut_w", window), ("layercut_num", LAYERS), ("headcut_num", 24), ("mlpcut_ratio", ratio), ("sprompt_len", BEFORE)):
        setattr(config, name, value)
    group = llama.heads // llama.kv_heads
    np.load = lambda _: np.repeat(np.array(kept, dtype=np.float32), group, axis=1)
    tokens = embeddings.shape[1]
    mask = torch.full((tokens, tokens), float("-inf")).triu(1)[None, None]
    x = embeddings
    with torch.no_grad():
        for index in range(LAYERS):
            layer = llama.fill(code.LlamaDecoderLayer(config, index), index)
            x = layer(x, attention_mask=mask, position_ids=torch.arange(tokens)[None])[0]
    return {"radius": (window - 1) // 2, "ffn": 1 / ratio, "kept": kept, "logits": llama.logits(x)}


def neighbours(window: int, cells: list[int]) -> dict:
    mask = code.LlamaDecoderLayer.local_mask(None, window)
    return {"radius": (window - 1) // 2, "cells": {str(cell): (mask[cell] == 0).nonzero().flatten().tolist() for cell in cells}}


write(
    "src/savings/attention/yopo/fixtures/authors.json",
    "ZhangAIPI/YOPO_MLLM_Pruning",
    COMMIT,
    layers=LAYERS,
    side=SIDE,
    cases=[run(5, 1, ALL), run(3, 2, ALL), run(47, 2, ALL), run(5, 2, SOME), run(47, 1, SOME)],
    neighbours=[neighbours(5, [0, 25, 300, 575]), neighbours(3, [23, 552, 100])],
)
