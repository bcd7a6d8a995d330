"""What the generators of this folder share: inputs that tests can make again, stand-ins for modules that need a GPU, and the fixture's file.

A generator takes the folder of a paper's own code and the commit it holds, runs that code's functions on small inputs, and writes what they
give beside the test that compares it. Nothing of that code is kept here. Needs numpy and torch.
"""

import ast
import json
import re
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.util import module_from_spec, spec_from_file_location, spec_from_loader
from pathlib import Path
from unittest.mock import MagicMock

import torch

ROOT = Path(__file__).parents[3]


def arguments() -> tuple[Path, str]:
    """The code's folder, which modules may be imported from, and its commit."""
    if len(sys.argv) != 3:
        sys.exit(f"usage: python {sys.argv[0]} FOLDER COMMIT")
    folder = Path(sys.argv[1]).resolve()
    sys.path.insert(0, str(folder))
    return folder, sys.argv[2]


def numbers(seed: int, *shape: int) -> torch.Tensor:
    """Numbers in [-1, 1) with 24 bits from a linear congruential generator: `numbers` of authors.testing.ts gives the same."""
    state = (seed * 2654435761) & 0xFFFFFFFF
    values = []
    for _ in range(torch.Size(shape).numel()):
        state = (1664525 * state + 1013904223) & 0xFFFFFFFF
        values.append((state >> 8) / 2**23 - 1)
    return torch.tensor(values, dtype=torch.float32).reshape(shape)


class StandIns(MetaPathFinder, Loader):
    """Finds the named modules, and all within them, as objects that do nothing."""

    def __init__(self, names: tuple[str, ...]):
        self.names = names

    def find_spec(self, name: str, path=None, target=None):
        found = any(name == one or name.startswith(f"{one}.") for one in self.names)
        return spec_from_loader(name, self, is_package=True) if found else None

    def create_module(self, spec):
        return MagicMock(__spec__=spec, __path__=[], __name__=spec.name, __loader__=self)

    def exec_module(self, module) -> None:
        pass


def stand_in(*names: str) -> None:
    """Lets modules be imported that are not installed, or need a GPU, and whose results are not read."""
    sys.meta_path.insert(0, StandIns(names))


def load(path: Path, name: str):
    """A module from a file. What newer packages no longer have, and the functions under test do not call, are objects that do nothing."""
    while True:
        spec = spec_from_file_location(name, path)
        module = module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
            return module
        except ModuleNotFoundError as error:
            stand_in(error.name)
        except ImportError as error:
            missing = re.match(r"cannot import name '(\w+)' from '([\w.]+)'", str(error))
            if not missing:
                raise
            nothing = (lambda: False) if missing[1].startswith("is_") else MagicMock()
            setattr(sys.modules[missing[2]], missing[1], nothing)


def functions(path: Path, names: list[str], scope: dict) -> dict:
    """Some functions of a file whose imports are not needed, with `scope` in place of them. Decorators are left out."""
    tree = ast.parse(path.read_text())
    chosen = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in names]
    for node in chosen:
        node.decorator_list = []
    code = compile(ast.Module(body=chosen, type_ignores=[]), str(path), "exec")
    exec(code, scope)  # noqa: S102
    return scope


class TinyLlama:
    """A decoder whose weights are `numbers`, as `tinyLlama` of authors-llama.testing.ts writes it."""

    hidden, intermediate, heads, kv_heads, head, vocabulary, theta, epsilon = 64, 80, 4, 2, 16, 40, 10000.0, 1e-5

    def __init__(self, layers: int):
        self.layers = layers
        self.seed = 1000
        self.embedding = self.matrix(self.vocabulary, self.hidden)
        self.blocks = [self.block() for _ in range(layers)]
        self.norm = self.scale()

    def matrix(self, *shape: int) -> torch.Tensor:
        self.seed += 1
        return numbers(self.seed, *shape) / 4

    def scale(self) -> torch.Tensor:
        return 1 + self.matrix(self.hidden)

    def block(self) -> dict[str, torch.Tensor]:
        hidden, inner, kv = self.hidden, self.intermediate, self.kv_heads * self.head
        return {
            "input_layernorm": self.scale(),
            "self_attn.q_proj": self.matrix(hidden, hidden),
            "self_attn.k_proj": self.matrix(kv, hidden),
            "self_attn.v_proj": self.matrix(kv, hidden),
            "self_attn.o_proj": self.matrix(hidden, hidden),
            "post_attention_layernorm": self.scale(),
            "mlp.gate_proj": self.matrix(inner, hidden),
            "mlp.up_proj": self.matrix(inner, hidden),
            "mlp.down_proj": self.matrix(hidden, inner),
        }

    def config(self):
        from transformers import LlamaConfig

        config = LlamaConfig(
            hidden_size=self.hidden,
            intermediate_size=self.intermediate,
            num_attention_heads=self.heads,
            num_key_value_heads=self.kv_heads,
            head_dim=self.head,
            vocab_size=self.vocabulary,
            num_hidden_layers=self.layers,
            rms_norm_eps=self.epsilon,
            max_position_embeddings=1024,
            tie_word_embeddings=True,
        )
        config._attn_implementation = "eager"
        return config

    def fill(self, layer: torch.nn.Module, index: int) -> torch.nn.Module:
        """Gives a decoder layer its weights."""
        layer.load_state_dict({f"{name}.weight": value for name, value in self.blocks[index].items()}, strict=False)
        return layer.eval()

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Of the last token."""
        x = hidden[0, -1]
        return (x / (x.pow(2).mean() + self.epsilon).sqrt() * self.norm) @ self.embedding.T


class OldLayer:
    """A layer of `TinyLlama` with the call and the attributes of the transformers that FastV and FEATHER were written for."""

    def __init__(self, llama: TinyLlama, index: int):
        from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaRotaryEmbedding

        config = llama.config()
        self.rotary = LlamaRotaryEmbedding(config)
        self.inner = llama.fill(LlamaDecoderLayer(config, index), index)
        self.input_layernorm = self.inner.input_layernorm
        self.self_attn = self.inner.self_attn
        self.self_attn.num_heads, self.self_attn.num_key_value_heads = llama.heads, llama.kv_heads
        self.self_attn.num_key_value_groups = llama.heads // llama.kv_heads
        self.self_attn.rotary_emb = self.rotary
        self.positions = None

    def __call__(self, hidden, attention_mask, position_ids, output_attentions=False, **_):
        self.positions = position_ids
        options = {"attention_mask": attention_mask, "position_embeddings": self.rotary(hidden, position_ids)}
        outputs = (self.inner(hidden, **options),)
        return (*outputs, self.self_attn(hidden_states=self.input_layernorm(hidden), **options)[1]) if output_attentions else outputs


def without_cuda() -> None:
    """Lets code that names a GPU for its tensors run on the processor."""

    def on_processor(make):
        return lambda *a, device=None, **k: make(*(one for one in a if not names_gpu(one)), device=None if names_gpu(device) else device, **k)

    def names_gpu(device) -> bool:
        return isinstance(device, (str, torch.device)) and str(device).startswith("cuda")

    for name in ("zeros", "ones", "arange", "tensor", "full", "eye", "empty"):
        setattr(torch, name, on_processor(getattr(torch, name)))
    move = torch.Tensor.to
    torch.Tensor.to = lambda x, *a, **k: x if names_gpu(a[0] if a else k.get("device")) else move(x, *a, **k)
    torch.Tensor.cuda = lambda x, *a, **k: x


def rounded(value):
    """Seven significant digits, so that a fixture is small and reads well."""
    if isinstance(value, torch.Tensor):
        value = value.tolist()
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(one) for one in value]
    return float(f"{value:.7g}") if isinstance(value, float) else value


def write(path: str, repository: str, commit: str, **content) -> None:
    text = json.dumps({"repository": repository, "commit": commit, **rounded(content)}, separators=(",", ":"))
    if len(text) > 100_000:
        sys.exit(f"{path}: {len(text)} bytes")
    (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
    (ROOT / path).write_text(text + "\n")
