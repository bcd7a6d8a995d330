/** Square of the normal distribution's 97.5 % quantile. */
const Z2 = 1.959964 ** 2;

/**
 * The upper bound on the rate of an event not seen in n items: the upper end of Wilson's 95 % score interval for 0 of n
 * (1927).
 */
export const unseen = (n: number): number => Z2 / (n + Z2);
