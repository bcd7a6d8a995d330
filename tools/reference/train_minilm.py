"""PyTorch's side of the bench `train-minilm` (see train_peer.py): train an encoder's vectors on pairs of texts, each query's document against the
batch's others (InfoNCE, cosines times 20, as sentence-transformers' MultipleNegativesRankingLoss).

    python tools/reference/train_minilm.py FOLDER

A batch's first rows are queries, one for each of its labels, and the others documents; a label is the number of the query's document. Rows end with
padding, token 0. Queries and documents run apart, each padded to their longest, as sentence-transformers runs them.
"""

from pathlib import Path

import torch
from torch.nn import functional as F
from train_peer import adamw, parser, serve, stepper
from transformers import AutoModel

SCALE = 20

arguments = parser(__doc__)
arguments.add_argument("folder", type=Path)
args = arguments.parse_args()
model = AutoModel.from_pretrained(args.folder, dtype=torch.float32, add_pooling_layer=False)
# Dropout is off, as on the other side.
model.eval()


def vectors(ids: torch.Tensor) -> torch.Tensor:
    ids = ids[:, : int((ids != 0).sum(1).max())]
    mask = (ids != 0).long()
    hidden = model(ids, attention_mask=mask).last_hidden_state
    means = (hidden * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)
    return F.normalize(means.float(), dim=-1)


def loss(ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    targets = labels.flatten()
    scores = SCALE * vectors(ids[: len(targets)]) @ vectors(ids[len(targets) :]).t()
    return F.cross_entropy(scores, targets)


serve(stepper(model, adamw(model, lr=2e-5), loss, args.precision))
