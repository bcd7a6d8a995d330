import { describe, expect, test, vi } from "vitest";
import { UserError } from "../../util/errors.ts";
import { asDropped, hostOf, refusal, startOf, TransientError, totalOf } from "./network.ts";

const url = "https://host.example:8443/secret-token/m.bin";
const failed = (code: string) => new TypeError("fetch failed", { cause: Object.assign(new Error("x"), { code }) });
const response = (status: number, headers: Record<string, string> = {}) => new Response("", { status, headers });

test("only the host is shown", () => {
  expect(hostOf(url)).toBe("host.example:8443");
});

describe("an error of fetch", () => {
  test.each([
    ["ENOTFOUND", "no such host, or no network"],
    ["EAI_AGAIN", "no network (the name could not be looked up)"],
    ["ENETUNREACH", "no network"],
    ["ECONNRESET", "the connection was reset"],
    ["UND_ERR_CONNECT_TIMEOUT", "the connection timed out"],
    ["EWEIRD", "EWEIRD"],
  ])("%s may pass", (code, words) => {
    expect(asDropped(failed(code), url)).toEqual(new TransientError(words));
  });

  test("in the middle of a body may pass", () => {
    expect(asDropped(new TypeError("terminated"), url).message).toBe("the connection was closed");
    const dropped = new TransientError("x", 7);
    expect(asDropped(dropped, url)).toBe(dropped);
  });

  test.each(["SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "CERT_HAS_EXPIRED"])(
    "%s will not",
    (code) => {
      expect(() => asDropped(failed(code), url)).toThrow(UserError);
      expect(() => asDropped(failed(code), url)).toThrow(
        `Node does not trust the certificate of host.example:8443 (${code}); if your network has its own certificate, set NODE_EXTRA_CA_CERTS to it`,
      );
    },
  );

  test("that is not the network's is thrown on", () => {
    const bug = new RangeError("x");
    expect(() => asDropped(bug, url)).toThrow(bug);
  });
});

describe("a refusal", () => {
  test.each([
    [404, {}, "host.example:8443 refused m.bin: HTTP 404"],
    [403, {}, "host.example:8443 refused m.bin: HTTP 403"],
  ])("HTTP %i is the user's to know", (status, headers, sentence) => {
    expect(refusal(response(status, headers), "m.bin", url)).toEqual(new UserError(sentence));
  });

  test.each([
    [429, { "retry-after": "3" }, 3000],
    [503, { "retry-after": "86400" }, 60_000],
    [503, { "retry-after": "-5" }, 0],
    [503, { "retry-after": "Wed, 21 Oct 2015 07:28:00 GMT" }, 0],
    [500, {}, 0],
    [408, {}, 0],
    [416, {}, 0],
    [206, {}, 0],
  ] as const)("HTTP %i with %j may pass after %i ms", (status, headers, ms) => {
    const error = refusal(response(status, headers), "m.bin", url);
    expect(error).toBeInstanceOf(TransientError);
    expect((error as TransientError).waitMs).toBe(ms);
  });
});

test("Retry-After may be a date", () => {
  vi.spyOn(Date, "now").mockReturnValue(Date.UTC(2026, 0, 1));
  const inFive = new Date(Date.UTC(2026, 0, 1, 0, 0, 5)).toUTCString();
  const error = refusal(response(429, { "retry-after": inFive }), "m.bin", url) as TransientError;
  vi.restoreAllMocks();
  expect(error.waitMs).toBe(5000);
});

test.each([
  [206, { "content-range": "bytes 5-99/100", "content-length": "95" }, 5, 100],
  [206, { "content-range": "bytes 5-99/*", "content-length": "95" }, 5, 0],
  [206, { "content-range": "lines 5-99/100" }, Number.NaN, 0],
  [206, {}, Number.NaN, 0],
  [200, { "content-length": "100" }, Number.NaN, 100],
  [200, { "content-length": "many" }, Number.NaN, 0],
] as const)("HTTP %i with %j starts at %d of %d", (status, headers, start, total) => {
  expect(startOf(response(status, headers))).toBe(start);
  expect(totalOf(response(status, headers))).toBe(total);
});
