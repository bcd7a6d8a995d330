import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { slowEncoder } from "../../engine/encoders/image-text/slow-encoder.testing.ts";
import { load } from "../../library/load.ts";
import type { Model } from "../../library/model.ts";
import { plainPicture, trainedColours } from "../../library/vision.testing.ts";
import { stoppedClock } from "../../util/clock.testing.ts";
import type { GenerationItem } from "../item.ts";
import { answerGroup } from "../run/executor.ts";
import { DecoderAnswerer } from "./decoder.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-lab-vision-"));
let model: Model;
beforeAll(async () => {
  model = await load(await trainedColours(folder));
});
afterAll(() => {
  model.dispose();
  rmSync(folder, { recursive: true });
});

const itemOf = (image: Uint8Array): GenerationItem => ({
  ...{ id: "1", kind: "generation", prompt: "which colour is it?", images: [image] },
  ...{ stop: [], maxTokens: 3, answers: ["red"] },
});

test("an item's answer depends on its image, alone and beside others, and its encoder is always billed", async () => {
  using answerer = await DecoderAnswerer.open(model.language, [], undefined);
  const items = [itemOf(await plainPicture("red")), itemOf(await plainPicture("blue"))];
  const answered = [await answerer.plan(items[0]!)!(), await answerer.plan(items[0]!)!()];
  expect(answered.map(({ answer }) => answer)).toEqual([{ text: " red" }, { text: " red" }]);
  expect(answered[1]!.flops).toEqual(answered[0]!.flops);
  const together = await answerer.together(items);
  expect(together.map(({ answer }) => answer)).toEqual([{ text: " red" }, { text: " blue" }]);
  expect(together[0]!.flops).toEqual(answered[0]!.flops);
  const { prompt, ...more } = items[0]!;
  expect(answerer.plan({ ...more, prompt: prompt.repeat(20) })).toBeUndefined();
});

test("an item's time includes its image's, alone and beside others", async () => {
  using answerer = await DecoderAnswerer.open(model.language, [], undefined);
  slowEncoder(stoppedClock(), 50_000);
  const items = [itemOf(await plainPicture("red")), itemOf(await plainPicture("blue"))];
  expect((await answerGroup(answerer, items.slice(0, 1))).map(({ ms }) => ms)).toEqual([50_000]);
  expect((await answerGroup(answerer, items)).map(({ ms }) => ms)).toEqual([50_000, 50_000]);
  vi.restoreAllMocks();
});
