import { expect, test } from "vitest";
import { plural } from "./drawings.ts";
import { cellNames } from "./layout.ts";
import { sceneOptions } from "./options.ts";
import { namesOf } from "./pictures.ts";
import { trimmed } from "./raster.ts";
import { drawScene } from "./scene.ts";
import { plainPictures } from "./scenes.testing.ts";
import { captionOf, questionsOf } from "./words.ts";
import { seedOf } from "./write.ts";

const pictures = plainPictures(40);
const grid = sceneOptions.parse({ digits: 0.5, tints: 0.3, clutter: 0 });
const free = sceneOptions.parse({ layout: "free", most: 6, digits: 0.5, clutter: 0.2, size: 48 });
const some = Array.from({ length: 24 }, (_, seed) => seed);

test("a seed determines the bytes, and seeds differ", () => {
  const [a, b, c] = [1, 1, 2].map((seed) => drawScene(pictures, free, seed));
  expect(a).toEqual(b);
  expect(a!.rgb).not.toEqual(c!.rgb);
});

test.each([
  ["grid", grid],
  ["free", free],
] as const)("boxes and areas match the masks: %s", (_, options) => {
  for (const seed of some) {
    const { size, owner, objects } = drawScene(pictures, options, seed);
    for (const [i, { box, area }] of objects.entries()) {
      const own = [...owner.keys()].filter((at) => owner[at] === i + 1);
      const xs = own.map((at) => at % size);
      const ys = own.map((at) => Math.floor(at / size));
      expect(box).toEqual([Math.min(...xs), Math.min(...ys), Math.max(...xs) + 1, Math.max(...ys) + 1]);
      expect(area).toBe(own.length);
      expect(area).toBeGreaterThan(0);
    }
    expect(Math.max(...owner)).toBe(objects.length);
  }
});

test("in a grid, objects stay in their cells and answers are right", () => {
  const kinds = new Set<string>();
  for (const seed of some) {
    const scene = drawScene(pictures, grid, seed);
    const cells = scene.objects.map(({ cell }) => cell!);
    expect(new Set(cells).size).toBe(cells.length);
    for (const { box, cell } of scene.objects) {
      const [left, top, right, bottom] = box;
      expect([Math.floor(left / 32), Math.floor((right - 1) / 32)]).toEqual([cell! % 3, cell! % 3]);
      expect([Math.floor(top / 32), Math.floor((bottom - 1) / 32)]).toEqual(Array(2).fill(Math.floor(cell! / 3)));
    }
    for (const { kind, prompt, answer } of questionsOf(scene, namesOf(pictures), seed)) {
      kinds.add(kind);
      const inCell = (name: string) => scene.objects.find(({ cell }) => cellNames[cell!] === name)?.label;
      if (kind === "where") expect(prompt).toBe(`where is the ${inCell(answer)}?`);
      if (kind === "which") expect(answer).toBe(inCell(prompt.replace(/what is at the (.*)\?/, "$1")));
      if (kind === "count") {
        const labels = prompt.replace(/how many (.*) are there\?/, "$1");
        const count = scene.objects.filter(({ label, digit }) => !digit && plural(label) === labels).length;
        expect(answer).toBe(["no", "one", "two", "three", "four", "five"][count]);
      }
      if (kind === "digits") {
        const digits = scene.objects.filter(({ digit }) => digit).sort((a, b) => a.box[0] - b.box[0]);
        expect(answer).toBe(digits.map(({ label }) => label).join(""));
      }
    }
  }
  expect(kinds).toEqual(new Set(["where", "which", "count", "digits"]));
});

test("captions count, and describe a lone object in three ways", () => {
  expect(captionOf(["cat", "owl", "cat", "8"], 0)).toBe("two cats, an owl and an 8");
  const alone = new Set(some.map((seed) => captionOf(["bus"], seed)));
  expect(alone).toEqual(new Set(["bus", "a bus", "a picture of a bus"]));
  expect([plural("cherry"), plural("fox"), plural("tomato"), plural("key")]).toEqual([
    ...["cherries", "foxes", "tomatoes", "keys"],
  ]);
});

test("sets of scenes share no seed", () => {
  const seeds = (["train", "test"] as const).flatMap((split) =>
    [0, 1].flatMap((seed) => [0, 2 ** 30 - 1].map((i) => seedOf({ split, seed, count: 2 ** 30 }, i))),
  );
  expect(new Set(seeds).size).toBe(seeds.length);
  expect(seeds.every(Number.isSafeInteger)).toBe(true);
});

test("a picture's transparent margin is cut", () => {
  const data = new Uint8Array(5 * 4 * 4);
  data[(1 * 5 + 2) * 4 + 3] = 255;
  data[(2 * 5 + 3) * 4 + 3] = 255;
  const { width, height } = trimmed({ width: 5, height: 4, data });
  expect([width, height]).toEqual([2, 2]);
});
