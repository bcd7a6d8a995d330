import Ajv from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { beforeAll, describe, expect, test } from "vitest";
import { seededRandom } from "../../../util/random.ts";
import { openGguf } from "../../../weights/gguf/index.ts";
import { resolveModel } from "../../../weights/sources/index.ts";
import { fromGguf, Tokenizer } from "../../../weights/tokenizer/index.ts";
import { Constraint, type Format, grammarOf } from "./index.ts";
import { SCHEMAS } from "./schemas.testing.ts";

let tokenizer: Tokenizer;
/** Tokens that close a string, object or list, and tokens that end the answer. */
let closers: number[];
beforeAll(async () => {
  tokenizer = new Tokenizer(fromGguf(openGguf((await resolveModel("smollm2")).path).metadata));
  const all = Array.from({ length: tokenizer.vocabSize }, (_, id) => id);
  closers = all.filter((id) => tokenizer.stopIds.has(id) || /^["}\],:]+$/.test(tokenizer.text(id)));
});

const ajv = formats.default(new Ajv.default({ strict: false }));

/** Draws one of the allowed tokens, preferring closing ones. */
function next(constraint: Constraint, random: () => number): number {
  const logits = new Float32Array(tokenizer.vocabSize);
  constraint.restrict(logits);
  const closing = closers.filter((id) => logits[id] === 0);
  if (closing.length > 0 && random() < 0.5) return closing[Math.floor(random() * closing.length)]!;
  for (let tries = 0; tries < 50; tries++) {
    const id = Math.floor(random() * logits.length);
    if (logits[id] === 0) return id;
  }
  const ids = [...logits.keys()].filter((id) => logits[id] === 0);
  return ids[Math.floor(random() * ids.length)]!;
}

/** A text drawn token by token; undefined if it becomes too long. */
async function drawn(format: Format, random: () => number): Promise<string | undefined> {
  const constraint = new Constraint((await grammarOf(format, tokenizer)).compile());
  const ids: number[] = [];
  while (!constraint.complete) {
    const id = next(constraint, random);
    if (tokenizer.stopIds.has(id)) break;
    if (ids.push(id) === 120) return undefined;
    constraint.accept(id);
  }
  return tokenizer.decode(ids);
}

describe("whatever is drawn meets the schema", () => {
  test.each(Object.entries(SCHEMAS))("%s", async (_, schema) => {
    const valid = ajv.compile(schema as object);
    const random = seededRandom(7);
    let whole = 0;
    for (let i = 0; i < 4; i++) {
      const text = await drawn(schema, random);
      if (text === undefined) continue;
      whole++;
      expect(valid(JSON.parse(text)), `${text} ${ajv.errorsText(valid.errors)}`).toBe(true);
    }
    expect(whole).toBeGreaterThan(0);
  });
});

test.each([/^[A-D](\] > \[[A-D]){3}\]$/, /^(yes|no)$/, /"[a-c\\\n]{3}"/])(
  "whatever is drawn matches %s as a whole",
  async (regex) => {
    const random = seededRandom(3);
    for (let i = 0; i < 4; i++) {
      const text = (await drawn(regex, random))!;
      expect(regex.exec(text)?.[0]).toBe(text);
    }
  },
);
