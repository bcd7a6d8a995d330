/**
 * Measures a recurrent model's Lyapunov exponents on a text, beside random networks of known stability:
 * `npx tsx research/lyapunov/exponents/main.ts MODEL FILE [--tokens 1024] [--seed 0] [--out FOLDER]`.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { keepJson } from "../../../src/util/write-whole.ts";
import { resolveModel } from "../../../src/weights/sources/index.ts";
import { lyapunovOptions, measureLyapunov } from "./measure.ts";
import { reportLines } from "./report.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { tokens: { type: "string" }, seed: { type: "string" }, out: { type: "string" } },
});
const [model, file] = positionals as [string, string];
const options = lyapunovOptions.parse({
  ...(values.tokens !== undefined && { tokens: Number(values.tokens) }),
  ...(values.seed !== undefined && { seed: Number(values.seed) }),
});
const report = await measureLyapunov(await resolveModel(model), readFileSync(file, "utf8"), options);
if (values.out !== undefined) await keepJson(join(values.out, "lyapunov.json"), report);
console.log(reportLines(report).join("\n"));
