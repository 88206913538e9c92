/** Numbers as people read them. */

/** Bytes in megabytes of a million, as download sizes are given. */
export function megabytes(bytes: number, digits = 1): string {
  return `${(bytes / 1e6).toFixed(digits)} MB`;
}

/** Milliseconds, or seconds where those would be many. */
export function duration(milliseconds: number): string {
  return milliseconds < 1000
    ? `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms`
    : `${(milliseconds / 1000).toFixed(1)} s`;
}

/** How long something still takes, as one says it. */
export function timeLeft(milliseconds: number): string {
  const seconds = Math.ceil(milliseconds / 1000);
  return seconds < 90 ? `${seconds} s left` : `${Math.round(seconds / 60)} min left`;
}

/** The probability behind its natural logarithm. */
export function percent(logProbability: number): string {
  return percentage(Math.exp(logProbability));
}

/** A probability; one that is small and yet there is not called none. */
export function percentage(probability: number): string {
  const rounded = Math.round(probability * 100);
  return rounded === 0 && probability > 0 ? "< 1 %" : `${rounded} %`;
}
