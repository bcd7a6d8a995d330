/** Tests the notices for a route and a gate that were calibrated in a different form of the weights. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { CodeBits } from "../graph/index.ts";
import { keepGate } from "../pipelines/answer/gate/artefact.ts";
import { gateTarget } from "../pipelines/answer/gate/calibrate.ts";
import { gateFor } from "../pipelines/answer/gate/find.ts";
import { checkAnswerOptions } from "../pipelines/answer/options.ts";
import { checkRouteOptions } from "../pipelines/route/name.ts";
import { calibrationOf, keepCalibration } from "../pipelines/route/record.ts";
import { deciderOf } from "../pipelines/route/rule.ts";
import { scoreOptions } from "../pipelines/scores.ts";
import { parseRecipe } from "../savings/recipe.ts";
import { otherForm } from "../savings/registered.ts";
import { Catalogue } from "../serve/models/catalogue.ts";
import { load } from "./load.ts";

const folder = mkdtempSync(join(tmpdir(), "modicum-notices-"));
const identity = (name: string, codes?: CodeBits) => ({
  ...{ name, sha256: name.repeat(64), recipe: [], quant: "auto" },
  ...(codes && { codes }),
});
const sentenceOn = (file: string) =>
  `${file} was made while the model's 4-bit types ran in 8 bits, but they run in 4 here`;

test.each<[CodeBits, number]>([
  [4, 1],
  [8, 0],
])("a route made in 8 bits, run in %i: %i notices", async (codes, notices) => {
  const file = join(folder, "route.json");
  const data = { name: "rows", sha256: "c".repeat(64), prompts: "chat", maxTokens: 1 } as const;
  const samples = [1, 2, 3].map((score) => ({ score }));
  const pair = { swift: identity("a", 8), super: identity("b") };
  await keepCalibration(file, pair, calibrationOf(samples, scoreOptions.parse({}), { by: "share" }, data));
  const swift = { source: { name: "a" }, tokenizer: {} as never, form: { quant: "auto", codes } } as const;
  const sentences: string[] = [];
  deciderOf(pair, checkRouteOptions({ share: 0.5 }), swift, { file, onNotice: (one) => void sentences.push(one) });
  expect(sentences).toEqual(Array.from({ length: notices }, () => expect.stringContaining(sentenceOn(file))));
});

test.each<[CodeBits, number]>([
  [4, 1],
  [8, 0],
])("a gate made in 8 bits, run in %i: %i notices", async (codes, notices) => {
  const file = join(folder, "gates.json");
  const template = "d".repeat(64);
  await keepGate(
    file,
    { model: identity("a", 8), template },
    {
      ...{ method: "margin", threshold: 0.25, target: gateTarget.parse({ rate: 0.5 }) },
      data: { name: "rows", sha256: "c".repeat(64), questions: 2 },
      measured: { rate: 0.5, accuracy: 0.5, always: 0.5, never: 0.5 },
    },
  );
  const sentences: string[] = [];
  const binding = async () => ({ model: identity("a", codes), template });
  const gate = await gateFor(checkAnswerOptions({}), { binding, file, onNotice: (one) => void sentences.push(one) });
  expect(gate).toMatchObject({ method: "margin", threshold: 0.25 });
  expect(sentences).toEqual(Array.from({ length: notices }, () => expect.stringContaining(sentenceOn(file))));
});

const AWAY =
  "made while the model's weights ran in form auto, but they run in q8r here; its thresholds may be slightly off; MODICUM_TUNE=off keeps auto in the default form";

test("a route and a gate made in the default form, run in rotated bytes, name the remedy", async () => {
  const notices: string[] = [];
  const onNotice = (one: string) => void notices.push(one);
  const pair = { swift: identity("a", 8), super: identity("b") };
  const swift = { source: { name: "a" }, tokenizer: {} as never, form: { quant: "q8r" } } as const;
  const [route, gates] = [join(folder, "route.json"), join(folder, "gates.json")];
  deciderOf(pair, checkRouteOptions({ share: 0.5 }), swift, { file: route, onNotice });
  const model = { ...identity("a"), form: "q8r" as const };
  const binding = async () => ({ model, template: "d".repeat(64) });
  await gateFor(checkAnswerOptions({}), { binding, file: gates, onNotice });
  expect(notices).toEqual([`${route} was ${AWAY}`, `${gates} was ${AWAY}`]);
});

test("a registered recipe that was measured in the default form says so in rotated bytes", () => {
  const evidence = { file: "", sha256: "", task: "t", metric: "m", quality: 1, delta: 0, flops_saved: 0 };
  const entry = { model: "a", quant: "auto" as const, recipe: ["lookup"], evidence, created: "" };
  const rotated = { quant: "q8r" } as const;
  expect(otherForm("a@fast", entry, rotated)).toBe(
    "a@fast was measured in form auto, but the model runs in q8r here; MODICUM_TUNE=off keeps auto in the default form",
  );
  const fine = [
    otherForm("a@fast", entry, { quant: "auto" }),
    otherForm("a@fast", { ...entry, quant: "q8r" }, rotated),
    otherForm("a@fast", { ...entry, recipe: [] }, rotated),
    otherForm("a@fast", { ...entry, evidence: undefined }, rotated),
  ];
  expect(fine).toEqual([undefined, undefined, undefined, undefined]);
});

const RISKY = "dynamax:risk=0.05";
const elsewhere = `${RISKY} is certified on plain text, but this prompt is read as a chat: its risk is not certified here`;

test("a certified risk that applies to a chat is one notice, in the library and on a server", async () => {
  const notices: string[] = [];
  using model = await load("smollm2", { onNotice: (one) => void notices.push(one) });
  const recipe = parseRecipe([RISKY]);
  model.checkForm("hello", { raw: true }, recipe);
  model.checkForm([1, 2], {}, recipe);
  model.checkForm("hello", {}, parseRecipe(["dynamax"]));
  expect(notices).toEqual([]);
  for (const _ of [1, 2]) model.checkForm("hello", {}, recipe);
  expect(notices).toEqual([elsewhere]);
  const catalogue = await Catalogue.open(["smollm2"]);
  const choice = await catalogue.choose({ model: "smollm2", savings: [RISKY] });
  expect([catalogue.checkForm(choice, "raw"), catalogue.checkForm(choice, "chat")]).toEqual([[], [elsewhere]]);
  expect(catalogue.checkForm(choice, "chat")).toEqual([]);
});
