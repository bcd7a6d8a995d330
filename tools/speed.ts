/** Writes README's table of speeds relative to llama.cpp, by class of processor. `npx tsx tools/speed.ts` */
import { type Measured, RESULTS, readResults } from "./measured.ts";
import { markdownTable, writeSection } from "./section.ts";

/** Rows of the table: the label, the bench and its model. */
const ROWS = [
  ["SmolLM2 135M, decode", "decode", "smollm2"],
  ["SmolLM2 135M, a prompt of 512 tokens", "prefill", "smollm2"],
  ["SmolLM2 135M, 8 answers at once", "decode-batch", "smollm2"],
  ["Gemma 3 270M, decode", "decode", "gemma3"],
  ["Qwen2.5-Coder 0.5B, decode", "decode", "qwen2.5-coder"],
  ["Qwen2.5-Coder 0.5B, a prompt of 512 tokens", "prefill", "qwen2.5-coder"],
  ["Qwen2.5-Coder 1.5B, decode", "decode", "qwen2.5-coder-1.5b"],
  ["Qwen2.5-Coder 1.5B, a prompt of 512 tokens", "prefill", "qwen2.5-coder-1.5b"],
] as const;

/** Classes by processor features, the newest instructions last. */
const CLASSES = ["AVX2", "VNNI", "AMX"] as const;

/** The classes of machines in older results, which do not record them; one early Xeon's class is unknown. */
const EARLIER: Readonly<Record<string, (typeof CLASSES)[number]>> = {
  "AMD EPYC (4-bit types run in 4 bits)": "AVX2",
  "AMD EPYC (4-bit types run in 8 bits)": "VNNI",
  "Intel(R) Xeon(R) Processor (4-bit types run in 8 bits)": "AMX",
};

/** The class that a machine's description names. */
export function classOf(machine: string): string | undefined {
  const [processor = ""] = machine.split(",");
  return / with ([^ ]+) \(/.exec(processor)?.[1] ?? EARLIER[processor];
}

/** A table of ratios; above 1, Modicum is faster. Empty cells were not measured. */
export function speedTable(results: readonly Measured[]): string {
  const ratio = (bench: string, model: string, wanted: string) =>
    results.find((one) => one.bench === bench && one.model === model && classOf(one.machine) === wanted)?.ratio;
  const rows = ROWS.map(([words, bench, model]) => [
    words,
    ...CLASSES.map((wanted) => ratio(bench, model, wanted)?.toFixed(2) ?? ""),
  ]);
  return markdownTable(["times llama.cpp's speed", ...CLASSES], rows);
}

if (process.argv[1] === import.meta.filename) writeSection("README.md", "speed", speedTable(readResults(RESULTS)));
