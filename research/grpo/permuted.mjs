/** The pattern's reward, with the rewards of each prompt's completions permuted: calls of one step arrive together. */
let waiting = [];

export function reward(prompt, completion, { pattern, seed }) {
  return new Promise((resolve) => {
    if (waiting.length === 0) setImmediate(settle);
    waiting.push({ prompt, seed, resolve, reward: Number(new RegExp(pattern).test(completion)) });
  });
}

let draws = 0;

function settle() {
  const all = waiting;
  waiting = [];
  for (const prompt of new Set(all.map((one) => one.prompt))) {
    const group = all.filter((one) => one.prompt === prompt);
    const rewards = group.map(({ reward }) => reward);
    for (let i = rewards.length - 1; i > 0; i--) {
      const j = Math.floor(random(group[0].seed, draws++) * (i + 1));
      [rewards[i], rewards[j]] = [rewards[j], rewards[i]];
    }
    for (const [i, { resolve }] of group.entries()) resolve(rewards[i]);
  }
}

/** A number in [0, 1), determined by a seed and a count. */
function random(seed, count) {
  let x = Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(count + 1, 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
}
