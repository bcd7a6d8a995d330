/**
 * A profile of XAttention's thresholds, a layer and head each, made from the beginning of a text, for `xattention:thresholds=FILE`.
 *
 *     npx tsx research/xattention/profile.ts MODEL TEXT OUT [--tokens 4096] [--stride 16] [--coverage 0.9]
 *
 * TEXT is a file or a place as the lab's tasks have it: `npm:package@version:path`.
 */
import { parseArgs } from "node:util";
import { load, profileThresholds, saveProfile } from "../../src/index.ts";
import { windowEnd } from "../../src/lab/tasks/windows.ts";
import { textOf } from "../../src/util/data/bytes.ts";
import { filesOf } from "../../src/weights/sources/data-place.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tokens: { type: "string", default: "4096" },
    stride: { type: "string", default: "16" },
    coverage: { type: "string", default: "0.9" },
  },
});
const [name, place, out] = positionals;
if (name === undefined || place === undefined || out === undefined) throw new Error("expected MODEL TEXT OUT");
const [path] = await filesOf(place);
const text = await textOf(path!);
using model = await load(name);
const countTokens = (some: string) => model.language.encode(some, true).length;
const start = text.slice(0, windowEnd(text, 0, Number(values.tokens), countTokens));
const options = { stride: Number(values.stride), blockSize: 128, coverage: Number(values.coverage) };
const profile = await profileThresholds(model, [start], options);
await saveProfile(out, profile);
const all = profile.thresholds.flat();
console.log(
  `${all.length} thresholds, ${Math.min(...all).toFixed(3)} to ${Math.max(...all).toFixed(3)}, mean ${(all.reduce((a, b) => a + b) / all.length).toFixed(3)}`,
);
