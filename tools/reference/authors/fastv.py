"""Kept visual tokens and logits by FastV's own code.

    python tools/reference/authors/fastv.py FOLDER COMMIT     (pkunlp-icler/FastV)

The model's `forward` of `src/FastV/lmms-eval/fastv_kvcache.py` runs over transformers' layers with the weights of `TinyLlama`. It has 35 tokens
before a picture of 576, the layer 3 and the share of one half built in.
"""

from types import SimpleNamespace

import torch
from common import OldLayer, TinyLlama, arguments, load, numbers, write

FOLDER, COMMIT = arguments()
code = load(FOLDER / "src/FastV/lmms-eval/fastv_kvcache.py", "fastv_kvcache")
code._prepare_4d_causal_attention_mask = lambda _, shape, *__: torch.full((shape[1], shape[1]), float("-inf")).triu(1)[None, None]

LAYERS, BEFORE, SIDE, AFTER, K = 5, 35, 24, 4, 3
llama = TinyLlama(LAYERS)
image = numbers(79, SIDE * SIDE, llama.hidden)
embeddings = torch.cat([llama.embedding[:BEFORE], image, llama.embedding[20 : 20 + AFTER]])[None]
layers = [OldLayer(llama, i) for i in range(LAYERS)]
model = SimpleNamespace(
    config=SimpleNamespace(output_attentions=False, output_hidden_states=False, use_cache=False, use_return_dict=True),
    gradient_checkpointing=False,
    training=False,
    norm=lambda x: x,
    layers=layers,
    last_attention=None,
    _use_sdpa=False,
    _use_flash_attention_2=False,
)
with torch.no_grad():
    out = code.FastVLlamaModel.forward(model, inputs_embeds=embeddings)
positions = layers[K].positions[0] - BEFORE
kept = positions[(positions >= 0) & (positions < SIDE * SIDE)]
write("src/savings/tokens/feather/fixtures/fastv.json", "pkunlp-icler/FastV", COMMIT, layers=LAYERS, side=SIDE, kept=kept, logits=llama.logits(out.last_hidden_state))
