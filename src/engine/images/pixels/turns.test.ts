import { setImmediate } from "node:timers/promises";
import sharp from "sharp";
import { expect, test } from "vitest";
import { withPixels } from "./input.ts";
import { resized } from "./resample.ts";

test("other work runs while a large picture is scaled", async () => {
  const [width, height] = [3000, 1000];
  const picture = { width, height, data: new Uint8Array(3 * width * height) };
  const order: string[] = [];
  const scaled = resized(picture, 8, 8, "bicubic").then(() => order.push("scaled"));
  await setImmediate();
  order.push("other");
  await scaled;
  expect(order).toEqual(["other", "scaled"]);
});

test("images are decoded one at a time, over all calls; one that is damaged does not hold up the next", async () => {
  const create = { width: 4, height: 4, channels: 3, background: "red" } as const;
  const bytes = await sharp({ create }).png().toBuffer();
  const order: string[] = [];
  const use = (name: string) => async () => {
    order.push(`${name} begins`);
    await setImmediate();
    order.push(`${name} ends`);
  };
  const damaged = withPixels({ bytes: bytes.subarray(0, 60), name: "x" }, use("damaged"));
  const both = ["first", "second"].map((name) => withPixels({ bytes, name }, use(name)));
  await expect(damaged).rejects.toThrow("x: the image cannot be decoded");
  await Promise.all(both);
  expect(order).toEqual(["first begins", "first ends", "second begins", "second ends"]);
});
