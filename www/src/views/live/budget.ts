/** How much of the machine live captions may take: so many a minute, or a share of the time. */
export type Budget =
  | {
      readonly kind: "rate";
      /** Captions a minute. */
      readonly perMinute: number;
    }
  | {
      readonly kind: "share";
      /** Share of the time in which the model works, above 0 and at most 1. */
      readonly share: number;
    };

/** Milliseconds of rest after a caption that took `tookMs`. A caption that took too long is followed at once. */
export function restAfter(budget: Budget, tookMs: number): number {
  switch (budget.kind) {
    case "rate":
      return Math.max(0, 60_000 / budget.perMinute - tookMs);
    case "share":
      return tookMs * (1 / budget.share - 1);
  }
}
