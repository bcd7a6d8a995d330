/**
 * Writes drawings with captions, for a model that learns to see:
 *
 *     npx tsx research/visual-tokens/projector/data.ts EMOJI STAMPS OUT
 *
 * EMOJI is the unpacked npm package emoji-datasource-google 16.0.0, STAMPS Debian's tuxpaint-stamps-default. OUT gets a
 * picture of 224 pixels a drawing, training.jsonl and held-out.jsonl (200 drawings with captions that no other has).
 * Skin tones are left out: they would be 1,875 near copies.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { seededRandom, shuffle } from "../../../src/util/random.ts";

const [SIDE, MARGIN, HELD_OUT] = [224, 8, 200];
/** Longer captions are sentences about the thing, and would make every row longer. */
const MOST_WORDS = 6;
export const PROMPT = "A drawing of:";

interface Drawing {
  readonly file: string;
  readonly caption: string;
}

function emojiIn(folder: string): Drawing[] {
  const all: { name: string; image: string }[] = JSON.parse(readFileSync(join(folder, "emoji.json"), "utf8"));
  return all.map(({ name, image }) => ({
    file: join(folder, "img/google/64", image),
    caption: name.toLowerCase(),
  }));
}

/** "A fire truck. It is red." is "fire truck". */
function stampsIn(folder: string): Drawing[] {
  const texts = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".txt"));
  return texts.sort().flatMap((name) => {
    const file = join(folder, name.replace(/txt$/, "png"));
    const [sentence] = readFileSync(join(folder, name), "utf8")
      .split("\n")[0]!
      .split(/[.!?]( |$)/);
    const caption = sentence!
      .toLowerCase()
      .replace(/^(a|an|the|some) /, "")
      .trim();
    return existsSync(file) && caption.length > 0 ? [{ file, caption }] : [];
  });
}

const [emoji, stamps, out] = process.argv.slice(2);
if (!emoji || !stamps || !out) throw new Error("expected the folders of emoji, of stamps, and of the result");
const drawings = [...emojiIn(emoji), ...stampsIn(stamps)].filter(
  ({ caption }) => caption.split(" ").length <= MOST_WORDS,
);
mkdirSync(join(out, "images"), { recursive: true });
const lines: string[] = [];
for (const [i, { file, caption }] of drawings.entries()) {
  const image = `images/${String(i).padStart(5, "0")}.png`;
  const inner = SIDE - 2 * MARGIN;
  await sharp(file)
    .resize(inner, inner, { fit: "contain", background: "#fff0" })
    .extend({ top: MARGIN, bottom: MARGIN, left: MARGIN, right: MARGIN, background: "#fff0" })
    .flatten({ background: "white" })
    .png()
    .toFile(join(out, image));
  lines.push(`${JSON.stringify({ image, prompt: PROMPT, answer: ` ${caption}` })}\n`);
}
const counts = new Map<string, number>();
for (const { caption } of drawings) counts.set(caption, (counts.get(caption) ?? 0) + 1);
const order = shuffle([...drawings.keys()], seededRandom(0));
const heldOut = new Set(order.filter((i) => counts.get(drawings[i]!.caption) === 1).slice(0, HELD_OUT));
const part = (belongs: (i: number) => boolean) =>
  order
    .filter(belongs)
    .map((i) => lines[i])
    .join("");
writeFileSync(
  join(out, "held-out.jsonl"),
  part((i) => heldOut.has(i)),
);
writeFileSync(
  join(out, "training.jsonl"),
  part((i) => !heldOut.has(i)),
);
console.log(`${drawings.length} drawings, ${heldOut.size} held out`);
