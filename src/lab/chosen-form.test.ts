/** Tests what the lab records and refuses for a model whose rotated 8-bit form was selected by timing. */
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { LanguageModel } from "../engine/decode/language-model.ts";
import { Model } from "../library/model.ts";
import { namesByteProducts } from "../runtime/processor.ts";
import { chosenRotated, KNOWN } from "../weights/prepared/chosen.testing.ts";
import { tempFolder, writeAt } from "../weights/sources/helpers.testing.ts";
import { requireQuant } from "./queue/loss-job.ts";
import { openCell } from "./run/cell.ts";
import { checkFolder } from "./run/folder.ts";
import { runOptions } from "./run/options.ts";
import { choiceTask, TINY } from "./run/run.testing.ts";
import { weightsOf } from "./tune/pair/setup.ts";

/** Skipped on processors without byte-product instructions, on which sums of byte products overflow. */
const exact = test.skipIf(!namesByteProducts());

exact("a run's identity has the form that ran, and a run of the default form is not resumed", async () => {
  const source = await chosenRotated(TINY);
  const cell = { task: choiceTask(2), source, quant: "auto", options: runOptions.parse({}) } as const;
  using rotated = await openCell(cell);
  expect(rotated.identity.quant).toBe("q8r");
  vi.stubEnv("MODICUM_TUNE", "off");
  using own = await openCell(cell);
  expect(own.identity).toEqual({ ...rotated.identity, quant: "auto" });
  const folder = tempFolder();
  writeAt(join(folder, "run.json"), JSON.stringify(own.identity));
  await expect(checkFolder(folder, rotated.identity, "resume")).rejects.toThrow(
    "its quant is auto, this run's q8r; MODICUM_TUNE=off keeps auto in the default form",
  );
});

exact("a certificate is bound to the form that ran", async () => {
  const source = await chosenRotated(TINY);
  const language = await LanguageModel.load(source);
  using _ = await Model.open(language, [], performance.now());
  expect(await weightsOf(language)).toMatchObject({ model: KNOWN, form: "q8r" });
});

test("a worker whose auto selects rotated bytes refuses a run of the default form", async () => {
  const source = await chosenRotated(TINY);
  expect(() => requireQuant(source, "auto")).toThrow(
    `the form of ${TINY} is q8r here, and auto in the queue; MODICUM_TUNE=off keeps auto in the default form`,
  );
  for (const quant of ["q8r", "q8"] as const) expect(() => requireQuant(source, quant)).not.toThrow();
});
