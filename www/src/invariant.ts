/** Values that cannot be missing. */

/** A value that is there, for the reason given. If it is not, the program is wrong and says so. */
export function present<T>(value: T | undefined, reason: string): T {
  if (value === undefined) throw new Error(`invariant: ${reason}`);
  return value;
}
