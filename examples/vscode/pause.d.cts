export declare class AdaptivePause {
  answered(milliseconds: number): void;
  cancelled(milliseconds: number): void;
  length(shortest: number): number;
}

export declare function pause(milliseconds: number, signal: AbortSignal): Promise<boolean>;
