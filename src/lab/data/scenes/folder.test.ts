import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { plural } from "./drawings.ts";
import { nameIn, readFolder } from "./folder.ts";
import { sceneOptions } from "./options.ts";
import { namesOf, openPictures } from "./pictures.ts";
import { drawScene, labelsOf } from "./scene.ts";
import { captionOf, questionsOf } from "./words.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-drawings-"));
const stamps = path.join(folder, "stamps");

/** Writes a one-colour square with a transparent two-pixel margin, and optionally the text file with its name. */
async function stamp(file: string, colour: readonly number[], text?: string): Promise<void> {
  const target = path.join(folder, file);
  mkdirSync(path.dirname(target), { recursive: true });
  const channels = colour.length as 3 | 4;
  const data = Uint8Array.from({ length: 36 * channels }, (_, i) => colour[i % channels]!);
  const square = sharp(data, { raw: { width: 6, height: 6, channels } });
  const margin = { top: 2, bottom: 2, left: 2, right: 2, background: { r: 0, g: 0, b: 0, alpha: 0 } };
  await square.ensureAlpha().extend(margin).png().toFile(target);
  if (text !== undefined) writeFileSync(target.replace(/png$/, "txt"), text);
}

beforeAll(async () => {
  await stamp("stamps/animals/felix.png", [200, 20, 20], "A black cat.\nde.utf8=Eine schwarze Katze.\n");
  await stamp("stamps/animals/felix-2.png", [220, 40, 40], "A black cat. Meow!\r\n");
  await stamp("stamps/animals/felix_mirror.png", [1, 1, 1]);
  await stamp("stamps/animals/sheep-2.png", [20, 200, 20]);
  await stamp("stamps/food/broccoli.png", [20, 20, 200], "Eat your broccoli!");
  await stamp("clear/ghost.png", [9, 9, 9, 0]);
  await stamp("unnamed/a.png", [9, 9, 9], "Eat!");
  mkdirSync(path.join(folder, "broken"));
  writeFileSync(path.join(folder, "broken", "cat.png"), "no picture");
});
afterAll(() => rmSync(folder, { recursive: true }));

test("drawings are named by their texts or their files, and their margin is cut", async () => {
  const { drawings, unnamed } = await readFolder(stamps);
  expect([...drawings.keys()]).toEqual(["black cat", "sheep"]);
  expect(drawings.get("black cat")!.map(({ data }) => [...data.subarray(0, 4)])).toEqual([
    [220, 40, 40, 255],
    [200, 20, 20, 255],
  ]);
  expect(drawings.get("sheep")![0]).toMatchObject({ width: 6, height: 6 });
  expect(unnamed).toBe(1);
});

test.each([
  ["An owl.", "owl"],
  ["The Sun. It is hot.", "Sun"],
  ["A cat", "cat"],
  ["fire truck", "fire truck"],
  ["A t-shirt!", "t-shirt"],
  ["A pair of open scissors.", undefined],
  ["Tux Airways.", undefined],
  ["A US 25 cent piece ($.25) called a quarter.", undefined],
  ["", undefined],
])("the name in %j is %j", (text, name) => {
  expect(nameIn(text)).toBe(name);
});

const options = sceneOptions.parse({ drawings: "0", folder: stamps, digits: 0, least: 3, most: 3, clutter: 0 });

test("a folder's scenes have its drawings, whole masks and questions about them; nothing is fetched", async () => {
  const notices: string[] = [];
  const pictures = await openPictures("train", options, { onNotice: (sentence) => notices.push(sentence) });
  expect(notices).toEqual([`${stamps}: drawings 3, names 2; 1 skipped: no name of one or two words`]);
  const names = namesOf(pictures);
  const kinds = new Set<string>();
  for (let seed = 0; seed < 20; seed++) {
    const scene = drawScene(pictures, options, seed);
    for (const [i, { label, box, area }] of scene.objects.entries()) {
      expect(names).toContain(label);
      // A square fills its whole box, in the drawing's colour.
      expect(area).toBe((box[2] - box[0]) * (box[3] - box[1]));
      const at = scene.owner.indexOf(i + 1);
      const [red, green] = scene.rgb.subarray(3 * at, 3 * at + 2);
      expect(label === "sheep" ? green! > red! : red! > green!).toBe(true);
    }
    expect(captionOf(labelsOf(scene), seed)).toMatch(/^((a|two|three) (black cats?|sheep)( and )?)+$/);
    for (const { kind } of questionsOf(scene, names, seed)) kinds.add(kind);
  }
  expect(kinds).toEqual(new Set(["where", "which", "count"]));
});

test("a tint comes before a name of two words", async () => {
  const tinted = { ...options, tints: 1 };
  const scene = drawScene(await openPictures("train", tinted), tinted, 4);
  for (const { label } of scene.objects) expect(label).toMatch(/^(red|green|blue|purple) (black cat|sheep)$/);
});

test.each([
  ["none", /none: the folder cannot be read \(ENOENT: no such file or directory\)$/],
  ["unnamed", /unnamed: none of 1 PNG files has a name; expected cat\.png, or "A cat\." beside it$/],
  ["clear", /ghost\.png: the drawing cannot be read \(it is fully transparent\)$/],
  ["broken", /cat\.png: the drawing cannot be read \(.+\)$/],
])("a folder that is %s is refused with a sentence", async (name, sentence) => {
  await expect(readFolder(path.join(folder, name))).rejects.toThrow(sentence);
});

test("no drawings at all are refused", async () => {
  await expect(openPictures("train", sceneOptions.parse({ drawings: 0, digits: 0 }))).rejects.toThrow(
    "drawings: expected at least 1 if there is no folder of drawings, got 0",
  );
});

test.each([
  ["sheep", "sheep"],
  ["starfish", "starfish"],
  ["snowman", "snowmen"],
  ["human", "humans"],
  ["computer mouse", "computer mice"],
  ["knife", "knives"],
  ["giraffe", "giraffes"],
])("the plural of %s is %s", (name, several) => {
  expect(plural(name)).toBe(several);
});
