import { existsSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { tempFolder, withEnv, writeAt } from "../../weights/sources/helpers.testing.ts";
import { checkSandbox, passesInSandbox } from "./python.ts";
import { works } from "./works.testing.ts";

/** Passes if the statement fails with one of the named errors. */
const refused = (statement: string, ...errors: string[]): boolean =>
  passesInSandbox(
    `import os, socket, subprocess, sys\ntry:\n    ${statement}\nexcept (${errors.join(", ")},):\n    pass\nelse:\n    raise AssertionError()`,
  );

// If the kernel allows no namespaces, nothing is executed; the last tests check that.
describe.skipIf(!works)("a program in the sandbox", () => {
  test("passes if it runs to its end, and fails on an error or an early exit", () => {
    expect(passesInSandbox("import math, random, collections, hashlib, typing\nassert math.floor(2.5) == 2")).toBe(
      true,
    );
    expect(passesInSandbox("assert 1 == 2")).toBe(false);
    expect(passesInSandbox("this is no program")).toBe(false);
    expect(passesInSandbox("import sys; sys.exit(0)")).toBe(false);
    expect(passesInSandbox("import os; os._exit(0)")).toBe(false);
  });

  test("has no network and no user files, and can write only to a small /tmp", () => {
    const own = writeAt(join(tempFolder(), "own.txt"), "secret");
    expect(refused('socket.create_connection(("127.0.0.1", 80), 2)', "OSError")).toBe(true);
    expect(refused(`open(${JSON.stringify(own)})`, "FileNotFoundError")).toBe(true);
    expect(refused('open("/etc/passwd")', "FileNotFoundError")).toBe(true);
    expect(refused('open("/usr/own", "w")', "OSError")).toBe(true);
    expect(refused('open(sys.base_prefix + "/own", "w")', "OSError")).toBe(true);
    expect(passesInSandbox('open("/tmp/own", "w").write("a")')).toBe(true);
    expect(existsSync(join(tmpdir(), "own"))).toBe(false);
    expect(refused('open("/tmp/own", "wb").write(b"a" * 30_000_000)', "OSError")).toBe(true);
  });

  test("inherits no open files", () => {
    expect(passesInSandbox('import os\nassert len(os.listdir("/proc/self/fd")) <= 4')).toBe(true);
  });

  test("sees no other processes and regains no privileges", () => {
    expect(passesInSandbox('import os\nassert [p for p in os.listdir("/proc") if p.isdigit()] == ["1"]')).toBe(true);
    const fails = "subprocess.CalledProcessError";
    expect(
      refused('subprocess.run(["mount", "-o", "remount,bind,rw", "/usr"], check=True, capture_output=True)', fails),
    ).toBe(true);
    expect(refused('subprocess.run(["unshare", "--user", "true"], check=True, capture_output=True)', fails)).toBe(true);
    expect(refused('os.chroot("/tmp")', "PermissionError")).toBe(true);
    expect(refused("bytearray(2_000_000_000)", "MemoryError")).toBe(true);
    expect(passesInSandbox('import os\nassert set(os.environ) <= {"PATH", "PWD", "LC_CTYPE"}')).toBe(true);
  });

  test("may have few processes, as far as the kernel enforces that for its user", () => {
    expect(passesInSandbox("import resource as r\nassert r.getrlimit(r.RLIMIT_NPROC) == (16, 16)")).toBe(true);
    const forks =
      "import os, time\nfor _ in range(40):\n    if os.fork() == 0:\n        time.sleep(60)\n        os._exit(0)";
    expect(passesInSandbox(forks)).toBe(process.getuid!() === 0);
  });

  test("leaves nothing behind", () => {
    const folder = tempFolder();
    withEnv({ TMPDIR: folder });
    expect(passesInSandbox('import subprocess\nsubprocess.Popen(["sleep", "60"])')).toBe(true);
    expect(readdirSync(folder)).toEqual([]);
  });
});

test("if a program cannot be isolated, the error is one sentence, and nothing is executed", () => {
  expect(() => checkSandbox({ executable: "/usr/bin/no-such-python", prefix: "/usr" })).toThrow(
    /^code is executed only if it can be isolated, which needs Linux with unshare, prlimit and setpriv \(util-linux\) and with user namespaces allowed; here: .+$/,
  );
});
