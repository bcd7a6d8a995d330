import Ajv from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { expect, test } from "vitest";
import { seededRandom } from "../../../util/random.ts";
import { byteClasses } from "./byte-classes.ts";
import { compiled } from "./compile.ts";
import type { Forest, Node } from "./forest.ts";
import { RandomSchemas } from "./random-schemas.testing.ts";

const ajv = formats.default(new Ajv.default({ strict: false, validateFormats: true }));
const random = seededRandom(11);
const schemas = new RandomSchemas(random);
const drawn = Array.from({ length: 200 }, () => schemas.draw());

/** Draws a random text of the grammar byte by byte, and ends it where allowed; undefined if it becomes too long. */
function walk(forest: Forest, root: Node): string | undefined {
  const [classOf, classes] = byteClasses(root);
  const some = Array.from({ length: classes }, (_, i) => classOf.indexOf(i)).filter((byte) => byte >= 0);
  const bytes: number[] = [];
  let node = root;
  while (bytes.length < 300) {
    const firsts = some.filter((byte) => forest.after(node, byte).kind !== "none");
    if (node.nullable && (firsts.length === 0 || random() < 0.3)) return Buffer.from(bytes).toString();
    const closing = firsts.filter((byte) => '"}],:'.includes(String.fromCharCode(byte)));
    const choice = closing.length > 0 && random() < 0.5 ? closing : firsts;
    const byte = choice[Math.floor(random() * choice.length)]!;
    bytes.push(byte);
    node = forest.after(node, byte);
  }
  return undefined;
}

test("whatever a random walk writes meets its schema", () => {
  let whole = 0;
  for (const { schema } of drawn) {
    const { forest, root } = compiled(schema);
    const valid = ajv.compile(schema as object);
    for (let i = 0; i < 3; i++) {
      const text = walk(forest, root);
      if (text === undefined) continue;
      whole++;
      expect(valid(JSON.parse(text)), `${JSON.stringify(schema)}\n${text}\n${ajv.errorsText(valid.errors)}`).toBe(true);
    }
  }
  expect(whole).toBeGreaterThan(drawn.length);
}, 120_000);

test("values that meet a schema are taken as they are written", () => {
  for (const { schema, value } of drawn) {
    const { forest, root } = compiled(schema);
    for (let i = 0; i < 3; i++) {
      const text = JSON.stringify(value());
      expect(ajv.validate(schema as object, JSON.parse(text)), `${JSON.stringify(schema)}\n${text}`).toBe(true);
      expect(forest.takes(root, Buffer.from(text)), `${JSON.stringify(schema)}\n${text}`).toBe(true);
    }
  }
});
