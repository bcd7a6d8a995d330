/**
 * Measures what a language model's guesses lose in simulated precisions, beside other models over the same tokens:
 * `npx tsx research/lyapunov/precision/main.ts MODEL FILE [--tokens 512] [--windows 4] [--other MODEL]… [--out FOLDER]`.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { keepJson } from "../../../src/util/write-whole.ts";
import { resolveModel } from "../../../src/weights/sources/index.ts";
import { markdownTable } from "../../../tools/section.ts";
import { measurePrecision, type PrecisionReport, precisionOptions } from "./measure.ts";

function table({ arms }: PrecisionReport): string {
  const rows = arms.map(({ arm, kl, standardError, logit, agreement, parts, states, lateToEarly }) => [
    ...[arm, kl.toExponential(2), standardError?.toExponential(0) ?? "–", logit.toExponential(2)],
    ...[`${(100 * agreement).toFixed(1)} %`, parts.map((part) => part.kl.toExponential(0)).join(" ")],
    ...[lateToEarly.toPrecision(2), states?.map((share) => share.toExponential(0)).join(" ") ?? "none"],
  ]);
  return markdownTable(["arm", "KL", "±", "|Δ logit|", "same top", "KL by eighths", "late/early", "states off"], rows);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tokens: { type: "string" },
    windows: { type: "string" },
    other: { type: "string", multiple: true, default: [] },
    out: { type: "string" },
  },
});
const [model, file] = positionals as [string, string];
const options = precisionOptions.parse({
  ...(values.tokens !== undefined && { tokens: Number(values.tokens) }),
  ...(values.windows !== undefined && { windows: Number(values.windows) }),
});
const others = await Promise.all(values.other.map((other) => resolveModel(other)));
const report = await measurePrecision(await resolveModel(model), others, readFileSync(file, "utf8"), options);
if (values.out !== undefined) await keepJson(join(values.out, "precision.json"), report);
console.log(
  `${report.model}, ${report.windows} windows of ${report.tokens} tokens, against float32\n\n${table(report)}`,
);
