import { expect, test } from "vitest";
import { seededRandom } from "../../../src/util/random.ts";
import { drawObject } from "./object.ts";
import { drawShapeScene, MOST, SEEN, SHAPES_SIDE } from "./scene.ts";
import { TWINS, twin } from "./twins.ts";
import { labelOf, looks, shapeNames } from "./words.ts";
import { briefly, shapeCaption } from "./write.ts";

const seeds = Array.from({ length: 120 }, (_, seed) => seed);
const scenes = seeds.map((seed) => drawShapeScene(seed));

test("a seed gives the same bytes, another one others", () => {
  expect(drawShapeScene(3)).toEqual(scenes[3]);
  expect(scenes[4]!.rgb).not.toEqual(scenes[3]!.rgb);
});

test("scenes have one to six objects of looks that are all different", () => {
  expect(looks.length).toBe(192);
  const known = new Set(looks.map(labelOf));
  for (const { objects } of scenes) {
    const labels = objects.map(({ label }) => label);
    expect(new Set(labels).size).toBe(labels.length);
    expect(labels.every((label) => known.has(label))).toBe(true);
  }
  const counts = new Set(scenes.map(({ objects }) => objects.length));
  expect([...counts].sort()).toEqual(Array.from({ length: MOST }, (_, i) => i + 1));
});

test("boxes are tight around what can be seen", () => {
  for (const { owner, objects } of scenes)
    for (const [i, { box, area }] of objects.entries()) {
      const own = [...owner.keys()].filter((at) => owner[at] === i + 1);
      const [xs, ys] = [own.map((at) => at % SHAPES_SIDE), own.map((at) => Math.floor(at / SHAPES_SIDE))];
      expect(box).toEqual([Math.min(...xs), Math.min(...ys), Math.max(...xs) + 1, Math.max(...ys) + 1]);
      expect(area).toBe(own.length);
    }
});

test("some objects are covered in part, the last one never is", () => {
  const covered = scenes.flatMap(({ objects }) =>
    objects.map(({ whole, area }, i) => ({ share: area / whole, last: i === objects.length - 1 })),
  );
  expect(covered.filter(({ last }) => last).every(({ share }) => share === 1)).toBe(true);
  const least = Math.min(...covered.map(({ share }) => share));
  expect(least).toBeGreaterThanOrEqual(SEEN);
  expect(least).toBeLessThan(0.6);
});

test("a caption names all objects and no other, in an order of its own", () => {
  const orders = scenes.map((scene, i) => {
    const labels = scene.objects.map(({ label }) => label);
    const words = shapeCaption(labels, seeds[i]!).replaceAll(/\b(a picture of|a|and)\b|,/g, " ");
    const parts = words.trim().split(/\s{2,}/);
    expect(parts.toSorted()).toEqual(labels.toSorted());
    return parts.join() === labels.join();
  });
  const several = orders.filter((_, i) => scenes[i]!.objects.length > 1);
  expect(several.filter((same) => same).length).toBeLessThan(several.length / 3);
});

test("a brief row leaves out textures and colours, no shape", () => {
  const labels = looks.map(labelOf);
  const row = { image: "", masks: "", boxes: [], labels, caption: "" };
  const brief = briefly(row, 5);
  const words = brief.labels.map((label) => label.split(" "));
  expect(words.map((parts) => parts.at(-1))).toEqual(looks.map(({ shape }) => shape));
  expect(words.every((parts, i) => parts.every((word) => labels[i]!.split(" ").includes(word)))).toBe(true);
  const untold = words.filter(({ length }) => length < 3).length / labels.length;
  expect(untold).toBeGreaterThan(0.3);
  expect(untold).toBeLessThan(0.6);
  expect(brief.caption).not.toBe("");
});

test("each shape has an area of its own and lies in its square", () => {
  for (const shape of shapeNames) {
    const { width, data } = drawObject({ texture: "solid", colour: "red", shape }, 20, seededRandom(1));
    const share = data.filter((value, i) => i % 4 === 3 && value === 255).length / width ** 2;
    expect(share, shape).toBeGreaterThan(0.2);
    expect(share, shape).toBeLessThan(0.75);
  }
});

test("scenes of a group have the same textures and colours, but lone ones the texture alone, and no two show the same", () => {
  const counts = new Set<number>();
  for (let group = 0; group < 40; group++) {
    const scenes = Array.from({ length: TWINS }, (_, number) => twin(group, number, 3));
    const [{ length }] = scenes as [(typeof scenes)[number]];
    counts.add(length);
    expect(new Set(scenes.map((scene) => scene.map(labelOf).sort().join())).size).toBe(TWINS);
    const painted = scenes.map((scene) =>
      scene.map(({ texture, colour }) => (length === 1 ? texture : `${texture} ${colour}`)).join(),
    );
    expect(new Set(painted).size).toBe(1);
  }
  expect([...counts].sort()).toEqual([1, 2, 3]);
});
