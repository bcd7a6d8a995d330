"""Scores of regions, and their focal loss with its gradients, by RegionSpot's own code.

    python tools/reference/authors/regions.py FOLDER COMMIT     (Surrey-UPLab/Recognize-Any-Regions)

Its decoder, its scores (`forward_inference`) and its loss (`ce_loss`) run over random weights and features; the towers of SAM and CLIP, which they
are given features of, are not loaded.
"""

from types import SimpleNamespace

import torch
from common import arguments, numbers, stand_in, write

FOLDER, COMMIT = arguments()
stand_in("einops", "clip", "regionspot.modeling.segment_anything", "regionspot.modeling.clip", "regionspot.modeling.constants", "detectron2", "fvcore")
for name in ("regionspot", "regionspot.modeling"):
    package = type(torch)(name)
    package.__path__ = [str(FOLDER / name.replace(".", "/"))]
    __import__("sys").modules[name] = package

from regionspot.modeling.decoder import build_decoder  # noqa: E402
from regionspot.modeling.regionspot import RegionSpot  # noqa: E402

TOKEN, HIDDEN, WIDTH, LAYERS, HEADS, FFN, REGIONS, CELLS, LABELS = 12, 16, 10, 2, 4, 24, 5, 9, 6

seed = 200


def linear(outputs: int, inputs: int) -> tuple[torch.Tensor, torch.Tensor]:
    global seed
    seed += 2
    return numbers(seed - 1, outputs, inputs) / 2, numbers(seed, outputs) / 4


def norm() -> tuple[torch.Tensor, torch.Tensor]:
    weight, bias = linear(HIDDEN, 1)
    return 1 + weight[:, 0] / 2, bias


def set_to(module, values) -> None:
    module.weight.data, module.bias.data = (value.clone() for value in values)


def look(module) -> None:
    parts = [linear(HIDDEN, HIDDEN) for _ in "qkv"]
    module.in_proj_weight.data, module.in_proj_bias.data = (torch.cat(of) for of in zip(*parts))
    set_to(module.out_proj, linear(HIDDEN, HIDDEN))


to_clip, projector = torch.nn.Linear(TOKEN, HIDDEN), torch.nn.Linear(HIDDEN, WIDTH)
decoder = build_decoder(d_model=HIDDEN, nhead=HEADS, num_decoder_layers=LAYERS, dim_feedforward=FFN).eval()
set_to(to_clip, linear(HIDDEN, TOKEN))
for layer in decoder.layers:
    look(layer.self_attn)
    set_to(layer.norm1, norm())
    look(layer.multihead_attn)
    set_to(layer.norm2, norm())
    set_to(layer.linear1, linear(FFN, HIDDEN))
    set_to(layer.linear2, linear(HIDDEN, FFN))
    set_to(layer.norm3, norm())
set_to(decoder.norm, norm())
set_to(projector, linear(WIDTH, HIDDEN))

texts = torch.nn.functional.normalize(numbers(193, LABELS, WIDTH), dim=-1)
model = SimpleNamespace(to_clip=to_clip, projector=projector, decoder=decoder, text_feats=texts, logit_scale=10.0, TEXT_FEATS_MAP={"own": "text_feats"})
model.get_logits = lambda *a: RegionSpot.get_logits(model, *a)
model.sigmoid_focal_loss = lambda *a, **k: RegionSpot.sigmoid_focal_loss(model, *a, **k)

regions, image = numbers(191, REGIONS, TOKEN), numbers(192, 1, CELLS, HIDDEN)
scores = RegionSpot.forward_inference(model, image, regions[:, None], None)[0]

logits = (4 * numbers(194, 1, REGIONS, LABELS)).requires_grad_()
right = numbers(195, REGIONS, LABELS).argmax(1)
model.get_logits = lambda *_: (logits, None)
loss = RegionSpot.ce_loss(model, torch.zeros(1, REGIONS, WIDTH), right[None], 1.0, "own")
loss.backward()

write(
    "src/train/methods/regions/fixtures/authors.json",
    "Surrey-UPLab/Recognize-Any-Regions",
    COMMIT,
    token=TOKEN,
    hidden=HIDDEN,
    width=WIDTH,
    layers=LAYERS,
    heads=HEADS,
    ffn=FFN,
    regions=REGIONS,
    cells=CELLS,
    labels=LABELS,
    scores=scores.flatten(),
    right=right.tolist(),
    loss=loss.item(),
    gradient=logits.grad.flatten(),
)
