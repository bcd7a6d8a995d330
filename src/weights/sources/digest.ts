import { createHash, type Hash } from "node:crypto";

/** The expected hash of a file's bytes. */
export interface Digest {
  algorithm: "sha256" | "sha512" | "sha1";
  hex: string;
  /** Data to hash before the bytes, such as the header of a Git blob. */
  prefix?: string;
}

export const sha256 = (hex: string): Digest => ({ algorithm: "sha256", hex });

/** The Git blob hash of a file of `bytes` bytes: the SHA-1 of a header and the contents. */
export const gitBlob = (hex: string, bytes: number): Digest => ({
  algorithm: "sha1",
  hex,
  prefix: `blob ${bytes}\0`,
});

export const startHash = ({ algorithm, prefix = "" }: Digest): Hash => createHash(algorithm).update(prefix);

/** The algorithm's name in messages. */
export const digestName = ({ algorithm, prefix }: Digest): string =>
  `${prefix === undefined ? "" : "Git "}${algorithm.toUpperCase().replace("SHA", "SHA-")}`;
