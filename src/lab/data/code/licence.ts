import { z } from "zod";
import { UserError } from "../../../util/errors.ts";
import type { DataPackage } from "../../../weights/sources/data-package.ts";

/** Licences, by their SPDX names, that let everyone read, use and pass on the code. */
const PERMISSIVE = ["MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "0BSD", "Zlib", "Unlicense"];

/** The file of a package that names its licence. */
export const isMetadata = (kind: DataPackage["kind"], path: string): boolean =>
  kind === "npm" ? /^(package\/)?package\.json$/.test(path) : /^[^/]+\.dist-info\/METADATA$/.test(path);

/** The licence that a package's metadata name; undefined if they name none. */
export const licenceIn = (kind: DataPackage["kind"], metadata: string): string | undefined =>
  kind === "npm" ? inManifest(metadata) : inMetadata(metadata);

const manifest = z.object({ license: z.string() });
const inManifest = (text: string): string | undefined => manifest.safeParse(JSON.parse(text)).data?.license;

/** Classifiers of PyPI, in place of an expression. */
const classifiers: Readonly<Record<string, string>> = {
  "MIT License": "MIT",
  "Apache Software License": "Apache-2.0",
  "BSD License": "BSD-3-Clause",
  "ISC License (ISCL)": "ISC",
};

function inMetadata(text: string): string | undefined {
  const [head = ""] = text.split(/\r?\n\r?\n/);
  const field = (name: string) => new RegExp(`^${name}: (.+)$`, "m").exec(head)?.[1]?.trim();
  const expression = field("License-Expression");
  if (expression !== undefined) return expression;
  const [, classifier = ""] = /^Classifier: License :: OSI Approved :: (.+?)\s*$/m.exec(head) ?? [];
  return classifiers[classifier] ?? field("License");
}

/** True for an expression in which one may choose permissive licences. */
export const isPermissive = (expression: string): boolean =>
  expression
    .replace(/[()]/g, "")
    .split(/ OR /i)
    .some((choice) => choice.split(/ AND /i).every((name) => PERMISSIVE.includes(name.trim())));

/** @throws UserError if the licence is another one than expected, or not permissive */
export function checkLicence(name: string, expected: string, found: string | undefined): void {
  if (found === expected && isPermissive(found)) return;
  throw new UserError(`${name}: expected the licence ${expected}, one that is permissive, got ${found ?? "none"}`);
}
