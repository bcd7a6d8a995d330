/** Square of the normal distribution's 97.5 % quantile. */
const Z2 = 1.959964 ** 2;

/** How often what was not seen in n items may happen: the upper end of Wilson's 95 % score interval of none of n (1927). */
export const unseen = (n: number): number => Z2 / (n + Z2);
