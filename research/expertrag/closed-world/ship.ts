/**
 * Puts a trained world's decoder and its gates into `packages/models/expertrag-world`:
 * `npx tsx research/expertrag/closed-world/ship.ts OUT`.
 */
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { load } from "../../../src/index.ts";
import { keepGate } from "../../../src/pipelines/answer/gate/artefact.ts";
import { calibrateAnswerOptions, calibratedOn } from "../../../src/pipelines/answer/gate/fit.ts";
import { modelHash } from "../../../src/weights/sources/index.ts";
import { root } from "../../../tools/section.ts";
import type { Row } from "./answers.ts";
import { isTest, plainPrompt, readingPrompt, reflectionPrompt } from "./world.ts";

const [out = ""] = process.argv.slice(2);
const folder = join(root, "packages/models/expertrag-world");
mkdirSync(folder, { recursive: true });
for (const file of ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "receipt.json"])
  copyFileSync(join(out, "model", file), join(folder, file));

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const answers = readFileSync(join(out, "answers.jsonl"), "utf8").trim().split("\n");
const rows = answers.map((line) => JSON.parse(line) as Row).filter(({ entity }) => !isTest(entity));
const questions = rows.map(({ input, plain, retrieved }) => ({
  ...{ input, plain: Number(plain.right), retrieved: Number(retrieved.right) },
}));
using model = await load(folder);
const binding = {
  model: { name: "expertrag-world", sha256: await modelHash(model.loaded.source), recipe: [], quant: "auto" },
  template: sha256(
    JSON.stringify([
      plainPrompt("{question}"),
      readingPrompt(["{passage}"], "{question}"),
      reflectionPrompt("{question}"),
    ]),
  ),
};
const lines = rows.map(({ id, question }) => ({ id, question }));
const data = { name: "closed world, even entities", sha256: sha256(JSON.stringify(lines)), questions: rows.length };
for (const method of ["classifier", "margin"] as const)
  await keepGate(
    join(folder, "expertrag/gates.json"),
    binding,
    calibratedOn(questions, method, calibrateAnswerOptions.parse({ by: "accuracy" }), data),
  );
