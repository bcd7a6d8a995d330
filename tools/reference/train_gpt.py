"""PyTorch's side of the bench `train-gpt` (see train_peer.py): train the GPT-2 of a Hugging Face folder.

    python tools/reference/train_gpt.py FOLDER --heads 6
"""

from pathlib import Path

import gpt
from train_peer import adamw, parser, serve, stepper

arguments = parser(__doc__)
arguments.add_argument("folder", type=Path)
arguments.add_argument("--heads", type=int, required=True)
args = arguments.parse_args()
model = gpt.load(args.folder, args.heads).train()
serve(stepper(model, adamw(model, lr=1e-3), model.loss, args.precision))
