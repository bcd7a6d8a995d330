import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { fixtures, picture } from "../engine/image/pictures.testing.ts";
import { tempFolder } from "../weights/sources/helpers.testing.ts";
import { load } from "./load.ts";
import { calibrateSaving, saveCalibration } from "./profile.ts";

/** transformers' answers, token by token without a cache: tools/reference/vision_language.py. */
interface Answer {
  readonly pictures: readonly string[];
  readonly parts: readonly { readonly type: string; readonly text?: string }[];
  /** Tokens of the prompt. */
  readonly prompt: number;
  readonly tokens: readonly number[];
}

describe.each(["idefics3", "llava-next", "qwen2-vl"])("%s", (name) => {
  const folder = path.join(fixtures, name);
  const { answer }: { answer: Answer } = JSON.parse(readFileSync(path.join(folder, "placed-images.json"), "utf8"));
  const images = answer.pictures.map(picture);
  const chat = [{ role: "user", content: [...answer.parts] }];

  test("a chat with two images is answered as by transformers; its images are in the cache by their content", async () => {
    using model = await load(folder, { quant: "f32" });
    const ask = (some: string[]) =>
      model.complete(chat, { images: some, temperature: 0, maxTokens: answer.tokens.length });
    const first = await ask(images);
    expect(first.receipt.tokens.prompt).toBe(answer.prompt);
    expect(first.tokens.map(({ id }) => id)).toEqual(answer.tokens);
    const turned = await ask(images.toReversed());
    expect(turned.tokens.map(({ id }) => id)).not.toEqual(answer.tokens);
    expect(turned.receipt.tokens.cached).toBeLessThan(10);
    const again = await ask(images);
    expect(again.receipt.tokens.cached).toBeGreaterThan(10);
    expect(again.tokens.map(({ id }) => id)).toEqual(answer.tokens);
    expect(again.receipt.flops.spent).toBeLessThan(first.receipt.flops.spent / 2);
  });
});

test("a Qwen2-VL has no seams for savings", async () => {
  using model = await load(path.join(fixtures, "qwen2-vl"));
  await expect(model.complete("x", { maxTokens: 1, save: ["prune:after=1"] })).rejects.toThrow(
    'has positions on three axes, which no saving reads: "prune:after=1" cannot act',
  );
});

test("heads for yopo are chosen on questions about pictures, of all of an image's grids", async () => {
  using model = await load(path.join(fixtures, "llava-next"), { quant: "f32" });
  const data = ["wide.png", "clear.webp"].map((file) => ({ image: picture(file), prompt: "what?" }));
  const learn = (some: typeof data) => calibrateSaving(model, "yopo", some, { options: { whole: 0 } });
  const [learnt, same, other] = [await learn(data), await learn(data), await learn(data.slice(1))];
  expect(learnt.summary).toMatch(/^2 of 4 heads kept/);
  expect(same.artefact).toEqual(learnt.artefact);
  expect(other.artefact["textsSha256"]).not.toBe(learnt.artefact["textsSha256"]);
  const file = path.join(tempFolder(), "heads.json");
  await saveCalibration(file, learnt);
  const save = [learnt.use(file)];
  const { receipt } = await model.complete("what?", { images: [data[0]!.image], maxTokens: 1, save });
  expect(receipt.recipe).toEqual(save);
});
