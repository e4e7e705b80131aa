// Owns cash-out: what is offered for each open bet that is on the screen, and the offers that a fan takes.

import * as api from "./api.js";
import { signal } from "./html.js";
import * as store from "./store.js";

const RETRIES_MAX = 8;
const RETRY_MS = 500;

/** Map of our bet id -> {amount, stake, until_ms, quote} | {reason} | {state: taking | taken | refused, ...}. */
export const offers = signal(new Map());

const change = (bet, offer) => (offers.value = new Map(offers.value).set(bet, offer));
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const taking = (bet) => offers.value.get(bet)?.state === "taking";

/** Ask what is offered for a bet, or for a part of its stake. */
export async function ask(bet, stake) {
  if (taking(bet)) return;
  try {
    const offer = await api.cashOutQuote(store.token(), bet, stake);
    if (!taking(bet)) change(bet, offer);
  } catch (error) {
    if (!taking(bet)) change(bet, { reason: error.reason ?? "unavailable" });
  }
}

/** Take an offer, once: the same id until it is known what became of it. */
export async function take(bet, offer) {
  if (taking(bet)) return;
  const body = { id: store.freshId(), quote: offer.quote };
  change(bet, { ...offer, state: "taking" });
  for (let tries = 0; tries < RETRIES_MAX; tries += 1) {
    const answer = await (tries % 2 === 0 || tries < 2 ? api.cashOut(store.token(), bet, body) : api.askBet(store.token(), body.id));
    if (answer.answer === "accepted") {
      if (answer.bet) store.heardBets([answer.bet]);
      change(bet, { ...offer, state: "taken" });
      return;
    }
    if (answer.answer === "refused") {
      change(bet, { state: "refused", reason: answer.reason });
      return;
    }
    await wait(answer.until_ms === undefined ? (answer.waitMs ?? RETRY_MS * 2 ** tries) : Math.max(RETRY_MS, answer.until_ms - store.serverNow() + RETRY_MS));
  }
  change(bet, { state: "refused", reason: "unknown" });
}

/** Have a bet cashed out by itself from some offer on; null: not any more. */
export async function setThreshold(bet, amount) {
  const answer = await api.cashOutAt(store.token(), bet, { id: store.freshId(), amount });
  if (answer.answer === "accepted" && answer.bet) store.heardBets([answer.bet]);
  return answer.answer === "accepted";
}
