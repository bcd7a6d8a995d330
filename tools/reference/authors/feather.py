"""Kept visual tokens and logits by FEATHER's own code, which has FastV's criterion too.

    python tools/reference/authors/feather.py FOLDER COMMIT     (markendo/FEATHER)

Its model's `forward` and `calculate_attention_weight` run over transformers' layers with the weights of `TinyLlama`, called as
the release did that the code was written for. The rest of the package is not imported.
"""

from types import SimpleNamespace

import torch
from common import OldLayer, TinyLlama, arguments, load, numbers, write

FOLDER, COMMIT = arguments()
code = load(FOLDER / "prismatic-vlms/prismatic/models/backbones/llm/llama2_models.py", "llama2_models")

LAYERS, SIDE, BEFORE, AFTER = 4, 9, 1, 4
llama = TinyLlama(LAYERS)
image = numbers(77, SIDE * SIDE, llama.hidden)
embeddings = torch.cat([llama.embedding[[3]], image, llama.embedding[[20, 21, 22, 23]]])[None]


def run(ks: list[int], ratio: float, rope: bool, stride: int | None = None) -> dict:
    """One prompt pruned before the layers `ks`; `ratio` is the share that is removed."""
    model = SimpleNamespace(
        config=SimpleNamespace(output_attentions=False, output_hidden_states=False, use_cache=False, use_return_dict=True),
        gradient_checkpointing=False,
        training=False,
        embed_tokens=None,
        norm=lambda x: x,
        layers=[OldLayer(llama, i) for i in range(LAYERS)],
        fastV_k=ks,
        fastV_ratio=1 - ratio,
        fastV_use_rope=rope,
        fastV_sample_cluster=False,
        use_predefined_mask=stride is not None,
        stride=stride,
        saved_selected_tokens={k: [] for k in ks},
        last_attention=None,
        _update_causal_mask=lambda _, x: torch.full((x.shape[1], x.shape[1]), float("-inf")).triu(1)[None, None],
    )
    model.calculate_attention_weight = lambda *a: code.FastVLlamaModel.calculate_attention_weight(model, *a)
    with torch.no_grad():
        out = code.FastVLlamaModel.forward(model, inputs_embeds=embeddings, image_indices=torch.arange(BEFORE, BEFORE + SIDE * SIDE))
    kept = [model.saved_selected_tokens[k][0].tolist() for k in ks]
    return {"after": ks, "ratio": ratio, "rotary": rope, "stride": stride or 0, "kept": kept, "logits": llama.logits(out.last_hidden_state)}


write(
    "src/savings/tokens/feather/fixtures/authors.json",
    "markendo/FEATHER",
    COMMIT,
    layers=LAYERS,
    side=SIDE,
    cases=[
        run([1, 3], 0.7, False, 3),
        run([2, 3], 0.4, False, 2),
        run([1], 0.75, True),
        run([2], 0.5, False),
    ],
)
