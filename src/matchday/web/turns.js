// Owns whose turn it is to be subscribed to: a page that follows much says no more at once than the server takes, also right
// after it has come back and wants everything again. The server closes connections that say too much (4029), and what it
// refuses counts most: so few subscriptions are without their answer at any time. Pure; times are handed in.

const PER_S = 15; // messages; the server takes 20
const AT_ONCE = 12; // messages without a pause; the server takes 40, and all that are unanswered may be in error
const UNANSWERED_MAX = 5;
export const ERROR_COST = 5; // messages that one in error counts as, beside itself

export class Turns {
  constructor() {
    this.wanted = new Set(); // channels of one connection, in the order in which they are asked for
    this.unanswered = new Set();
    this.paidMs = -Infinity; // until when all that was said is paid for
  }

  want(channel) {
    this.wanted.add(channel);
  }

  /** It is not wanted any more, and nobody waits for its answer. */
  forget(channel) {
    this.wanted.delete(channel);
    this.unanswered.delete(channel);
  }

  /** So much was said; of what waits for no turn, too, and of errors what they count as. */
  said(nowMs, messages = 1) {
    this.paidMs = Math.max(this.paidMs, nowMs) + (1_000 * messages) / PER_S;
  }

  answered(channel) {
    this.unanswered.delete(channel);
  }

  /** Milliseconds until the next turn; null where there is none before something is wanted or answered. */
  waitMs(nowMs) {
    if (this.wanted.size === 0 || this.unanswered.size >= UNANSWERED_MAX) return null;
    return Math.max(0, this.paidMs - nowMs - (1_000 * (AT_ONCE - 1)) / PER_S);
  }

  /** The channel whose turn has come; there must be one. */
  take() {
    const [channel] = this.wanted;
    this.wanted.delete(channel);
    this.unanswered.add(channel);
    return channel;
  }
}
