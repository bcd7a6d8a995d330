import { existsSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { KeptFault, UserError } from "../../util/errors.ts";
import type { LossType } from "../../util/risk/losses.ts";
import { bet, noWealth } from "../../util/risk/wealth.ts";
import { keepJson } from "../../util/write-whole.ts";
import { readKeptJson } from "../../weights/json-file.ts";
import { home } from "../../weights/sources/home.ts";
import { type Certificate, certificateHash, readCertificate, switchCertificate, switchFile } from "./certificate.ts";

const schema = z.strictObject({
  /** SHA-256 of the audited certificate. */
  certificate: z.string(),
  wealth: z.number(),
  last: z.array(z.number()),
  count: z.int(),
  /** The number of answers that could not be replayed; each counts as a loss equal to the risk. */
  failed: z.int(),
});

/**
 * A certificate's audit state: the wealth from bets against it. All its recipes share one state, because only the whole
 * ladder was certified.
 */
export type AuditState = z.infer<typeof schema>;

const auditFile = (name: string): string => path.join(home(), "certificates", `${name}.audit.json`);

/**
 * The bound in nats that audits bet against. Undefined for pairs, for sampled answers, and for certificates without
 * this bound: other losses can only be measured with the correct answer, which a request does not contain.
 */
export const auditedRisk = ({ loss, risk, nats, sampling, pair }: Certificate): number | undefined =>
  pair || Object.keys(sampling).length > 0 ? undefined : loss === "nats" ? risk : nats;

/** The reason why no audit can bet against a certificate; undefined if an audit can. */
export function unaudited(certificate: Certificate): string | undefined {
  if (auditedRisk(certificate) !== undefined) return undefined;
  if (certificate.pair) return "a pair of models";
  const settings = Object.entries(certificate.sampling).map(([setting, value]) => `${setting} ${value}`);
  return settings.length > 0 ? settings.join(", ") : "no bound on nats";
}

/**
 * The state of a certificate's audits. Audits of an earlier certificate with this name do not count. @throws UserError if
 * the certificate is missing
 */
export function auditState(name: string): AuditState {
  const certificate = certificateHash(readCertificate(name));
  const stored = readKeptJson(auditFile(name), schema);
  return stored?.certificate === certificate ? stored : { certificate, ...noWealth, last: [], failed: 0 };
}

/** A certificate on this machine, the wealth of the bets against it so far, and whether it is off. */
export interface WatchedCertificate {
  readonly certificate: string;
  readonly wealth: number;
  readonly off: boolean;
}

/** All readable certificates on this machine. */
export function watchedCertificates(): WatchedCertificate[] {
  const folder = path.dirname(auditFile(""));
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return names
    .filter((name) => name.endsWith(".json") && !name.endsWith(".audit.json"))
    .flatMap((file) => watched(file.slice(0, -".json".length)));
}

function watched(certificate: string): WatchedCertificate[] {
  try {
    return [{ certificate, wealth: auditState(certificate).wealth, off: existsSync(switchFile(certificate)) }];
  } catch (error) {
    if (error instanceof UserError || error instanceof KeptFault) return [];
    throw error;
  }
}

/** Switches a certificate on again; its audit starts over. @throws UserError if it is missing */
export async function switchOn(name: string): Promise<void> {
  await switchCertificate(name, true);
  rmSync(auditFile(name), { force: true });
}

const TYPE: LossType = "unit";

/** The certificate of an answer, by its SHA-256. @throws UserError if the name now has a different certificate */
export function requireIssued(name: string, sha256: string): Certificate {
  const certificate = readCertificate(name);
  if (certificateHash(certificate) === sha256) return certificate;
  throw new UserError(`auto:${name}: the certificate was replaced before an answer under it was audited`);
}

/**
 * Bets on one more loss (undefined if the answer could not be replayed), and writes the state before acting on it.
 * @returns true if this switched the certificate off
 * @throws UserError if the name now has a different certificate
 */
export async function keepAudit(
  name: string,
  sha256: string,
  loss: number | undefined,
): Promise<{ state: AuditState; off: boolean }> {
  const certificate = requireIssued(name, sha256);
  const before = auditState(name);
  const risk = auditedRisk(certificate)!;
  const after = bet(before, loss ?? risk, TYPE, risk);
  const state = { ...before, ...after, last: [...after.last], failed: before.failed + (loss === undefined ? 1 : 0) };
  await keepJson(auditFile(name), state);
  const off = after.wealth >= 1 / (1 - certificate.confidence);
  if (off) await switchCertificate(name, false);
  return { state, off };
}
