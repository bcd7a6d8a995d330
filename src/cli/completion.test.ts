import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Shell, shells } from "./completion.ts";
import { wholeProgram } from "./program.ts";

const folder = mkdtempSync(join(tmpdir(), "modicum-completion-"));
afterAll(() => rmSync(folder, { recursive: true }));
const scripts = new Map<Shell, string>();

beforeAll(async () => {
  for (const shell of shells) {
    let printed = "";
    const write = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
      printed += String(text);
      return true;
    });
    const program = await wholeProgram();
    await program.parseAsync(["completion", shell], { from: "user" });
    write.mockRestore();
    scripts.set(shell, join(folder, `modicum.${shell}`));
    writeFileSync(scripts.get(shell)!, printed);
  }
  writeFileSync(join(folder, "notes.txt"), "");
  writeFileSync(join(folder, "two words.txt"), "");
  mkdirSync(join(folder, "nested"));
});

const present = (shell: Shell): boolean => spawnSync(shell, ["--version"]).status === 0;

/** The words that bash offers for the last word of a call. */
function offered(...words: string[]): string[] {
  const call = words.map((word) => `'${word}'`).join(" ");
  const script = `source "$1"; COMP_WORDS=(modicum ${call}); COMP_CWORD=${words.length}; _modicum; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const text = execFileSync("bash", ["--norc", "-c", script, "bash", scripts.get("bash")!], {
    cwd: folder,
    encoding: "utf8",
  });
  return text.split("\n").filter(Boolean);
}

describe.skipIf(!present("bash"))("bash", () => {
  test("verbs, and verbs below them", () => {
    expect(offered("")).toEqual(expect.arrayContaining(["run", "serve", "completion"]));
    expect(offered("re").sort()).toEqual(["receipts", "recipes", "recognize", "rerank"]);
    expect(offered("lab", "t")).toEqual(["tune", "tasks"]);
    expect(offered("savings", "calibrate", "x")).toEqual(["xattention"]);
  });

  test("flags of the called verb, including hidden ones", () => {
    expect(offered("run", "--te")).toEqual(["--temperature"]);
    expect(offered("run", "--rep")).toEqual(["--repetition-penalty", "--repetition-window"]);
    expect(offered("lab", "tune", "--ri")).toEqual(["--risk"]);
    expect(offered("list", "--te")).toEqual([]);
  });

  test("values: choices, savings, models, methods", () => {
    expect(offered("run", "--quant", "q")).toEqual(["q8", "q4", "q8r"]);
    expect(offered("run", "--quant", "=")).toContain("auto");
    expect(offered("run", "--quant", "=", "f")).toEqual(["f32"]);
    expect(offered("run", "--save", "xa")).toEqual(["xattention"]);
    expect(offered("chat", "--model", "smoll")).toContain("smollm2");
    expect(offered("train", "--method", "spar")).toEqual(["sparse"]);
    expect(offered("savings", "vo")).toEqual(["vote"]);
    expect(offered("help", "exit")).toEqual(["exit-status"]);
    expect(offered("completion", "b")).toEqual(["bash"]);
  });

  test("files if a file is expected, folders if a folder is, else neither", () => {
    expect(offered("run", "--recipe", "no")).toEqual(["notes.txt"]);
    expect(offered("run", "--recipe", "tw")).toEqual(["two words.txt"]);
    expect(offered("run", "--model", "no")).toEqual(["notes.txt"]);
    expect(offered("train", "--out", "n")).toEqual(["nested"]);
    expect(offered("run", "--seed", "n")).toEqual([]);
    expect(offered("index", "add", "name", "no")).toEqual(["notes.txt"]);
  });
});

test.skipIf(!present("zsh"))("zsh accepts the script", () => {
  expect(spawnSync("zsh", ["-n", scripts.get("zsh")!], { encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" });
});

test.skipIf(!present("fish"))("fish completes by the script", () => {
  const candidates = (line: string) =>
    execFileSync("fish", ["--no-config", "-c", `source ${scripts.get("fish")}; complete -C '${line}'`], {
      cwd: folder,
      encoding: "utf8",
    });
  expect(candidates("modicum lab t")).toMatch(/^tasks\t.*\ntune\t/m);
  expect(candidates("modicum run --quant q8")).toMatch(/^q8\t.*\nq8r\t/m);
  expect(candidates("modicum run --recipe no")).toContain("notes.txt");
});
