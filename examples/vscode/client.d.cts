export interface ClientOptions {
  readonly server: string;
  readonly apiKey?: string;
  readonly model: string;
  readonly savings: readonly string[];
  /** Milliseconds without a key before the server is asked. */
  readonly pause: number;
  readonly maxTokens: number;
}

export interface Shown {
  readonly text: string;
  readonly stopped: boolean;
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
