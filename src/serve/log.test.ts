import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const log = fileURLToPath(new URL("./log.ts", import.meta.url));
/** A script that logs more lines than a pipe's buffer holds. */
const script = `import { createLog, endUnread, standardError } from ${JSON.stringify(log)};
  const log = createLog(standardError());
  for (let i = 0; i < 500; i++) log.info({ i, long: "x".repeat(1000) });
  process.exitCode = 3;
  endUnread();`;
/** Runs the script; its standard error is a pipe from the shell, which `reader` may or may not read. */
const start = (reader: string) =>
  spawn("bash", [
    "-c",
    `"$0" --import tsx --input-type=module -e "$1" 2> >(${reader}); echo $?`,
    process.execPath,
    script,
  ]);

test("a process with an unread log still ends, with its status; lines that are read are whole", async () => {
  const both = ["exec sleep 60 >&- 2>&-", "sleep 0.2; wc -l >&2"].map(start);
  const outputs = ["", ""];
  for (const [i, { stdout, stderr }] of both.entries())
    for (const stream of [stdout, stderr]) stream.on("data", (data) => (outputs[i] += data));
  await Promise.all(both.map((child) => once(child, "close")));
  expect(outputs.map((text) => text.trim().split(/\s+/).toSorted())).toEqual([["3"], ["3", "500"]]);
});
