"""Write the fixtures of Stable Diffusion: tiny random pipelines as diffusers saves them, and what diffusers computes of them.

    python tools/reference/stable_diffusion.py src/models/fixtures

Needs what tools/reference/unet.py needs, and `regex`. Each folder is a pipeline (`model_index.json`, `unet`, `vae`, `text_encoder`,
`tokenizer`, `scheduler`; float16) with `stable-diffusion.json`: a prompt's ids and hidden states, the predicted noise of latents at
times, decoded latents, an image with its mean latents, and the pixels of whole drawings by DDIM with guidance, from noise as
`modicum imagine` makes it of its seed (arrays are base64 of float32).
"""

import argparse
import base64
import json
import math
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from image_text import tokenizer
from transformers import CLIPTextConfig, CLIPTextModel

PROMPT = "a photo of a red square"
DRAWN = dict(seed=3, steps=4, guidance=5.0)
NOISE = dict(
    num_train_timesteps=50, beta_start=0.00085, beta_end=0.3, beta_schedule="scaled_linear", clip_sample=False,
    set_alpha_to_one=False, steps_offset=1,
)  # fmt: skip
TEXT = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=20)
UNET = dict(
    sample_size=8, layers_per_block=1, block_out_channels=(8, 16), norm_num_groups=4, cross_attention_dim=32,
    down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
)  # fmt: skip
VAE = dict(
    block_out_channels=(8, 12), layers_per_block=1, norm_num_groups=4, latent_channels=4, sample_size=16,
    down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
)  # fmt: skip
# Versions 1 and 2 differ in padding, the text's activation, heads by level, and projections as matrices.
PIPELINES = {
    "stable-diffusion": (dict(attention_head_dim=2), dict(hidden_act="quick_gelu"), "<|endoftext|>"),
    "stable-diffusion-2": (
        dict(attention_head_dim=(2, 4), use_linear_projection=True), dict(hidden_act="gelu"), "!",
    ),
}  # fmt: skip


def mixed(x: int) -> int:
    y = ((x ^ (x >> 16)) * 0x85EBCA6B) & 0xFFFFFFFF
    z = ((y ^ (y >> 13)) * 0xC2B2AE35) & 0xFFFFFFFF
    return z ^ (z >> 16)


def normals(seed: int, count: int) -> torch.Tensor:
    """The noise of `src/util/normals.ts` and `src/util/random.ts` for a seed below 2 ** 32."""
    word = 0xFFFFFFFF
    a = mixed((seed + 0x9E3779B9) & word)
    b = mixed(a)
    state = [a, b, mixed(a ^ b), 0x9E3779B9]

    def turned(x: int, by: int) -> int:
        return ((x << by) | (x >> (32 - by))) & word

    def following() -> int:
        a, b, c, d = state
        c1, d1 = c ^ a, d ^ b
        state[:] = [a ^ d1, b ^ c1, c1 ^ ((b << 9) & word), turned(d1, 11)]
        return (turned((b * 5) & word, 7) * 9) & word

    def uniform() -> float:
        return ((following() >> 5) * 2**26 + (following() >> 6)) / 2**53

    found = []
    while len(found) < count:
        radius, angle = math.sqrt(-2 * math.log(1 - uniform())), 2 * math.pi * uniform()
        found += [radius * math.cos(angle), radius * math.sin(angle)]
    return torch.tensor(found[:count])


@torch.no_grad()
def random_model(model: torch.nn.Module, seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    for name, p in model.eval().named_parameters():
        noise = torch.randn_like(p)
        if p.ndim == 1:
            p.copy_((0.0 if "bias" in name else 1.0) + 0.2 * noise)
        else:
            p.copy_(0.5 * noise if "embedding" in name else 1.5 * noise * p[0].numel() ** -0.5)
        p.copy_(p.half().float())
    return model


def pack(values: torch.Tensor) -> str:
    return base64.b64encode(values.detach().numpy().astype("<f4").tobytes()).decode()


def encoding(vae: AutoencoderKL) -> tuple[torch.Tensor, torch.Tensor]:
    """An image of noise, and the mean of its latents as the network reads them."""
    side = VAE["sample_size"]
    image = normals(5, 3 * side**2).reshape(1, 3, side, side).clamp(-1, 1)
    return image, vae.encode(image).latent_dist.mean * vae.config.scaling_factor


@torch.no_grad()
def write(folder: Path, seed: int) -> None:
    own, text, padding = PIPELINES[folder.name]
    words = tokenizer()
    words.pad_token = padding
    words.model_max_length = TEXT["max_position_embeddings"]
    config = CLIPTextConfig(
        **TEXT, **text, vocab_size=len(words), bos_token_id=words.bos_token_id, eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id, attn_implementation="eager",
    )  # fmt: skip
    pipeline = StableDiffusionPipeline(
        vae=random_model(AutoencoderKL(**VAE), seed),
        text_encoder=random_model(CLIPTextModel(config), seed + 1),
        tokenizer=words,
        unet=random_model(UNet2DConditionModel(**UNET, **own), seed + 2),
        scheduler=DDIMScheduler(**NOISE),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    ids = words(PROMPT, padding="max_length", truncation=True, return_tensors="pt").input_ids
    states = pipeline.text_encoder(ids).last_hidden_state
    size = 4 * UNET["sample_size"] ** 2
    shape = (2, 4, UNET["sample_size"], UNET["sample_size"])
    latents = torch.cat([normals(8, size), normals(9, size)]).reshape(shape)
    times = [1, 37]
    predicted = pipeline.unet(latents, torch.tensor(times), encoder_hidden_states=states.expand(2, -1, -1)).sample
    decoded = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    image, encoded = encoding(pipeline.vae)
    drawn = pipeline(
        PROMPT, num_inference_steps=DRAWN["steps"], guidance_scale=DRAWN["guidance"], output_type="pt",
        latents=normals(DRAWN["seed"], size).reshape(1, *shape[1:]),
    ).images[0]  # fmt: skip
    print(f"{folder.name}: noise {predicted.std():.2f}, decoded {decoded.std():.2f}, drawn {drawn.min():.2f} to {drawn.max():.2f}")
    result = dict(
        prompt=PROMPT, ids=ids[0].tolist(), times=times, **DRAWN, states=pack(states), latents=pack(latents),
        predicted=pack(predicted), decoded=pack(decoded), drawn=pack(drawn), image=pack(image), encoded=pack(encoded),
    )  # fmt: skip
    pipeline.to(torch.float16).save_pretrained(folder)
    (folder / "stable-diffusion.json").write_text(json.dumps(result) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    for seed, name in enumerate(PIPELINES, 1):
        write(out / name, 10 * seed)
