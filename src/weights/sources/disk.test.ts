import { expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { ensureSpace, megabytes } from "./disk.ts";
import { tempFolder } from "./helpers.testing.ts";

test("megabytes are decimal", () => {
  expect(megabytes(98_362_432)).toBe("98.4 MB");
  expect(megabytes(0)).toBe("0.0 MB");
});

test("space is checked against what the disk has", async () => {
  const folder = tempFolder();
  await ensureSpace(folder, 1, "a byte");
  await expect(ensureSpace(folder, 2 ** 60, "model.gguf")).rejects.toThrow(UserError);
  await expect(ensureSpace(folder, 2 ** 60, "model.gguf")).rejects.toThrow(
    /^the disk of .* has [\d.]+ MB free, but model\.gguf needs 1152921504606\.8 MB; free space on it$/,
  );
});
