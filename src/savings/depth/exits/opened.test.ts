/** The exits that the package ships record their model's form; users of a model in another form get a notice. */
import { expect, test } from "vitest";
import { bundledFolders } from "../../../util/model-folders.ts";
import { readJson } from "../../../weights/json-file.ts";
import type { ModelForm } from "../../../weights/prepared/quant.ts";
import { exitsFile, exitsJson } from "./artefact.ts";
import { findExits } from "./opened.ts";

const shipped = (["dynamax", "sec"] as const).flatMap((saving) =>
  bundledFolders(saving, "exits.json").map((folder) => readJson(exitsJson(folder), exitsFile, "exits")),
);

/** The notices for exits of this model, if it runs in `form`. */
async function noticesOf({ saving, model, layers }: (typeof shipped)[number], form: ModelForm): Promise<string[]> {
  const notices: string[] = [];
  const decoder = { config: { layers: layers.at(-1)! + 1 } } as never;
  const onNotice = (sentence: string) => void notices.push(sentence);
  await findExits(saving, { decoder, hash: async () => model.sha256, form, onNotice }, undefined);
  return notices;
}

test("exits are shipped for published models and one of our own", () => {
  expect(new Set(shipped.map(({ model }) => model.name))).toEqual(new Set(["code-tiny", "qwen2.5-coder", "smollm2"]));
});

test.each(shipped.map((metadata) => [metadata.saving, metadata.model.name, metadata] as const))(
  "%s for %s",
  async (_, name, about) => {
    const { quant, codes } = about;
    // Only models from GGUF files keep 4-bit types.
    expect({ quant, coded: codes !== undefined }).toEqual(
      name === "code-tiny" ? { quant: "q8", coded: false } : { quant: "auto", coded: true },
    );
    expect(await noticesOf(about, { quant, codes })).toEqual([]);
    expect(await noticesOf(about, { quant: "f32" })).toEqual([expect.stringContaining(`ran in form ${quant}`)]);
    if (codes) {
      const other = codes === 4 ? 8 : 4;
      expect(await noticesOf(about, { quant, codes: other })).toEqual([
        expect.stringContaining(`run in ${other} here`),
      ]);
    }
  },
);

test.each(
  shipped.filter(({ saving }) => saving === "dynamax").map((metadata) => [metadata.model.name, metadata] as const),
)("the thresholds of %s are certified on at least 400 documents", (_, { deciders }) => {
  for (const { thresholds = [] } of deciders) {
    expect(thresholds.length).toBeGreaterThan(0);
    for (const { risk, confidence, p, mean, items } of thresholds) {
      expect(p).toBeLessThanOrEqual(1 - confidence);
      expect(mean).toBeLessThan(risk);
      expect(items.count).toBeGreaterThanOrEqual(400);
    }
  }
});
