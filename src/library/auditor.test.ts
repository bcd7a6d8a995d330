/** Tests which requests are sampled for audits, and that the bets on them are fair. */
import { expect, test } from "vitest";
import type { Turn } from "../savings/auto/guarantee.ts";
import { seededRandom } from "../util/random.ts";
import { bet, noWealth } from "../util/risk/wealth.ts";
import { Auditor } from "./auditor.ts";

let arrived = 0;
/** The turns of a conversation that begins with a prompt, each as a separate request. */
const turns = (prompt: string, count: number): Turn[] =>
  Array.from({ length: count }, (_, turn) => ({
    earlier: Array.from({ length: turn }, (_, earlier) => `${prompt}/${earlier}`),
    prompt: `${prompt}/${turn}`,
    arrived: arrived++,
  }));

/** Waits until a sampled answer's audit ends; it ends at once, because the certificate is missing. */
const end = (auditor: Auditor): Promise<void> =>
  auditor.replay({ certificate: "none", sha256: "", model: "", prompt: [], answer: [] }, undefined!, undefined!);

test("a conversation that begins like a drawn one is drawn at a later turn, and then once", () => {
  const auditor = new Auditor({ share: 1 });
  const [first, second, third] = turns("late", 3);
  expect([second, third, first, second].map((turn) => auditor.draws(turn!))).toEqual([true, false, true, false]);
});

test("the answers to one request count as one, even if another with its prompt comes between", () => {
  const auditor = new Auditor({ share: 1 });
  const [[one], [two]] = [turns("same", 1), turns("same", 1)];
  expect([one, two, one, two].map((turn) => auditor.draws(turn!))).toEqual([true, true, false, false]);
});

test("none is drawn while 64 wait, and later turns of a conversation that was not drawn then are", async () => {
  const auditor = new Auditor({ share: 1 });
  for (let i = 0; i < 64; i++) expect(auditor.draws(turns(`full ${i}`, 1)[0]!)).toBe(true);
  const [first, second] = turns("full", 2);
  expect(auditor.draws(first!)).toBe(false);
  await end(auditor);
  expect(auditor.draws(second!)).toBe(true);
});

/**
 * Nine in ten conversations begin with the same prompt and lose nothing. Of the rest, half lose everything in all three
 * turns, so the mean loss is exactly the certified risk. Audits drawn by prompt would rarely see the frequent one.
 */
test("traffic at exactly the risk, with one frequent prompt, rarely switches a certificate off", async () => {
  const [streams, risk, confidence] = [60, 0.05, 0.95];
  let off = 0;
  for (let stream = 0; stream < streams; stream++) {
    const random = seededRandom(stream);
    const auditor = new Auditor({ share: 1 });
    let [state, most, audited] = [noWealth, 1, 0];
    for (let conversation = 0; conversation < 200; conversation++) {
      const frequent = random() < 0.9;
      const loss = !frequent && random() < 0.5 ? 1 : 0;
      for (const turn of turns(frequent ? "frequent" : `${conversation}`, 3)) {
        if (!auditor.draws(turn)) continue;
        audited++;
        state = bet(state, loss, "unit", risk);
        most = Math.max(most, state.wealth);
        await end(auditor);
      }
    }
    expect(audited).toBe(200);
    if (most >= 1 / (1 - confidence)) off++;
  }
  expect(off / streams).toBeLessThanOrEqual(0.05 + 3 * Math.sqrt((0.05 * 0.95) / streams));
});
