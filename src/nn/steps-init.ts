/** The bounds between which initial steps are drawn, and the smallest allowed step. */
const [SHORTEST, LONGEST, LEAST] = [1e-3, 1e-1, 1e-4];

/** The number whose softplus is a state space's initial step: from 0.001 to 0.1, evenly on a log scale. */
export const firstStep = (random: () => number): number =>
  inverseSoftplus(Math.max(LEAST, SHORTEST * (LONGEST / SHORTEST) ** random()));

const inverseSoftplus = (y: number): number => y + Math.log(-Math.expm1(-y));
