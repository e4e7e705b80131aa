// Owns how often this page may try again, over all that it does: bets on their way, and the socket. An outage is met by
// every page at once; what each of them adds to it has a limit, however many bets it has under way.

const BURST = 12; // retries that may be made at once
const EVERY_MS = 5_000; // after them, one in so long

let left = BURST;
let countedAt = performance.now();

/** Count one retry; the milliseconds that it has to wait for its turn: 0 while there are some left. */
export function turn() {
  const now = performance.now();
  left = Math.min(BURST, left + (now - countedAt) / EVERY_MS) - 1;
  countedAt = now;
  return left >= 0 ? 0 : -left * EVERY_MS;
}

/** Whether one could be made at once. */
export const spare = () => left + (performance.now() - countedAt) / EVERY_MS >= 1;
