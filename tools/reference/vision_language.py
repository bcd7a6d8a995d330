"""Write the fixtures of vision-language models: tiny random models as they are published, and what transformers computes of prompts with images.

    python tools/reference/vision_language.py src/models/fixtures [NAME ...]

Each fixture is a folder: `config.json` and `model.safetensors` (float16) as `save_pretrained` writes them, and `vision-language.json`: the pixels of
two images (base64 of little-endian float32 [2, 3, side, side]), their rows in the decoder's stream ([2, tokens, hidden]), the ids of a prompt with
both images, and the logits after each of its tokens ([ids, vocabulary]). Models whose prompts have tokens around images also have a processor and a
tokenizer, and `placed-images.json`: what both make of pictures, and prompts with one and with two of them. `llava` also has `gradients.json`, two
rows with an image each, their labels and their loss in float64, and `gradients.safetensors`, the gradients of all weights that take part. Settings are away from their defaults, so that one that is not read shows.
"""

import argparse
import base64
import copy
import json
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForImageTextToText, Gemma3Processor, Idefics3Processor, LlavaNextProcessor, PreTrainedTokenizerFast
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from image_text import bytes_of, pictures

VOCABULARY = 72
IMAGE = 70

TEXT = dict(
    vocab_size=VOCABULARY, hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=96, rms_norm_eps=1e-3, bos_token_id=1, eos_token_id=2, pad_token_id=0,
    rope_parameters={"rope_type": "default", "rope_theta": 5000.0}, tie_word_embeddings=False,
)  # fmt: skip
CLIP = dict(
    model_type="clip_vision_model", hidden_size=40, intermediate_size=56, num_hidden_layers=3, num_attention_heads=4, image_size=24, patch_size=8,
    layer_norm_eps=1e-3, hidden_act="quick_gelu", projection_dim=16,
)  # fmt: skip

# name: (model_type, configuration)
MODELS = {
    "llava": ("llava", dict(
        text_config={**TEXT, "model_type": "llama", "head_dim": 16}, vision_config=CLIP, image_token_index=IMAGE, vision_feature_layer=-2,
        vision_feature_select_strategy="default", image_seq_length=9, projector_hidden_act="gelu")),
    # The newest layer, with the whole image's token, and a projector without biases.
    "llava-qwen2": ("llava", dict(
        text_config={**TEXT, "model_type": "qwen2", "num_attention_heads": 2, "num_key_value_heads": 1}, image_token_index=IMAGE,
        vision_config={**CLIP, "hidden_act": "gelu"}, vision_feature_layer=-1, vision_feature_select_strategy="full", image_seq_length=10,
        projector_hidden_act="gelu", multimodal_projector_bias=False)),
    # A SigLIP's tower, whose 27 pixels leave three of a side out, as in LLaVA-Interleave.
    "llava-siglip": ("llava", dict(
        text_config={**TEXT, "model_type": "qwen2", "num_attention_heads": 2, "num_key_value_heads": 2}, image_token_index=IMAGE,
        vision_config=dict(
            model_type="siglip_vision_model", hidden_size=40, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4, image_size=27,
            patch_size=8, layer_norm_eps=1e-3, hidden_act="gelu_pytorch_tanh"),
        vision_feature_layer=-1, vision_feature_select_strategy="full", image_seq_length=9, projector_hidden_act="gelu")),
    # DINOv2's tower, with factors behind attention and feed-forward.
    "llava-dinov2": ("llava", dict(
        text_config={**TEXT, "model_type": "llama", "head_dim": 16}, image_token_index=IMAGE,
        vision_config=dict(
            model_type="dinov2", hidden_size=40, num_hidden_layers=3, num_attention_heads=4, mlp_ratio=2, image_size=24, patch_size=8,
            layer_norm_eps=1e-3),
        vision_feature_layer=-2, vision_feature_select_strategy="default", image_seq_length=9, projector_hidden_act="gelu")),
    # Squares of 2 × 2 patches as rows.
    "idefics3": ("idefics3", dict(
        text_config={**TEXT, "model_type": "llama", "head_dim": 16, "vocab_size": 320, "max_position_embeddings": 256}, image_token_id=318, scale_factor=2, image_seq_length=4,
        vision_config=dict(hidden_size=40, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4, image_size=32, patch_size=8,
                           layer_norm_eps=1e-3))),
    "smolvlm": ("smolvlm", dict(
        text_config={**TEXT, "model_type": "llama"}, image_token_id=IMAGE, scale_factor=3, image_seq_length=1,
        vision_config=dict(hidden_size=40, intermediate_size=56, num_hidden_layers=3, num_attention_heads=4, image_size=24, patch_size=8,
                           layer_norm_eps=1e-3, hidden_act="gelu"))),
    # Images of any size, positions on three axes; pictures are those of its own processor.
    "qwen2-vl": ("qwen2_vl", dict(
        text_config={**TEXT, "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 320, "max_position_embeddings": 256,
                     "rope_parameters": {"rope_type": "default", "rope_theta": 5000.0, "mrope_section": [2, 3, 3]}},
        vision_config=dict(depth=2, embed_dim=32, hidden_size=32, mlp_ratio=2, num_heads=2, patch_size=4, hidden_act="quick_gelu"),
        image_token_id=318, video_token_id=317, vision_start_token_id=315, vision_end_token_id=316)),
    # Windows of 2 × 2 squares in two layers of the tower; pictures are those of its own processor.
    "qwen2-5-vl": ("qwen2_5_vl", dict(
        text_config={**TEXT, "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 320, "max_position_embeddings": 512,
                     "rope_parameters": {"rope_type": "default", "rope_theta": 5000.0, "mrope_section": [2, 3, 3]}},
        vision_config=dict(depth=4, hidden_size=32, out_hidden_size=32, intermediate_size=44, num_heads=2, patch_size=4, window_size=16,
                           fullatt_block_indexes=[1, 3], rope_parameters={"rope_type": "axial", "rope_theta": 5000.0}),
        image_token_id=318, video_token_id=317, vision_start_token_id=315, vision_end_token_id=316)),
    # Two layers of the tower, in no order, give what is added behind the decoder's first two; pictures are those of its own processor.
    "qwen3-vl": ("qwen3_vl", dict(
        text_config={**TEXT, "num_hidden_layers": 4, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "vocab_size": 320,
                     "max_position_embeddings": 512,
                     "rope_parameters": {"rope_type": "default", "rope_theta": 5000.0, "mrope_section": [4, 2, 2], "mrope_interleaved": True}},
        vision_config=dict(depth=4, hidden_size=24, out_hidden_size=32, intermediate_size=44, num_heads=2, patch_size=4,
                           num_position_embeddings=36, deepstack_visual_indexes=[2, 0]),
        image_token_id=318, video_token_id=317, vision_start_token_id=315, vision_end_token_id=316)),
    # Experts in two layers of the decoder, stored as [experts, inputs, outputs]; pictures are those of its own processor.
    "qwen3-vl-moe": ("qwen3_vl_moe", dict(
        text_config={**TEXT, "num_hidden_layers": 4, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "vocab_size": 320,
                     "max_position_embeddings": 512, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24,
                     "mlp_only_layers": [1, 3],
                     "rope_parameters": {"rope_type": "default", "rope_theta": 5000.0, "mrope_section": [4, 2, 2], "mrope_interleaved": True}},
        vision_config=dict(depth=2, hidden_size=16, out_hidden_size=32, intermediate_size=36, num_heads=2, patch_size=4,
                           num_position_embeddings=25, deepstack_visual_indexes=[0]),
        image_token_id=318, video_token_id=317, vision_start_token_id=315, vision_end_token_id=316)),
    # Means of 2 × 2 patches as rows, more than the window has; layers of both kinds in threes.
    "gemma3-vision": ("gemma3", dict(
        text_config=dict(
            vocab_size=272, hidden_size=32, num_hidden_layers=6, intermediate_size=40, num_key_value_heads=1, num_attention_heads=2, head_dim=16,
            max_position_embeddings=256, sliding_window=8, query_pre_attn_scalar=24, rms_norm_eps=1e-3, rope_theta=90000.0,
            rope_scaling={"rope_type": "linear", "factor": 2.0}, layer_types=["sliding_attention", "sliding_attention", "full_attention"] * 2),
        vision_config=dict(
            hidden_size=40, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4, image_size=24, patch_size=4, layer_norm_eps=1e-3,
            vision_use_head=False),
        mm_tokens_per_image=9, image_token_index=269, boi_token_index=267, eoi_token_index=268)),
    # A tower of its own, tiles and the whole of an image, squares of 2 × 2 patches as rows.
    "internvl": ("internvl", dict(
        text_config={**TEXT, "model_type": "qwen2", "vocab_size": 272, "max_position_embeddings": 256, "num_attention_heads": 2, "num_key_value_heads": 1,
                     "rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 5000.0}},
        vision_config=dict(
            hidden_size=40, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4, image_size=[24, 24], patch_size=[4, 4],
            layer_norm_eps=1e-3, attention_bias=True),
        image_token_id=269, image_seq_length=9, tie_word_embeddings=False)),
    # The whole image and tiles of the size that fits it best; pictures are those of its own processor.
    "llava-next": ("llava_next", dict(
        text_config={**TEXT, "model_type": "mistral", "head_dim": 16, "vocab_size": 320, "max_position_embeddings": 256, "sliding_window": None},
        vision_config=CLIP, image_token_index=318, vision_feature_layer=-2, image_grid_pinpoints=[[24, 48], [48, 24], [48, 48], [72, 24], [24, 72]])),
}  # fmt: skip


@torch.no_grad()
def random_model(config, seed: int):
    torch.manual_seed(seed)
    model = AutoModelForImageTextToText.from_config(config).eval()
    for name, p in model.named_parameters():
        noise = torch.randn_like(p)
        if p.ndim == 1:
            # Gemma's gains are stored less one.
            less = config.model_type == "gemma3" and "norm" in name and "vision" not in name
            p.copy_((0.0 if less or "bias" in name or "class" in name else 1.0) + 0.2 * noise)
        elif "experts" in name:
            p.copy_(noise * p.shape[-1] ** -0.5)
        elif "embed" in name and p.ndim == 2:
            p.copy_(0.5 * noise)
        else:
            gain = 1.5 if any(part in name for part in ("q_proj", "k_proj")) else 1.0
            p.copy_(gain * noise * p[0].numel() ** -0.5)
        p.copy_(p.half().float())
    return model


def pack(values) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode()


@torch.no_grad()
def fixture(name: str, seed: int, out: Path) -> None:
    model_type, options = MODELS[name]
    config = AutoConfig.for_model(model_type, **copy.deepcopy(options))
    config._attn_implementation = "eager"
    model = random_model(config, seed)
    side, tokens = config.vision_config.image_size, config.image_seq_length
    rng = np.random.default_rng(seed)
    pixels = torch.tensor(rng.normal(0, 1, (2, 3, side, side)), dtype=torch.float32)
    words = [int(w) for w in rng.integers(3, IMAGE, 20)]
    image = config.image_token_id
    ids = [1, *words[:4], *[image] * tokens, *words[4:11], *[image] * tokens, *words[11:]]
    batch = dict(input_ids=torch.tensor([ids]), pixel_values=pixels if model_type == "llava" else pixels[None])
    logits = model(**batch).logits[0]
    features = model.model.get_image_features(pixel_values=batch["pixel_values"])
    rows = torch.stack(list(features if isinstance(features, (list, tuple)) else features.pooler_output)).reshape(2, tokens, -1)
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    copy.deepcopy(model).half().save_pretrained(folder)
    again = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    print(f"{name}: {len(ids)} ids, from the folder {(again(**batch).logits[0] - logits).abs().max():.1e}, rows {tuple(rows.shape)}")
    reference = {
        "source": "tools/reference/vision_language.py",
        "tokens": ids,
        "pixels": pack(pixels.numpy()),
        "rows": pack(rows.numpy()),
        "logits": pack(logits.numpy()),
    }
    (folder / "vision-language.json").write_text(json.dumps(reference) + "\n")


def byte_tokenizer(size: int, special: list[str], merges: tuple = (), **named: str) -> PreTrainedTokenizerFast:
    """A token for each byte, those of merges, and special tokens at the end, some of which have names."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet()) + [a + b for a, b in merges]
    own = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, list(merges)))
    own.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    own.decoder = decoders.ByteLevel()
    names = [f"<unused_{i}>" for i in range(size - len(alphabet) - len(special))] + special
    own.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
    more = dict(extra_special_tokens=named) if named else {}
    return PreTrainedTokenizerFast(tokenizer_object=own, eos_token="<end_of_utterance>", pad_token="<unused_0>", **more)


CHAT = """{%- for message in messages -%}{{ message.role }}:
{%- for part in message.content -%}{%- if part.type == "image" -%}<image>{%- else -%}{{ part.text }}{%- endif -%}{%- endfor -%}
<end_of_utterance>{%- endfor -%}{%- if add_generation_prompt -%}assistant:{%- endif -%}"""


def tiles(folder: Path, size: int) -> None:
    """An Idefics3's processor and tokenizer, what it makes of pictures, and of prompts with them."""
    names = [f"<row_{i + 1}_col_{j + 1}>" for i in range(3) for j in range(3)]
    words = byte_tokenizer(size, ["<fake_token_around_image>", *names, "<global-img>", "<image>", "<end_of_utterance>"])
    images = Idefics3ImageProcessorPil(size={"longest_edge": 90}, max_image_size={"longest_edge": 32})
    whole = Idefics3Processor(images, words, image_seq_len=4, chat_template=CHAT)
    found = {}
    for name, picture in pictures(folder.parent / "pictures").items():
        batch = whole(text="see <image> what?", images=[[picture]], return_tensors="np")
        found[name] = {"ids": batch["input_ids"][0].tolist(), "pixels": [bytes64(p, images) for p in batch["pixel_values"][0]]}
    words.save_pretrained(folder)
    images.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(CHAT)
    answer = answered(folder, whole)
    reference = {"source": "tools/reference/vision_language.py", "prompt": "see <image> what?", "pictures": found, "answer": answer}
    (folder / "placed-images.json").write_text(json.dumps(reference) + "\n")
    print(f"{folder.name}: tiles", {name: len(each["pixels"]) for name, each in found.items()})


@torch.no_grad()
def answered(folder: Path, processor, names: tuple = ("wide.png", "clear.webp")) -> dict:
    """A chat with two pictures, and the likeliest tokens of an answer, one after the other without a cache."""
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    shown = pictures(folder.parent / "pictures")
    parts = [{"type": "image"}, {"type": "text", "text": "and"}, {"type": "image"}, {"type": "text", "text": " differ how?"}]
    text = processor.apply_chat_template([{"role": "user", "content": parts}], add_generation_prompt=True)
    batch = processor(text=[text], images=[[shown[n] for n in names]], return_tensors="pt")
    tokens, gaps = [], []
    for _ in range(5):
        best = model(**batch).logits[0, -1].topk(2)
        gaps.append((best.values[0] - best.values[1]).item())
        tokens.append(best.indices[0].item())
        for key, fill in (("input_ids", tokens[-1]), ("attention_mask", 1), ("mm_token_type_ids", 0), ("token_type_ids", 0)):
            if key in batch:
                batch[key] = torch.cat([batch[key], torch.tensor([[fill]])], 1)
    print(f"{folder.name}: answers {tokens}, ahead by {min(gaps):.2f}")
    return {"pictures": list(names), "parts": parts, "prompt": batch["input_ids"].shape[1] - len(tokens), "tokens": tokens}


def bytes64(pixels, processor) -> str:
    return base64.b64encode(np.ascontiguousarray(bytes_of(pixels, processor)).tobytes()).decode()


@torch.no_grad()
def pruned(model, batch: dict, stride: int) -> dict:
    """Logits after the last token if layers from the second on see, of each image, only every `stride`-th row and column of its squares."""
    ids = batch["input_ids"][0].tolist()
    gone, at = [], 0
    for _, rows, columns in batch["image_grid_thw"].tolist():
        first = ids.index(318, at)
        width = columns // 2
        cells = range(rows // 2 * width)
        gone += [first + i for i in cells if (i // width) % stride or (i % width) % stride]
        at = first + len(cells)
    extra = torch.zeros(len(ids))
    extra[gone] = torch.finfo(torch.float32).min

    def hide(module, args, kwargs):
        return args, {**kwargs, "attention_mask": (kwargs["attention_mask"] + extra).clamp(min=torch.finfo(torch.float32).min)}

    handles = [layer.register_forward_pre_hook(hide, with_kwargs=True) for layer in model.model.language_model.layers[1:]]
    logits = model(**batch).logits[0, -1]
    for handle in handles:
        handle.remove()
    return {"stride": stride, "dropped": len(gone), "logits": pack(logits.numpy())}


@torch.no_grad()
def near(model, batch: dict, radius: int) -> dict:
    """Logits after the last token if squares of an image see, of the image, only those before them that are `radius` rows and columns away at most."""
    ids = batch["input_ids"][0].tolist()
    extra, at = torch.zeros(len(ids), len(ids)), 0
    for _, rows, columns in batch["image_grid_thw"].tolist():
        first, width = ids.index(318, at), columns // 2
        cells = range(rows // 2 * width)
        for i in cells:
            for j in cells:
                if max(abs(i // width - j // width), abs(i % width - j % width)) > radius:
                    extra[first + i, first + j] = torch.finfo(torch.float32).min
        at = first + len(cells)
    # Squares of one image do not see the other's, either.
    images = torch.tensor([id == 318 for id in ids])
    of = torch.tensor([sum(a == 318 and b != 318 for a, b in zip(ids[:i], ids[1 : i + 1])) for i in range(len(ids))])
    apart = images[:, None] & images[None, :] & (of[:, None] != of[None, :])
    extra[apart] = torch.finfo(torch.float32).min

    def hide(module, args, kwargs):
        return args, {**kwargs, "attention_mask": (kwargs["attention_mask"] + extra).clamp(min=torch.finfo(torch.float32).min)}

    handles = [layer.register_forward_pre_hook(hide, with_kwargs=True) for layer in model.model.language_model.layers]
    logits = model(**batch).logits[0, -1]
    for handle in handles:
        handle.remove()
    return {"radius": radius, "logits": pack(logits.numpy())}


# Sizes and scales of pictures that are not those of Qwen2-VL's fixture.
PROCESSORS = {
    "qwen2-5-vl": dict(size={"shortest_edge": 4 * 64, "longest_edge": 20 * 64}),
    **dict.fromkeys(
        ("qwen3-vl", "qwen3-vl-moe"),
        dict(size={"shortest_edge": 4 * 64, "longest_edge": 20 * 64}, image_mean=[0.5] * 3, image_std=[0.5] * 3),
    ),
}


class QwenProcessor:
    """Qwen2VLProcessor's part for images; the whole of it needs torchvision, for videos."""

    def __init__(self, images, words, chat: str):
        self.images, self.words, self.chat = images, words, chat

    def apply_chat_template(self, messages, **options) -> str:
        return self.words.apply_chat_template(messages, chat_template=self.chat, tokenize=False, **options)

    def __call__(self, text, images, return_tensors: str) -> dict:
        batch = dict(self.images(images[0], return_tensors=return_tensors))
        first, *parts = text[0].split("<|image_pad|>")
        for (_, rows, columns), part in zip(batch["image_grid_thw"].tolist(), parts):
            first += "<|image_pad|>" * (rows * columns // 4) + part
        ids = self.words([first], return_tensors=return_tensors)["input_ids"]
        return {**batch, "input_ids": ids, "attention_mask": torch.ones_like(ids), "mm_token_type_ids": (ids == 318).int()}


def as_published(file: Path) -> None:
    """Stacks of experts as [experts, inputs, outputs], as published files have them and as transformers writes them again."""
    tensors = load_file(file)
    stacks = {name: t.transpose(1, 2).contiguous() for name, t in tensors.items() if ".experts." in name}
    if stacks:
        save_file({**tensors, **stacks}, file, metadata={"format": "pt"})


@torch.no_grad()
def patches(name: str, seed: int, out: Path) -> None:
    """A Qwen-VL with its processor and tokenizer: patches of pictures, their rows, logits behind one and two of them, and an answer."""
    folder = out / name
    model_type, options = copy.deepcopy(MODELS[name])
    config = AutoConfig.for_model(model_type, **options)
    config._attn_implementation = "eager"
    model = random_model(config, seed)
    folder.mkdir(parents=True, exist_ok=True)
    copy.deepcopy(model).half().save_pretrained(folder)
    as_published(folder / "model.safetensors")
    special = ["<|vision_start|>", "<|vision_end|>", "<|video_pad|>", "<|image_pad|>", "<end_of_utterance>"]
    words = byte_tokenizer(options["text_config"]["vocab_size"], special)
    images = Qwen2VLImageProcessorPil(patch_size=4, **PROCESSORS.get(name, dict(size={"shortest_edge": 4 * 64, "longest_edge": 14 * 64})))
    chat = CHAT.replace("<image>", "<|vision_start|><|image_pad|><|vision_end|>")
    whole = QwenProcessor(images, words, chat)
    shown = pictures(out / "pictures")
    found = {}
    for file, picture in shown.items():
        batch = images([picture], return_tensors="np")
        _, rows, columns = batch["image_grid_thw"][0].tolist()
        values = batch["pixel_values"].reshape(rows // 2, columns // 2, 2, 2, 3, 2, 4, 4)
        assert (values[:, :, :, :, :, 0] == values[:, :, :, :, :, 1]).all()
        plain = values[:, :, :, :, :, 0].transpose(4, 0, 2, 5, 1, 3, 6).reshape(3, rows * 4, columns * 4)
        found[file] = {"grid": [rows // 2, columns // 2], "pixels": bytes64(plain, images)}
    names = ["wide.png", "clear.webp"]
    text = "see <|vision_start|><|image_pad|><|vision_end|> and <|vision_start|><|image_pad|><|vision_end|> now?"
    batch = whole(text=[text], images=[[shown[n] for n in names]], return_tensors="pt")
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    logits = model(**batch).logits[0]
    found_rows = model.model.get_image_features(batch["pixel_values"], batch["image_grid_thw"])
    features = found_rows.pooler_output
    if levels := getattr(found_rows, "deepstack_features", None):
        features = [torch.cat(parts, 1) for parts in zip(features, *levels)]
    words.save_pretrained(folder)
    images.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(chat)
    answer = answered(folder, whole)
    reference = {"source": "tools/reference/vision_language.py", "prompt": text, "pictures": found, "seen": names, "answer": answer,
                 "ids": batch["input_ids"][0].tolist(), "rows": [pack(f.numpy()) for f in features], "logits": pack(logits.numpy()),
                 "pruned": pruned(model, batch, 2), "near": near(model, batch, 1)}  # fmt: skip
    if name != "qwen2-vl":
        text = "<|vision_start|><|image_pad|><|vision_end|> what?"
        batch = whole(text=[text], images=[[shown[names[1]]]], return_tensors="pt")
        reference["alone"] = {"seen": names[1:], "ids": batch["input_ids"][0].tolist(), "logits": pack(model(**batch).logits[0, -1].numpy())}
    (folder / "placed-images.json").write_text(json.dumps(reference) + "\n")
    print(f"{name}: {len(reference['ids'])} ids", {file: each["grid"] for file, each in found.items()})


@torch.no_grad()
def fitted(name: str, seed: int, out: Path) -> None:
    """A LLaVA-NeXT with its processor and tokenizer: tiles of pictures, their rows, logits behind two of them, and an answer."""
    folder = out / name
    options = copy.deepcopy(MODELS[name][1])
    config = AutoConfig.for_model("llava_next", **options)
    config._attn_implementation = "eager"
    model = random_model(config, seed)
    folder.mkdir(parents=True, exist_ok=True)
    copy.deepcopy(model).half().save_pretrained(folder)
    words = byte_tokenizer(options["text_config"]["vocab_size"], ["<image>", "<end_of_utterance>"])
    images = LlavaNextImageProcessorPil(
        size={"shortest_edge": 24}, crop_size={"height": 24, "width": 24}, image_grid_pinpoints=options["image_grid_pinpoints"])  # fmt: skip
    whole = LlavaNextProcessor(
        images, words, patch_size=8, vision_feature_select_strategy="default", num_additional_image_tokens=1, chat_template=CHAT)  # fmt: skip
    words.save_pretrained(folder)
    images.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(CHAT)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    shown = pictures(out / "pictures")
    found = {}
    for file, picture in shown.items():
        batch = images([picture], return_tensors="pt")
        rows = model.model.get_image_features(batch["pixel_values"], batch["image_sizes"]).pooler_output
        pixels = [bytes64(p, images) for p in batch["pixel_values"][0].numpy()]
        found[file] = {"pixels": pixels, "rows": pack(rows[0].numpy())}
    names = ["wide.png", "clear.webp"]
    text = "see <image> and <image> now?"
    batch = whole(text=[text], images=[[shown[n] for n in names]], return_tensors="pt")
    logits = model(**batch).logits[0]
    reference = {"source": "tools/reference/vision_language.py", "prompt": text, "pictures": found, "seen": names, "answer": answered(folder, whole),
                 "ids": batch["input_ids"][0].tolist(), "logits": pack(logits.numpy())}  # fmt: skip
    (folder / "placed-images.json").write_text(json.dumps(reference) + "\n")
    print(f"{name}: {len(reference['ids'])} ids", {file: len(each["pixels"]) for file, each in found.items()})


class InternProcessor:
    """InternVLProcessor's part for images; the whole of it needs torchvision, for videos."""

    def __init__(self, images, words, chat: str, rows: int):
        self.images, self.words, self.chat, self.rows = images, words, chat, rows

    def apply_chat_template(self, messages, **options) -> str:
        return self.words.apply_chat_template(messages, chat_template=self.chat, tokenize=False, **options)

    def __call__(self, text, images, return_tensors: str) -> dict:
        batch = dict(self.images(images[0], crop_to_patches=True, return_tensors=return_tensors))
        first, *parts = text[0].split("<IMG_CONTEXT>")
        for tiles, part in zip(batch.pop("num_patches"), parts):
            first += "<img>" + "<IMG_CONTEXT>" * self.rows * int(tiles) + "</img>" + part
        ids = self.words([first], return_tensors=return_tensors)["input_ids"]
        return {**batch, "input_ids": ids, "attention_mask": torch.ones_like(ids)}


GEMMA_WORDS = dict(boi_token="<start_of_image>", eoi_token="<end_of_image>", image_token="<image_soft_token>")


def framing(name: str):
    """A model's tokenizer, its images' processor, the processor of both, and the text in an image's place."""
    special = {
        "gemma3-vision": [*GEMMA_WORDS.values(), "<turn>", "<end_of_utterance>"],
        "internvl": ["<img>", "</img>", "<IMG_CONTEXT>", "<turn>", "<end_of_utterance>"],
    }[name]
    if name == "gemma3-vision":
        chat = CHAT.replace("<image>", "<start_of_image>").replace(" }}:", ' }}:{{ "\\n" }}')
        words = byte_tokenizer(272, special, (("Ċ", "Ċ"), ("ĊĊ", "Ċ")), **GEMMA_WORDS)
        images = Gemma3ImageProcessorPil(size={"height": 24, "width": 24})
        return words, images, Gemma3Processor(images, words, chat_template=chat, image_seq_length=9), "<start_of_image>", chat
    chat = CHAT.replace("<image>", "<IMG_CONTEXT>")
    words = byte_tokenizer(272, special)
    images = GotOcr2ImageProcessorPil(size={"height": 24, "width": 24}, max_patches=4, crop_to_patches=True)
    return words, images, InternProcessor(images, words, chat, 9), "<IMG_CONTEXT>", chat


@torch.no_grad()
def framed(name: str, seed: int, out: Path) -> None:
    """A model with tokens around images, its processor and tokenizer: its pictures, their rows, the last 40 logits of prompts with one and with two, and an answer."""
    folder = out / name
    model_type, options = MODELS[name]
    config = AutoConfig.for_model(model_type, **copy.deepcopy(options))
    folder.mkdir(parents=True, exist_ok=True)
    words, images, whole, place, chat = framing(name)
    words.save_pretrained(folder)
    images.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(chat)
    # Weights whose answer is of more than one token, and depends on the order of the pictures.
    for further in range(100):
        random_model(config, seed + further).half().save_pretrained(folder)
        answer, other = answered(folder, whole), answered(folder, whole, ("clear.webp", "wide.png"))
        if len(set(answer["tokens"])) > 1 and answer["tokens"] != other["tokens"]:
            break
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    shown = pictures(out / "pictures")
    found, prompts = {}, []
    for file, picture in shown.items():
        pixels = images([picture], return_tensors="pt")["pixel_values"]
        rows = model.model.get_image_features(pixels).pooler_output
        found[file] = {"pixels": [bytes64(p, images) for p in pixels.numpy()], "rows": pack(rows.numpy())}
    for text, seen in ((f"see {place} what?", ["clear.webp"]), (f"see\n{place} and {place}\n now?", ["wide.png", "clear.webp"])):
        batch = whole(text=[text], images=[[shown[n] for n in seen]], return_tensors="pt")
        logits = model(**batch).logits[0, -40:].numpy()
        prompts.append({"text": text, "seen": seen, "ids": batch["input_ids"][0].tolist(), "logits": pack(logits)})
    reference = {"source": "tools/reference/vision_language.py", "pictures": found, "prompts": prompts, "answer": answer}
    (folder / "placed-images.json").write_text(json.dumps(reference) + "\n")
    print(f"{name}: {[len(each['ids']) for each in prompts]} ids", {file: len(each["pixels"]) for file, each in found.items()})


def in_file(name: str) -> str:
    """A parameter's name in the file that `save_pretrained` writes."""
    if name == "lm_head.weight":
        return "language_model.lm_head.weight"
    return name.removeprefix("model.").replace("language_model.", "language_model.model.", 1)


def gradients(name: str, folder: Path) -> None:
    """Two rows, an image in each, at different places; labels are the last tokens."""
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager")
    tokens = model.config.image_seq_length
    side = model.config.vision_config.image_size
    rng = np.random.default_rng(5)
    pixels = rng.normal(0, 1, (2, 3, side, side)).astype(np.float32)
    words = [[int(w) for w in rng.integers(3, IMAGE, 9)] for _ in range(2)]
    ids = [[*row[:at], *[IMAGE] * tokens, *row[at:]] for row, at in zip(words, (1, 3))]
    labels = [[-1] * (len(row) - 5) + [int(w) for w in rng.integers(3, IMAGE, 5)] for row in ids]
    logits = model(input_ids=torch.tensor(ids), pixel_values=torch.tensor(pixels, dtype=torch.float64)).logits
    target = torch.tensor(labels)
    loss = torch.nn.functional.cross_entropy(logits[target >= 0], target[target >= 0])
    loss.backward()
    renamed = {in_file(n): p.grad.float().contiguous() for n, p in model.named_parameters() if p.grad is not None}
    save_file(renamed, folder / "gradients.safetensors")
    reference = {"source": "tools/reference/vision_language.py", "rows": ids, "labels": labels, "pixels": pack(pixels), "loss": loss.item()}
    (folder / "gradients.json").write_text(json.dumps(reference) + "\n")
    print(f"{name}: loss {loss.item():.4f}, {len(renamed)} gradients")


# Models that have their place here as seed; the others have one made of their name.
PLACED = ("llava", "llava-qwen2", "llava-siglip", "idefics3", "smolvlm", "qwen2-vl", "llava-next")


def seed_of(name: str) -> int:
    return PLACED.index(name) + 1 if name in PLACED else crc32(name.encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder to write the fixtures' folders to")
    parser.add_argument("names", nargs="*", help="models; default: all")
    args = parser.parse_args()
    for name in MODELS:
        if args.names and name not in args.names:
            continue
        seed = seed_of(name)
        if MODELS[name][0].startswith("qwen"):
            patches(name, seed, args.out)
        elif name == "llava-next":
            fitted(name, seed, args.out)
        elif name in ("gemma3-vision", "internvl"):
            framed(name, seed, args.out)
        else:
            fixture(name, seed, args.out)
            if name == "llava":
                gradients(name, args.out / name)
            if name == "idefics3":
                tiles(args.out / name, MODELS[name][1]["text_config"]["vocab_size"])


if __name__ == "__main__":
    main()
