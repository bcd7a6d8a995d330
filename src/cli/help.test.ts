import { existsSync } from "node:fs";
import { type Command, CommanderError } from "commander";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { methods } from "../train/methods/registry.ts";
import { packageRoot } from "../util/package-root.ts";
import { shortHelp, wholeHelp } from "./help.ts";
import { runProgram, wholeProgram } from "./program.ts";
import { topicNames, topicText } from "./topics.ts";

beforeEach(() => void vi.spyOn(process.stderr, "write").mockReturnValue(true));

const within = (command: Command): Command[] => [command, ...command.commands.flatMap(within)];
const pathOf = (command: Command): string =>
  command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name();

const program = await wholeProgram();
const all = within(program);

/** Help as shown on a terminal of 80 columns. */
function helpOf(command: Command, help: typeof shortHelp): string {
  const text = command.configureHelp(help).helpInformation();
  command.configureHelp(shortHelp);
  return text;
}

/** The calls among the examples of a help text. */
const examplesIn = (text: string): string[] =>
  (/^Examples:\n((?: {2}.*\n?)+)/m.exec(text)?.[1] ?? "").split("\n").flatMap((line) => line.trim() || []);

/** The words of a `modicum` call in a line of shell. */
const wordsOf = (line: string): string[] =>
  [...line.slice(line.indexOf("modicum ")).matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)]
    .map(([, double, single, plain]) => double ?? single ?? plain!)
    .slice(1)
    .filter((word, i, words) => !/^[<>]$/.test(word) && !/^[<>]$/.test(words[i - 1] ?? ""));

/** Parses a call with the real commands, whose actions are empty. */
async function parse(words: readonly string[]): Promise<void> {
  const fresh = await wholeProgram();
  for (const command of within(fresh)) command.exitOverride().action(() => {});
  await fresh.parseAsync(words, { from: "user" });
}

describe.each(all.map((command) => [pathOf(command), command] as const))("%s", (_, command) => {
  const short = helpOf(command, shortHelp);

  test("its help fits 40 lines of 80 columns", () => {
    const lines = short.trimEnd().split("\n");
    expect(lines.length, short).toBeLessThanOrEqual(40);
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80);
  });

  test("its help has examples, and the parser accepts each", async () => {
    const examples = examplesIn(short);
    expect(examples).not.toEqual([]);
    for (const example of examples) await expect(parse(wordsOf(example)), example).resolves.toBeUndefined();
  });

  test("help with --all lists every option", () => {
    if (command === program) return;
    const text = helpOf(command, wholeHelp);
    for (const { long } of command.options) expect(text).toMatch(new RegExp(`^ +(-\\w, )?${long} ?`, "m"));
  });

  test("short help says how many options it omits", () => {
    const rest = command.options.filter(({ long }) => !new RegExp(`^ +(-\\w, )?${long}\\b`, "m").test(short));
    if (command === program || rest.length === 0) return;
    expect(short).toContain(`${rest.length} more options: ${pathOf(command).replace("modicum", "modicum help")} --all`);
  });
});

test("options that short help omits still work", async () => {
  const short = helpOf(all.find((command) => pathOf(command) === "modicum run")!, shortHelp);
  expect(short).not.toContain("--repetition-penalty");
  await expect(parse(["run", "--repetition-penalty", "1.1", "Hi"])).resolves.toBeUndefined();
  await expect(parse(["run", "--repetition", "1.1", "Hi"])).rejects.toThrow(CommanderError);
});

test("common options come first, all others in groups", () => {
  const run = all.find((command) => pathOf(command) === "modicum run")!;
  expect(helpOf(run, wholeHelp)).toMatch(/^Model:\n(.*\n)*Sampling:\n(.*\n)*Answer:\n/m);
  expect(helpOf(run, shortHelp)).toMatch(/^Options:\n {2}--model/m);
});

describe.each(["topics", ...topicNames])("topic %s", (name) => {
  const text = topicText(name)!;

  test("fits 40 lines of 80 columns", () => {
    const lines = text.split("\n");
    expect(lines.length).toBeLessThanOrEqual(40);
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80);
  });

  test("its page exists, and its commands parse", async () => {
    for (const [page] of text.matchAll(/docs\/\S+\.md/g)) expect(existsSync(`${packageRoot()}/${page}`)).toBe(true);
    for (const [, call] of text.matchAll(/^ {2}(modicum .*?)(?: {2,}.*)?$/gm))
      await expect(parse(wordsOf(call!)), call).resolves.toBeUndefined();
  });
});

test("train's help names the methods, and help on one shows its options", async () => {
  const short = helpOf(all.find((command) => pathOf(command) === "modicum train")!, shortHelp);
  for (const { name } of methods) expect(short).toMatch(new RegExp(`[ (]${name}\\b`));
  let text = "";
  vi.spyOn(process.stdout, "write").mockImplementation((part) => {
    text += part;
    return true;
  });
  await runProgram(["help", "dpo"]);
  vi.mocked(process.stdout.write).mockRestore();
  expect(text).toContain("modicum train --method dpo");
  expect(text).toContain("beta=0.1 (number)");
});
