export interface ClientOptions {
  readonly server: string;
  readonly apiKey?: string;
  readonly model: string;
  readonly savings: readonly string[];
  /** The least number of milliseconds without a key before the server is asked. A slow server is given more. */
  readonly pause: number;
  readonly maxTokens: number;
}

export interface Shown {
  /** What is left of the answer after what was typed along it. */
  readonly text: string;
  readonly stopped: boolean;
  /** The request's. Later keys that are shown the same answer have the same. */
  readonly receipt: {
    readonly id: string;
    readonly tokens: { readonly prompt: number; readonly cached: number; readonly completion: number };
    readonly flops: { readonly dense: number; readonly spent: number };
  };
}

export declare class CompletionClient {
  constructor(options: ClientOptions);
  complete(before: string, after: string, signal: AbortSignal): Promise<Shown | undefined>;
}
