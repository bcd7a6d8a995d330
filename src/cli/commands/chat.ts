import type { SessionOptions } from "../session.ts";
export async function chat(_options: SessionOptions): Promise<void> {}
