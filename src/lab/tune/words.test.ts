import { expect, test } from "vitest";
import { certificateOf } from "../../savings/auto/fixture.testing.ts";
import { auditText } from "./words.ts";

test("a certificate that audits skip says why, and how to tune one that they accept", () => {
  const drawn = certificateOf("lookup", { loss: "nats", sampling: { repetitionPenalty: 1.05 } });
  expect(auditText(drawn)).toBe(
    "`serve --audit` skips its answers (repetitionPenalty 1.05): audits need greedy answers (--temperature 0) and a bound on nats",
  );
  expect(auditText(certificateOf("lookup", { loss: "agreement" }))).toContain("skips its answers (no bound on nats)");
  expect(auditText(certificateOf("lookup", { loss: "nats" }))).toBeUndefined();
});
