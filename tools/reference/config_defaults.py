"""Write what transformers' configuration classes take for fields that a config.json leaves out.

    python tools/reference/config_defaults.py src/models/fixtures/config-defaults.json

For each model_type the key and value of its norms' epsilon, and the base of its rotary positions (of layers that see everything).
"""

import argparse
import json
from pathlib import Path

from transformers import CONFIG_MAPPING

TYPES = (
    "bert cohere2 deepseek_v2 distilbert ernie4_5 exaone4 gemma2 gemma3_text glm4_moe gpt2 granite granitemoe jetmoe llama llama4_text mamba mamba2 mistral mixtral modernbert mpnet nomic_bert "
    "olmo2 olmoe phi3 qwen2 qwen2_moe qwen3 qwen3_moe roberta smollm3 t5 xlm-roberta"
).split()


def defaults_of(name: str) -> dict:
    config = CONFIG_MAPPING[name]().to_dict()
    rope = config.get("rope_parameters") or {}
    epsilon = {key: value for key, value in config.items() if key in ("layer_norm_epsilon", "layer_norm_eps", "rms_norm_eps", "norm_eps")}
    theta = rope.get("full_attention", rope).get("rope_theta")
    return {**epsilon, **({} if theta is None else {"rope_theta": theta})}


def main(file: Path) -> None:
    found = {"source": "tools/reference/config_defaults.py", "defaults": {name: defaults_of(name) for name in TYPES}}
    file.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    main(parser.parse_args().file)
