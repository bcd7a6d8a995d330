import { describe, expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { codeOf, ensureSpace, megabytes, writeError } from "./disk.ts";
import { tempFolder } from "./testing.ts";

const failed = (code: string): Error => Object.assign(new Error(`${code}: something`), { code });

test("megabytes are decimal", () => {
  expect(megabytes(98_362_432)).toBe("98.4 MB");
  expect(megabytes(0)).toBe("0.0 MB");
});

test("space is checked against what the disk has", async () => {
  const folder = tempFolder();
  await ensureSpace(folder, 1, "a byte");
  await expect(ensureSpace(folder, 2 ** 60, "model.gguf")).rejects.toThrow(UserError);
  await expect(ensureSpace(folder, 2 ** 60, "model.gguf")).rejects.toThrow(
    /^the disk of .* has [\d.]+ MB free, model\.gguf needs 1152921504606\.8 MB$/,
  );
});

describe("a failed write", () => {
  test.each([
    ["ENOSPC", "cannot write /x/m: the disk is full"],
    ["EDQUOT", "cannot write /x/m: the disk quota is used up"],
    ["EFBIG", "cannot write /x/m: the file would be larger than this process or disk allows"],
    ["ENOENT", "cannot write /x/m: a folder on its path cannot be made"],
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

test("codes are read from system errors only", () => {
  expect(codeOf(failed("ENOENT"))).toBe("ENOENT");
  expect(codeOf(Object.assign(new Error("x"), { code: 5 }))).toBeUndefined();
  expect(codeOf({ code: "ENOENT" })).toBeUndefined();
  expect(codeOf(undefined)).toBeUndefined();
});
