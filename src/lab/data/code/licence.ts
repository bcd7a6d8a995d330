import { z } from "zod";
import { UserError } from "../../../util/errors.ts";
import type { DataPackage } from "../../../weights/sources/data-package.ts";

/** Licences, by SPDX name, that let everyone read, use and redistribute the code. */
const PERMISSIVE = ["MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "0BSD", "Zlib", "Unlicense"];

/** The package file that names its licence. */
export const isMetadata = (kind: DataPackage["kind"], path: string): boolean =>
  kind === "npm" ? /^(package\/)?package\.json$/.test(path) : /^[^/]+\.dist-info\/METADATA$/.test(path);

/** The licence that a package's metadata names, if any. */
export const licenceIn = (kind: DataPackage["kind"], metadata: string): string | undefined =>
  kind === "npm" ? inManifest(metadata) : inMetadata(metadata);

const manifest = z.object({ license: z.string() });
const inManifest = (text: string): string | undefined => manifest.safeParse(JSON.parse(text)).data?.license;

/** PyPI's classifiers, for packages without a licence expression. */
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

/** True for an expression that allows a choice of permissive licences. */
export const isPermissive = (expression: string): boolean =>
  expression
    .replace(/[()]/g, "")
    .split(/ OR /i)
    .some((choice) => choice.split(/ AND /i).every((name) => PERMISSIVE.includes(name.trim())));

/** @throws UserError if the licence differs from the expected one, or is not permissive */
export function checkLicence(name: string, expected: string, actual: string | undefined): void {
  if (actual === expected && isPermissive(actual)) return;
  throw new UserError(`${name}: the licence must be ${expected} and permissive, got ${actual ?? "none"}`);
}
