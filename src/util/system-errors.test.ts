import { describe, expect, test } from "vitest";
import { UserError } from "./errors.ts";
import { codeOf, readError, writeError } from "./system-errors.ts";

const failed = (code: string): Error => Object.assign(new Error(`${code}: something`), { code });

describe("a failed write", () => {
  test.each([
    ["ENOSPC", "cannot write /x/m: the disk is full; free space on it"],
    ["EDQUOT", "cannot write /x/m: the disk quota is used up; free space"],
    ["EFBIG", "cannot write /x/m: the file would be larger than this process or disk allows"],
    ["ENOENT", "cannot write /x/m: a folder on its path cannot be created"],
    ["EACCES", "cannot write /x/m: permission denied"],
    ["EROFS", "cannot write /x/m: the file system is read-only"],
  ])("%s is a sentence", (code, sentence) => {
    expect(writeError(failed(code), "/x/m")).toEqual(new UserError(sentence));
  });

  test("of another kind stays what it is", () => {
    const bug = new RangeError("offset");
    expect(writeError(bug, "/x/m")).toBe(bug);
    expect(writeError("text", "/x/m")).toBe("text");
  });
});

describe("a failed read", () => {
  test.each([
    ["ENOENT", "/x/m: there is no such file"],
    ["EISDIR", "/x/m: this is a folder, expected a file"],
    ["EACCES", "/x/m: the file cannot be read (permission denied)"],
    ["EIO", "/x/m: the file cannot be read (EIO: something)"],
  ])("%s is a sentence", (code, sentence) => {
    expect(readError(failed(code), "/x/m")).toEqual(new UserError(sentence));
  });

  test("of another kind stays what it is", () => {
    const own = new UserError("too large");
    expect(readError(own, "/x/m")).toBe(own);
  });
});

test("codes are read from system errors only", () => {
  expect(codeOf(failed("ENOENT"))).toBe("ENOENT");
  expect(codeOf(Object.assign(new Error("x"), { code: 5 }))).toBeUndefined();
  expect(codeOf({ code: "ENOENT" })).toBeUndefined();
  expect(codeOf(undefined)).toBeUndefined();
});
