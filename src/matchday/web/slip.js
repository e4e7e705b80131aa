// Owns the slip: the selection picked, the stake, the price policy, and the one bet that is on its way.
// A bet's id is made before its first attempt and kept until its outcome is known, across retries and reloads.

import * as api from "./api.js";
import { outcomeName, readStake, toDecimal } from "./format.js";
import { computed, effect, signal } from "./html.js";
import * as store from "./store.js";

const ATTEMPT = "matchday.attempt";
const RETRY_MS = 400; // doubles with each silence
const RETRY_MS_MAX = 8_000;
const SILENCES_MAX = 6; // then the fan is told that the outcome is not known yet; asking goes on
const BUSY_MAX = 4; // then, if nothing can have been recorded, the bet is given up

/** null, or {fixture, market, type, line, outcome, selection, price, generation}: as tapped. */
export const pick = signal(null);
export const stake = signal("");
export const policy = signal("better");
/** Whether the sheet is up on a small screen. */
export const open = signal(false);
/** null, or {state: sending | retrying | pending | unknown | accepted | refused, id, body, pick, ...the answer}. */
export const attempt = signal(null);

export const POLICIES = {
  none: ["This price only", "If the price changes before your bet is taken, it is refused and you decide."],
  better: ["Better prices", "A longer price is taken for you; a shorter one is refused and you decide."],
  any: ["Any price", "Your bet is taken at whatever the price is at that moment, longer or shorter."],
};

/** Whether an answer is still awaited by the fan. */
export const inFlight = () => ["sending", "retrying", "pending"].includes(attempt.value?.state);

/** Tap a price: it becomes the slip's selection; the same one again takes it off. */
export function tap(fixture, market, selection) {
  if (inFlight()) {
    open.value = true;
    return;
  }
  const same = pick.value?.selection === selection.selection && attempt.value === null;
  setAside();
  if (same) {
    clear();
    return;
  }
  pick.value = {
    fixture, market: market.market, type: market.type, line: market.line, outcome: selection.outcome,
    selection: selection.selection, price: selection.price, generation: market.generation,
  };
  open.value = true;
}

/** Take the selection off and close the slip. */
export function clear() {
  setAside();
  pick.value = null;
  open.value = false;
}

/** Off with the answer; a bet whose outcome is not known is still asked about behind the scenes. */
export function setAside() {
  if (!inFlight()) attempt.value = null;
}

/** The picked selection as it stands now: {price, generation, status}. */
export function current() {
  const chosen = pick.value;
  const held = store.book(chosen.fixture).value;
  const market = held === "missing" ? null : held?.markets.get(chosen.market);
  const selection = market?.selections.find((each) => each.selection === chosen.selection);
  if (!selection) return { price: chosen.price, generation: chosen.generation, status: held ? "closed" : "waiting" };
  const stale = store.connection.value.stale && market.status === "open";
  return { price: selection.price, generation: market.generation, status: stale ? "suspended" : market.status };
}

/** What the picked selection is called. */
export const nameOf = (chosen) => outcomeName(chosen.type, chosen.outcome, chosen.line, store.sides(chosen.fixture));

/** Place the bet on the slip at a price and generation that the fan sees. A new id each time. */
export function place(seen) {
  const { currency } = store.account.value;
  const { minor } = readStake(stake.value, currency);
  if (minor === undefined || inFlight()) return;
  const body = {
    id: store.freshId(), stake: toDecimal(minor, currency), currency, policy: policy.value,
    legs: [{ selection: pick.value.selection, price: seen.price, generation: seen.generation }],
  };
  const made = { id: body.id, body, token: store.token(), pick: { ...pick.value, price: seen.price } };
  localStorage.setItem(ATTEMPT, JSON.stringify(made));
  attempt.value = { ...made, state: "sending" };
  void pursue(made, false);
}

const pursued = new Map(); // id -> the bet whose outcome is not known yet

function conclude(made, answer) {
  if (made.concluded) return;
  made.concluded = true;
  pursued.delete(made.id);
  if (JSON.parse(localStorage.getItem(ATTEMPT) ?? "{}").id === made.id) localStorage.removeItem(ATTEMPT);
  if (answer.answer === "accepted" && answer.bet) store.heardAccepted(answer.bet, answer.balance, answer.repeated);
  if (answer.answer === "signed_out") store.signOut();
  const state = answer.answer === "accepted" ? "accepted" : "refused";
  const reason = answer.answer === "signed_out" ? "not_signed_in" : answer.reason;
  if (attempt.value?.id === made.id) attempt.value = { ...attempt.value, ...answer, reason, state };
}

function tell(made, state) {
  if (!made.concluded && attempt.value?.id === made.id) attempt.value = { ...attempt.value, state };
}

const wait = (ms) => new Promise((done) => setTimeout(done, ms * (0.75 + Math.random() / 2)));

/**
 * Until the outcome is known: send, send the same again, then by turns ask and send. Always the same id and body, so
 * that whatever arrived twice is taken once.
 */
async function pursue(made, asking) {
  let silences = 0;
  let busy = 0;
  let ask = asking;
  pursued.set(made.id, made);
  while (!made.concluded) {
    const answer = await (ask ? api.askBet(made.token, made.id) : api.placeBet(made.token, made.body));
    if (["accepted", "refused", "signed_out"].includes(answer.answer)) {
      conclude(made, answer);
      return;
    }
    if (answer.answer === "busy") {
      busy += 1;
      if (busy >= BUSY_MAX && silences === 0 && !asking) {
        conclude(made, { ...answer, answer: "refused" });
        return;
      }
      tell(made, "retrying");
      await wait(answer.waitMs);
      continue;
    }
    if (answer.answer === "pending") ask = true;
    else if (answer.answer === "unknown") ask = false;
    else ask = silences >= 1 && !ask;
    silences += 1;
    tell(made, answer.answer === "pending" ? "pending" : silences > SILENCES_MAX ? "unknown" : "retrying");
    await wait(Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** Math.min(silences, 8)));
  }
}

/** A bet that was on its way when the page was left: ask what became of it, and show it. */
export function resume() {
  const made = JSON.parse(localStorage.getItem(ATTEMPT) ?? "null");
  if (!made) return;
  if (made.token !== store.token()) {
    localStorage.removeItem(ATTEMPT); // somebody else's
    return;
  }
  pick.value = made.pick;
  attempt.value = { ...made, state: "pending" };
  open.value = true;
  void pursue(made, true);
}

// The account channel may know the outcome before any answer gets through.
effect(() => {
  for (const bet of store.bets.value.values()) {
    const made = pursued.get(bet.id);
    if (made) queueMicrotask(() => conclude(made, { answer: "accepted", bet }));
  }
});

// The slip's selection is followed for as long as it is there.
const followed = computed(() => pick.value?.fixture);
effect(() => (followed.value === undefined ? undefined : store.watchFixture(followed.value)));
