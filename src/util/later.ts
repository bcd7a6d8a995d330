/** An asynchronous function whose module is loaded on its first call. */
export const later =
  <A extends unknown[], R>(load: () => Promise<(...call: A) => Promise<R>>) =>
  async (...call: A): Promise<R> =>
    (await load())(...call);
