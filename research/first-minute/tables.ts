import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { markdownTable, root, writeSection } from "../../tools/section.ts";

const PAGE = "research/first-minute/README.md";

const side = z.object({ right: z.boolean(), text: z.string() });
const results = z.object({
  model: z.string(),
  runs: z.array(
    z.object({
      settings: z.record(z.string(), z.number()),
      right: z.object({ modicum: z.int(), llama: z.int() }),
      answers: z.array(z.object({ question: z.string(), modicum: side, llama: side })),
    }),
  ),
});
type Run = z.output<typeof results>["runs"][number];

/** The first words of an answer, on one line. */
const beginning = (text: string): string => (text.length > 70 ? `${text.slice(0, 70)}…` : text).replace(/\s+/g, " ");

const shown = (settings: Run["settings"]): string =>
  Object.entries(settings)
    .map(([option, value]) => `${option} ${value}`)
    .join(", ");

/** Right answers by model and settings, and the beginnings of the greedy ones. */
function section(): string {
  const folder = path.join(root, path.dirname(PAGE));
  const files = readdirSync(folder).filter((file) => file.endsWith(".json"));
  const all = files.map((file) => results.parse(JSON.parse(readFileSync(path.join(folder, file), "utf8"))));
  const counts = all.flatMap(({ model, runs }) =>
    runs.map(({ settings, right, answers }) => {
      const of = (n: number) => `${n} of ${answers.length}`;
      return [model, shown(settings), of(right.modicum), of(right.llama)];
    }),
  );
  const mark = ({ right, text }: z.output<typeof side>) => `${right ? "✓" : "✗"} ${beginning(text)}`;
  const details = all.map(({ model, runs }) => {
    const { settings, answers } = runs.at(-1)!;
    const rows = answers.map(({ question, modicum, llama }) => [question, mark(modicum), mark(llama)]);
    return `## ${model}, ${shown(settings)}\n\n${markdownTable(["question", "Modicum", "llama.cpp"], rows)}`;
  });
  return [markdownTable(["model", "settings", "Modicum", "llama.cpp"], counts), ...details].join("\n\n");
}

if (process.argv[1] === import.meta.filename) writeSection(PAGE, "first-minute", section());
