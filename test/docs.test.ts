import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { strayPages } from "../site/.vitepress/sections.ts";
import { savings } from "../src/savings/registry.ts";
import { exitTrainOptions } from "../src/train/methods/exit-heads/options.ts";
import { guardOptions } from "../src/train/methods/guard/options.ts";
import { trainOptions } from "../src/train/options.ts";
import { screenFields } from "../src/train/sweep/screen-options.ts";
import { architecturesTable, kinds, MODELS_PAGE, sectionOf } from "../tools/architectures.ts";
import { counts, documentation, unsourced } from "../tools/figure-sources.ts";
import {
  SECTION as DIVERGENCES,
  PAGE as DIVERGENCES_PAGE,
  divergencesTable,
  readDivergences,
  withFile,
} from "../tools/gguf-kl-table.ts";
import { measuredTable, RESULTS, readResults } from "../tools/measured.ts";
import {
  CHANGELOG,
  changesTable,
  describedMethods,
  describedPipelines,
  GUARD_PAGE,
  methodPage,
  optionsTable,
  pageOf,
  pipelinePage,
  SWEEPS_PAGE,
  TRAIN_EXITS_PAGE,
  TRAIN_PAGE,
} from "../tools/options.ts";
import { committedPicture, PICTURE } from "../tools/readme-picture.ts";
import { anchorOf, markdownTable, root, unaligned, withSection } from "../tools/section.ts";
import { speedTable } from "../tools/speed.ts";
import { tasksTable } from "../tools/tasks.ts";

const pages = documentation();
const read = (path: string) => readFileSync(join(root, path), "utf8");
const verbs = [...read("src/cli/program.ts").matchAll(/^ {2}(\w+): \{\s+summary: /gm)].map(([, verb]) => verb);

/** Code in fences and in backticks contains no links. */
const prose = (text: string) => text.replace(/^```.*?^```/gms, "").replace(/`[^`\n]*`/g, "code");

const anchors = (text: string) =>
  [...text.replace(/^```.*?^```/gms, "").matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading!));

describe.each(pages)("%s", (page) => {
  const text = read(page);

  test("links to files and headings that exist", () => {
    for (const [, target] of prose(text).matchAll(/\]\(([^)]+)\)/g)) {
      if (/^https?:/.test(target!)) continue;
      const [file, anchor] = target!.split("#") as [string, string?];
      const path = file === "" ? join(root, page) : resolve(dirname(join(root, page)), file);
      expect(existsSync(path), target).toBe(true);
      if (anchor !== undefined) expect(anchors(readFileSync(path, "utf8")), target).toContain(anchor);
    }
  });

  test("names files of the project that exist", () => {
    for (const [, path] of text.matchAll(/(?<![\w/-])((?:src|research|test|tools|bin)\/[\w./-]*\w)/g))
      expect(existsSync(join(root, path!)), path).toBe(true);
  });

  test("names only existing verbs, scripts and savings", () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    for (const [, verb] of text.matchAll(/(?:npx --no modicum|node bin\/modicum\.js) ([a-z]+)/g))
      expect(verbs, verb).toContain(verb);
    for (const [, script] of text.matchAll(/npm run ([a-z]+)/g)) expect(Object.keys(scripts), script).toContain(script);
    for (const [, saving] of text.matchAll(/--save ([a-z][a-z0-9-]*)/g))
      expect(["auto", ...savings.map((s) => s.name)], saving).toContain(saving);
  });
});

test("the site's sidebar has every page", () => {
  const inDocs = pages.filter((page) => page.startsWith("docs/")).map((page) => page.slice("docs/".length));
  expect(strayPages(inDocs)).toEqual([]);
  expect(strayPages([...inDocs, "new.md"])).toEqual(["/new"]);
});

describe("figures", () => {
  const allowed = counts();

  test.each(pages)("of %s are in generated blocks or beside their data: npx tsx tools/figure-sources.ts", (page) => {
    expect(unsourced(page, read(page)).length).toBe(allowed[page] ?? 0);
  });

  test("without data are allowed on no page of README.md and docs/savings, and on no missing page", () => {
    const listed = Object.keys(allowed);
    expect(listed.filter((page) => page === "README.md" || page.startsWith("docs/savings/"))).toEqual([]);
    expect(listed.filter((page) => !pages.includes(page))).toEqual([]);
  });
});

test.each(pages)("%s has no command that would download a stranger's package of our name", (page) => {
  expect(read(page)).not.toMatch(/npx (?!--no )(-\S+ )*modicum\b/);
});

test.each(pages)("%s has no example marked js with `using`: Node 20 does not run it", (page) => {
  const examples = [...read(page).matchAll(/^```js\n(.*?)^```/gms)].map(([, code]) => code!);
  expect(examples.filter((code) => /\busing \w+ =/.test(code))).toEqual([]);
});

describe("README.md", () => {
  const readme = read("README.md");

  test("has the two commands at its top, and package.json has their targets", () => {
    const [, first, second] =
      /^```sh\n(npm ci && node bin\/modicum\.js run ".+?").*\n(npm ci && npm test)/m.exec(readme) ?? [];
    expect(first).toBe('npm ci && node bin/modicum.js run "Why do we need sleep? Answer in one sentence."');
    expect(second).toBe("npm ci && npm test");
    expect(readme.indexOf(second!)).toBeLessThan(2000);
    const { bin, scripts } = JSON.parse(read("package.json"));
    expect(existsSync(join(root, bin.modicum))).toBe(true);
    expect(scripts.test).toContain("vitest");
    expect(verbs).toContain("run");
  });

  test("has the picture of its run: npx tsx tools/readme-picture.ts", () => {
    expect(readme).toContain(`](${PICTURE})`);
    expect(read(PICTURE)).toBe(committedPicture());
  });
});

test("docs/benchmarks.md has the figures of the result files: npx tsx tools/measured.ts", () => {
  const page = read("docs/benchmarks.md");
  expect(unaligned(page)).toBe(unaligned(withSection(page, "measured", measuredTable(readResults(RESULTS)))));
});

describe("docs/export.md's table of divergences from llama.cpp", () => {
  const data = readDivergences();

  test("has the measured figures: npx tsx tools/gguf-kl.ts", () => {
    const page = read(DIVERGENCES_PAGE);
    expect(unaligned(page)).toBe(unaligned(withSection(page, DIVERGENCES, divergencesTable(data))));
  });

  test("has a row for each file, from the last measurement", () => {
    const row = { file: "tiny Q8_0", peer: "p", f32: 0.25, auto: 0.5 };
    const once = withFile(data, row);
    expect(once.files).toEqual([...data.files, row]);
    const twice = withFile(once, { ...row, f32: 0.0125 });
    expect(twice.files.at(-1)!.f32).toBe(0.0125);
    expect(divergencesTable(twice).split("\n").slice(-1)).toEqual(["| tiny, `Q8_0` | 1.3e-2 | 5.0e-1 |"]);
    expect(twice.files).toHaveLength(data.files.length + 1);
  });
});

describe("docs/reference/models.md", () => {
  test.each(kinds)("has every %s of the registry: npx tsx tools/architectures.ts", async (kind) => {
    const page = read(MODELS_PAGE);
    const table = await architecturesTable(kind, page);
    expect(unaligned(page)).toBe(unaligned(withSection(page, sectionOf(kind), table)));
    // The tool leaves no empty prose cells.
    expect(table).not.toMatch(/\| +\|/);
  });
});

describe("README's table of speed", () => {
  test("has the figures of the result files: npx tsx tools/speed.ts", () => {
    const readme = read("README.md");
    expect(unaligned(readme)).toBe(unaligned(withSection(readme, "speed", speedTable(readResults(RESULTS)))));
  });

  test("has a column for each class, which a machine names, or is known for an older result", () => {
    const line = { unit: "tok/s", ours: 1, peer: "p", theirs: 1, runs: 7, spread: [1, 1] as [number, number] };
    const of = (ratio: number, machine: string) => ({ ...line, bench: "decode", model: "gemma3", ratio, machine });
    const table = speedTable([
      of(0.5, "Any Processor with AMX (4-bit types run in 4 bits), 2 cores"),
      of(2, "AMD EPYC (4-bit types run in 4 bits), 2 cores"),
      of(9, "Intel(R) Xeon(R) Processor, 2 cores"),
    ]);
    expect(table.split("\n").find((row) => row.includes("Gemma"))).toBe("| Gemma 3 270M, decode | 2.00 |  | 0.50 |");
  });
});

test("docs/walk.md walks through an answer, a training step and an HTTP chat, by files that exist", () => {
  const [, ...sections] = read("docs/walk.md").split(/^## /m);
  const walks = sections.filter((section) => !section.startsWith("The rooms"));
  expect(walks.map((walk) => walk.split("\n")[0])).toEqual(["An answer", "A training step", "An HTTP chat"]);
  for (const walk of walks) {
    const files = [...walk.matchAll(/\[[^\]]+\]\(\.\.\/([^)]+\.[jt]s)\)/g)].map(([, file]) => file!);
    expect(files.length).toBeGreaterThan(8);
    expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
    // Every named file is linked.
    expect(walk.replace(/\[[^\]]+\]\([^)]+\)/g, "")).not.toMatch(/[\w-]\.ts\b/);
  }
});

test("docs/walk.md lists every room, in the order of imports", () => {
  const listed = [...read("docs/walk.md").matchAll(/^\| `src\/(\w+)` /gm)].map(([, room]) => room!);
  const order = /rooms = \[([^\]]+)\]/.exec(read(".dependency-cruiser.cjs"))![1]!.match(/\w+/g)!;
  const rooms = readdirSync(join(root, "src"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  expect(listed.toSorted()).toEqual(rooms.map((room) => room.name).sort());
  expect(listed.slice(1)).toEqual(order.filter((room) => listed.includes(room)));
});

describe.each(savings.map((saving) => ({ name: saving.name, saving })))("the page of $name", ({ saving }) => {
  test("has the options of its schema: npx tsx tools/options.ts", () => {
    const page = read(pageOf(saving));
    expect(unaligned(page)).toBe(unaligned(withSection(page, "options", optionsTable(saving))));
  });
});

test.each(describedMethods.map((method) => ({ page: methodPage(method), method })))(
  "$page has the options of its method: npx tsx tools/options.ts",
  ({ page, method }) => {
    const text = read(page);
    expect(unaligned(text)).toBe(unaligned(withSection(text, "options", optionsTable(method))));
  },
);

test("CHANGELOG.md has the changed defaults: npx tsx tools/options.ts", () => {
  const page = read(CHANGELOG);
  expect(unaligned(page)).toBe(unaligned(withSection(page, "options", changesTable())));
});

test("docs/train.md has the options of a run: npx tsx tools/options.ts", () => {
  const page = read(TRAIN_PAGE);
  const table = optionsTable({ options: trainOptions });
  expect(unaligned(page)).toBe(unaligned(withSection(page, "options", table)));
});

test.each(describedPipelines.map((pipeline) => [pipelinePage(pipeline), pipeline] as const))(
  "%s has the pipeline's options: npx tsx tools/options.ts",
  async (file, pipeline) => {
    const page = read(file);
    const table = optionsTable({ options: await pipeline.options() });
    expect(unaligned(page)).toBe(unaligned(withSection(page, "options", table)));
  },
);

test("docs/sweeps.md has the options of a screen: npx tsx tools/options.ts", () => {
  const page = read(SWEEPS_PAGE);
  const table = optionsTable({ options: screenFields });
  expect(unaligned(page)).toBe(unaligned(withSection(page, "options", table)));
});

test("docs/methods/guard.md has the options of a guard: npx tsx tools/options.ts", () => {
  const page = read(GUARD_PAGE);
  const table = optionsTable({ options: guardOptions });
  expect(unaligned(page)).toBe(unaligned(withSection(page, "options", table)));
});

test("docs/train-exits.md has the options of exits' training: npx tsx tools/options.ts", () => {
  const page = read(TRAIN_EXITS_PAGE);
  const table = optionsTable({ options: exitTrainOptions });
  expect(unaligned(page)).toBe(unaligned(withSection(page, "options", table)));
});

test("docs/lab-tasks.md has the tasks of the registry: npx tsx tools/tasks.ts", () => {
  const page = read("docs/lab-tasks.md");
  expect(unaligned(page)).toBe(unaligned(withSection(page, "tasks", tasksTable())));
});

describe("the table of results", () => {
  const line = {
    bench: "decode",
    model: "smollm2",
    unit: "tok/s",
    ours: 80,
    peer: "node-llama-cpp 3.22.1",
    theirs: 50,
    ratio: 1.6,
    runs: 7,
    spread: [1.5, 1.7] as [number, number],
    machine: "a machine, 2 cores",
  };
  const folderWith = (files: Record<string, string>) => {
    const folder = mkdtempSync(join(tmpdir(), "results-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    return folder;
  };

  test("comes from each file's last line", () => {
    const folder = folderWith({
      "b.json": `round  ours\n1  2\n${JSON.stringify({ ...line, bench: "prefill", floor: 123 })}\n`,
      "a.json": JSON.stringify(line),
      "note.txt": "not a result",
    });
    expect(measuredTable(readResults(folder)).split("\n")).toEqual([
      "| command | unit | ours | peer | theirs | ratio (spread) | rounds | floor |",
      "| --- | --- | --- | --- | --- | --- | --- | --- |",
      "| `npm run bench -- decode` | tok/s | 80 | node-llama-cpp 3.22.1 | 50 | 1.6 (1.5–1.7) | 7 |  |",
      "| `npm run bench -- prefill` | tok/s | 80 | node-llama-cpp 3.22.1 | 50 | 1.6 (1.5–1.7) | 7 | 123 |",
      "",
      "Machine: a machine, 2 cores.",
    ]);
  });

  test("lists the savings that a bench used", () => {
    const table = measuredTable([{ ...line, bench: "complete", save: ["lookup", "exit:layer=20"] }]);
    expect(table).toContain("| `npm run bench -- complete --save lookup --save exit:layer=20` |");
  });

  test("distinguishes machines", () => {
    const other = { ...line, bench: "memory", machine: "another" };
    const folder = folderWith({ "a.json": JSON.stringify(line), "b.json": JSON.stringify(other) });
    const table = measuredTable(readResults(folder));
    expect(table).toMatch(/decode.*\[1\]/);
    expect(table).toMatch(/memory.*\[2\]/);
    expect(table).toMatch(/Machine \[2\]: another\.$/);
  });

  test("has a command's machines in one row", () => {
    const other = { ...line, ours: 90, ratio: 1.8, machine: "another" };
    const folder = folderWith({ "a.json": JSON.stringify(line), "b.json": JSON.stringify(other) });
    expect(measuredTable(readResults(folder)).split("\n")[2]).toBe(
      "| `npm run bench -- decode` | tok/s | 80<br>90 | node-llama-cpp 3.22.1 | 50 | 1.6 (1.5–1.7) [1]<br>1.8 (1.5–1.7) [2] | 7 |  |",
    );
  });

  test("says so if there are none", () => {
    expect(readResults(join(tmpdir(), "there-is-no-such-folder"))).toEqual([]);
    expect(measuredTable([])).toBe("No result has been committed yet.");
  });

  test.each(["", "no JSON", '{"bench":"decode"}'])("names a file without a result at its end: %j", (text) => {
    expect(() => readResults(folderWith({ "odd.json": text }))).toThrow(
      /odd\.json: its last line is not a bench result/,
    );
  });
});

describe("sections", () => {
  const page = "before\n<!-- x: written by tools/x.ts -->\nold\n<!-- /x -->\nafter\n";

  test("only the text between the comments is replaced, and twice equals once", () => {
    const once = withSection(page, "x", "new");
    expect(once).toBe("before\n<!-- x: written by tools/x.ts -->\nnew\n<!-- /x -->\nafter\n");
    expect(withSection(once, "x", "new")).toBe(once);
  });

  test("a page without the comments is refused", () => {
    expect(() => withSection("before", "x", "new")).toThrow(/no section/);
  });

  test("a bar in a cell does not end it", () => {
    expect(markdownTable(["a"], [["b|c"]])).toBe("| a |\n| --- |\n| b\\|c |");
  });
});
