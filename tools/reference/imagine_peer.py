"""The peer of the bench `imagine`: a U-Net of diffusers' `UNet2DModel` in plain PyTorch, and DDIM.

    python tools/reference/imagine_peer.py MODEL

Prints `{"ready": true}`, then answers `{"command": "draw", "images", "steps"}` by that many images of class 0 and `{"seconds", "mean"}`,
a line of JSON each. `mean` is that of all pixels, so that both sides can be seen to draw alike.
"""

import json
import math
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file


class UNet:
    def __init__(self, folder: Path):
        self.config = json.loads((folder / "config.json").read_text())
        self.weights = {name: value.float() for name, value in load_file(folder / "model.safetensors").items()}

    def pair(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        return self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]

    def conv(self, name: str, x: torch.Tensor, stride: int = 1) -> torch.Tensor:
        weight, bias = self.pair(name)
        return F.conv2d(x, weight, bias, stride=stride, padding=weight.shape[-1] // 2)

    def norm(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return F.group_norm(x, self.config["norm_num_groups"], *self.pair(name), eps=self.config.get("norm_eps", 1e-5))

    def residual(self, name: str, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        first = self.conv(f"{name}.conv1", F.silu(self.norm(f"{name}.norm1", x)))
        first = first + F.linear(F.silu(condition), *self.pair(f"{name}.time_emb_proj"))[:, :, None, None]
        second = self.conv(f"{name}.conv2", F.silu(self.norm(f"{name}.norm2", first)))
        shortcut = f"{name}.conv_shortcut"
        return (self.conv(shortcut, x) if f"{shortcut}.weight" in self.weights else x) + second

    def attention(self, name: str, x: torch.Tensor) -> torch.Tensor:
        if f"{name}.to_q.weight" not in self.weights:
            return x
        batch, channels, height, width = x.shape
        size = self.config["attention_head_dim"]
        flat = self.norm(f"{name}.group_norm", x).flatten(2).transpose(1, 2)
        q, k, v = (
            F.linear(flat, *self.pair(f"{name}.to_{part}")).view(batch, -1, channels // size, size).transpose(1, 2)
            for part in "qkv"
        )
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, -1, channels)
        return x + F.linear(mixed, *self.pair(f"{name}.to_out.0")).transpose(1, 2).view(x.shape)

    def condition(self, times: torch.Tensor, classes: torch.Tensor | None) -> torch.Tensor:
        half = self.config["block_out_channels"][0] // 2
        slow = half - self.config.get("freq_shift", 0)
        angles = times[:, None].float() * torch.exp(-math.log(10000) * torch.arange(half) / slow)
        waves = [angles.cos(), angles.sin()] if self.config.get("flip_sin_to_cos", True) else [angles.sin(), angles.cos()]
        hidden = F.silu(F.linear(torch.cat(waves, 1), *self.pair("time_embedding.linear_1")))
        found = F.linear(hidden, *self.pair("time_embedding.linear_2"))
        return found if classes is None else found + self.weights["class_embedding.weight"][classes]

    def __call__(self, x: torch.Tensor, times: torch.Tensor, classes: torch.Tensor | None) -> torch.Tensor:
        levels, blocks = len(self.config["block_out_channels"]), self.config["layers_per_block"]
        condition = self.condition(times, classes)
        streams = [self.conv("conv_in", x)]
        for i in range(levels):
            for j in range(blocks):
                x = self.residual(f"down_blocks.{i}.resnets.{j}", streams[-1], condition)
                streams.append(self.attention(f"down_blocks.{i}.attentions.{j}", x))
            if i < levels - 1:
                streams.append(self.conv(f"down_blocks.{i}.downsamplers.0.conv", streams[-1], 2))
        x = self.residual("mid_block.resnets.0", streams[-1], condition)
        x = self.residual("mid_block.resnets.1", self.attention("mid_block.attentions.0", x), condition)
        for i in range(levels):
            for j in range(blocks + 1):
                x = self.residual(f"up_blocks.{i}.resnets.{j}", torch.cat([x, streams.pop()], 1), condition)
                x = self.attention(f"up_blocks.{i}.attentions.{j}", x)
            if i < levels - 1:
                x = self.conv(f"up_blocks.{i}.upsamplers.0.conv", F.interpolate(x, scale_factor=2, mode="nearest"))
        return self.conv("conv_out", F.silu(self.norm("conv_norm_out", x)))

    def draw(self, images: int, steps: int) -> float:
        """The mean pixel of images by DDIM, from noise."""
        noise, side = self.config["scheduler"], self.config["sample_size"]
        betas = torch.linspace(noise["beta_start"], noise["beta_end"], noise["num_train_timesteps"], dtype=torch.float64)
        left = torch.cumprod(1 - betas, 0)
        apart = len(left) // steps
        x = torch.randn(images, self.config["in_channels"], side, side)
        classes = torch.zeros(images, dtype=torch.long) if self.config.get("num_class_embeds") else None
        for i in reversed(range(steps)):
            now, after = float(left[i * apart]), float(left[(i - 1) * apart]) if i > 0 else 1.0
            found = self(x, torch.full((images,), i * apart), classes)
            clean = ((x - math.sqrt(1 - now) * found) / math.sqrt(now)).clamp(-1, 1)
            x = math.sqrt(after) * clean + math.sqrt(1 - after) * found
        return x.mean().item()


if __name__ == "__main__":
    unet = UNet(Path(sys.argv[1]))
    print(json.dumps({"ready": True}), flush=True)
    with torch.inference_mode():
        for line in sys.stdin:
            asked = json.loads(line)
            started = time.perf_counter()
            mean = unet.draw(asked["images"], asked["steps"])
            print(json.dumps({"seconds": time.perf_counter() - started, "mean": mean}), flush=True)
