import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { expect, onTestFailed, test } from "vitest";

const url = (file: string) => JSON.stringify(fileURLToPath(new URL(file, import.meta.url)));

/** Logs until it is stopped, then ends by itself. It does not write its process id to the same channel as its log. */
const server = `import { writeSync } from "node:fs";
  import { endAtOnce } from ${url("../runtime/libc.ts")};
  import { createLog, endUnread, standardError } from ${url("../serve/log.ts")};
  import { stopSignal } from ${url("./stop-signal.ts")};
  const log = createLog(standardError());
  process.stderr.on("error", () => {});
  const timer = setInterval(() => log.info("still here"), 5);
  stopSignal(endAtOnce).addEventListener("abort", () => {
    clearInterval(timer);
    log.info("stopping");
    endUnread();
  });
  writeSync(3, process.pid + "\\n");`;

/** Outlives its terminal, and reports how the server ended. */
const shell = `trap "" HUP; '${process.execPath}' --import tsx --input-type=module -e "$SERVER"; echo "ended $?" >&3`;

test.runIf(process.platform === "linux").each(["SIGHUP", "SIGTERM"] as const)(
  "a server whose terminal is gone continues, and ends by itself on %s",
  async (signal) => {
    // Runs a command in a separate terminal, which closes with it.
    const terminal = spawn("script", ["-qc", shell, "/dev/null"], {
      stdio: ["pipe", "ignore", "ignore", "pipe"],
      env: { ...process.env, SERVER: server, SHELL: "/bin/sh" },
    });
    const lines = createInterface({ input: terminal.stdio[3] as Readable })[Symbol.asyncIterator]();
    const pid = Number((await lines.next()).value);
    onTestFailed(() => void process.kill(pid, "SIGKILL"));
    terminal.kill("SIGKILL");
    await once(terminal, "exit");
    process.kill(pid, signal);
    expect((await lines.next()).value).toBe("ended 0");
  },
);
