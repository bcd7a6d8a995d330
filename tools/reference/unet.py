"""Write the fixtures of image generators: tiny random U-Nets, and what diffusers computes of them.

    python tools/reference/unet.py src/models/fixtures [NAME ...]

Needs `pip install --no-deps diffusers pillow importlib_metadata zipp` beside tools/reference/train.txt. Each folder has `config.json`,
`model.safetensors` and `unet.json`: noisy images, times, classes, the predicted noise (base64 of float32), and each scheduler's next
images for them.
"""

import argparse
import base64
import json
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel
from safetensors.torch import save_file

NOISE = {
    "unet": dict(num_train_timesteps=100, beta_start=0.001, beta_end=0.2, beta_schedule="linear"),
    "unet-plain": dict(num_train_timesteps=50, beta_schedule="squaredcos_cap_v2"),
    "unet-scaled": dict(num_train_timesteps=50),
}
NETWORKS = {
    "unet": dict(
        sample_size=12, in_channels=1, out_channels=1, layers_per_block=1, block_out_channels=(8, 12), norm_num_groups=4,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=6, num_class_embeds=5, norm_eps=1e-4, freq_shift=1,
    ),
    "unet-plain": dict(
        sample_size=8, in_channels=3, out_channels=3, layers_per_block=2, block_out_channels=(8, 8, 16), norm_num_groups=2,
        down_block_types=("DownBlock2D",) * 3, up_block_types=("UpBlock2D",) * 3, add_attention=False, flip_sin_to_cos=False,
    ),
    # As the networks of Dhariwal & Nichol (2021) are, which consistency models have taken over.
    "unet-scaled": dict(
        sample_size=8, in_channels=1, out_channels=1, layers_per_block=1, block_out_channels=(8, 16), norm_num_groups=4,
        down_block_types=("ResnetDownsampleBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "ResnetUpsampleBlock2D"),
        attention_head_dim=8, num_class_embeds=4, resnet_time_scale_shift="scale_shift", downsample_type="resnet", upsample_type="resnet",
        attn_norm_num_groups=4,
    ),
}


def pack(values: torch.Tensor) -> str:
    return base64.b64encode(values.detach().numpy().astype("<f4").tobytes()).decode()


def write(folder: Path, settings: dict, noise: dict) -> None:
    torch.manual_seed(len(folder.name))
    model = UNet2DModel(**settings).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    folder.mkdir(parents=True, exist_ok=True)
    config = {key: value for key, value in model.config.items() if not key.startswith("_")}
    extra = {"labels": ["a", "b", "c", "d"]} if settings.get("num_class_embeds") else {}
    config = {"_class_name": "UNet2DModel", **config, **extra, "scheduler": noise}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    save_file(model.state_dict(), folder / "model.safetensors")
    steps = noise["num_train_timesteps"]
    times = [0, steps // 3, steps - 1]
    x = torch.randn(3, settings["in_channels"], settings["sample_size"], settings["sample_size"])
    classes = torch.tensor([0, 3, settings["num_class_embeds"] - 1]) if settings.get("num_class_embeds") else None
    with torch.no_grad():
        predicted = model(x, torch.tensor(times), class_labels=classes).sample
    ddim = DDIMScheduler(**noise, clip_sample=True, set_alpha_to_one=True, timestep_spacing="leading")
    ddim.set_timesteps(10)
    ddpm = DDPMScheduler(**noise, clip_sample=True, variance_type="fixed_small")
    ddpm.set_timesteps(steps)
    at = ddim.timesteps[4]
    # DDPM's last step adds no noise.
    result = dict(
        times=times,
        classes=None if classes is None else classes.tolist(),
        x=pack(x),
        predicted=pack(predicted),
        ddimTimes=ddim.timesteps.tolist(),
        ddimNext=pack(ddim.step(predicted, at, x).prev_sample),
        ddpmLast=pack(ddpm.step(predicted, 0, x).prev_sample),
    )
    (folder / "unet.json").write_text(json.dumps(result) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    out = args.out
    for name in args.names or NETWORKS:
        settings = NETWORKS[name]
        write(out / name, settings, NOISE[name])
