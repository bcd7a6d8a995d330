import { createHash, randomBytes } from "node:crypto";

const HOUR = 3_600_000;

/** The milliseconds for which each kind of mailed link works. */
export const LIFETIME = { confirm: 48 * HOUR, unsubscribe: 90 * 24 * HOUR, "sign-in": HOUR } as const;
export type Purpose = keyof typeof LIFETIME;

/** A secret for a link, of 256 random bits. Only its hash is stored. */
export const newToken = (): string => randomBytes(32).toString("base64url");

export const hashOf = (token: string): string => createHash("sha256").update(token).digest("hex");
