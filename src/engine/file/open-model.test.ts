import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { load } from "../../index.ts";
import { runsOn } from "./open-model.ts";

test("a model with images says that they are not read", async () => {
  const folder = fileURLToPath(new URL("../../models/fixtures/gemma3-images", import.meta.url));
  const notices: string[] = [];
  // The fixture has no tokenizer, which loading detects later.
  const loading = load(folder, { onNotice: (sentence) => notices.push(sentence) });
  await expect(loading).rejects.toThrow("tokenizer");
  expect(notices).toEqual([expect.stringContaining("image input is not supported for this model; it reads only text")]);
});

test("decoders run on WebGPU, encoders on the CPU alone", () => {
  const source = (name: string) => ({ path: fileURLToPath(new URL(`../../models/fixtures/${name}`, import.meta.url)) });
  const runs = (name: string) => (["cpu", "webgpu"] as const).map((device) => runsOn(source(name) as never, device));
  expect(runs("qwen2")).toEqual([true, true]);
  expect(runs("bert")).toEqual([true, false]);
});
