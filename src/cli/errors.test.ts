import { Command } from "commander";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { OptionError, UserError } from "../util/errors.ts";
import { calledBy, Interruption, report } from "./errors.ts";

let stderr = "";
beforeEach(() => {
  stderr = "";
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    stderr += text;
    return true;
  });
});
afterEach(() => vi.restoreAllMocks());

const command = new Command("modicum").command("run").argument("[prompt]");

test("a user's mistake is one sentence; usage errors add the usage", () => {
  expect(report(new UserError("there is no file x"), command)).toBe(1);
  expect(stderr).toBe("error: there is no file x\n");
  stderr = "";
  expect(report(new UserError("no such saving", 2), command)).toBe(2);
  expect(stderr).toMatch(/^error: no such saving\nusage: modicum run .*\[prompt\].*\n$/);
});

test("an option is named by its flag", () => {
  expect(report(new OptionError("logitBias", "names token 99"), command)).toBe(1);
  expect(stderr).toBe("error: --logit-bias names token 99\n");
});

test("the usage is that of the called verb, within another", () => {
  const keys = new Command("modicum").command("keys");
  const create = keys.command("create").argument("<name>");
  expect(calledBy(["create", "list"], keys)).toBe(create);
  expect(calledBy(["--json"], keys)).toBe(keys);
  report(new UserError("bad", 2), create);
  expect(stderr).toBe("error: bad\nusage: modicum keys create [options] <name> (see modicum keys create --help)\n");
});

test("another class of that name counts as well: the benches have their own", () => {
  expect(report(Object.assign(new Error("no bench"), { name: "UserError", exitCode: 2 }), command)).toBe(2);
  expect(stderr).toMatch(/^error: no bench\n/);
});

test("a bug is one sentence that says how to learn more", () => {
  expect(report(new TypeError("x is undefined"), command)).toBe(1);
  expect(stderr).toMatch(/^error: unexpected: x is undefined \(DEBUG=modicum .*\)\n$/);
});

test("Ctrl-C is silent, unless the stopped work has a message", () => {
  const reason = new Interruption(130);
  expect(report(reason, command)).toBe(130);
  expect(report(new DOMException("aborted", "AbortError"), command)).toBe(130);
  expect(stderr).toBe("error: aborted\n");
  stderr = "";
  expect(report(new Error("The operation was aborted", { cause: reason }), command)).toBe(130);
  expect(report(new Error("The operation was aborted", { cause: new Interruption(0) }), command)).toBe(0);
  expect(stderr).toBe("");
});
