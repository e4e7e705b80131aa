// Owns the bets that are on their way: sent, sent again, asked about, until their outcome is known.
// A bet's id is made before its first attempt and kept until then, across retries and reloads.

import * as api from "./api.js";
import { effect, signal } from "./html.js";
import * as retries from "./retries.js";
import * as store from "./store.js";

const ATTEMPTS = "matchday.attempts";
const RETRY_MS = 400; // doubles with each silence
const RETRY_MS_MAX = 8_000;
const SILENCES_MAX = 6; // then the fan is told that the outcome is not known yet; asking goes on
const BUSY_MAX = 4; // then, if nothing can have been recorded, the bet is given up
const AFTER_MS = 400; // how long after its time a bet that waits is asked about

const AWAITING = ["sending", "retrying", "pending"];

/** Bets of the slip that was placed last: {state: sending | retrying | pending | unknown | accepted | refused, id, body,
 * name, ...the answer}, in the slip's order. */
export const attempts = signal([]);

/** Whether an answer is still awaited by the fan. */
export const inFlight = () => attempts.value.some((made) => AWAITING.includes(made.state));

/** One word for all of them: that of the one bet, or accepted or refused where they agree, else mixed. */
export function outcome() {
  const states = attempts.value.map((made) => made.state);
  return states.find((state) => AWAITING.includes(state)) ?? (new Set(states).size > 1 ? "mixed" : (states[0] ?? ""));
}

const pursued = new Map(); // id -> the bet whose outcome is not known yet

function remember() {
  const kept = [...pursued.values()].map(({ id, body, name, token, picks }) => ({ id, body, name, token, picks }));
  if (kept.length > 0) localStorage.setItem(ATTEMPTS, JSON.stringify(kept));
  else localStorage.removeItem(ATTEMPTS);
}

/** Send bets: {body, name, picks}, each under an id of its own. */
export function send(bets) {
  const made = bets.map((bet) => ({ ...bet, id: bet.body.id, token: store.token() }));
  attempts.value = made.map((each) => ({ ...each, state: "sending" }));
  for (const each of made) pursued.set(each.id, each);
  remember();
  for (const each of made) void pursue(each, false);
}

/** Off with the answers; a bet whose outcome is not known is still asked about behind the scenes. */
export function setAside() {
  if (!inFlight()) attempts.value = [];
}

function change(id, changes) {
  attempts.value = attempts.value.map((made) => (made.id === id ? { ...made, ...changes } : made));
}

function conclude(made, answer) {
  if (made.concluded) return;
  made.concluded = true;
  pursued.delete(made.id);
  remember();
  if (answer.answer === "accepted" && answer.bet) store.heardAccepted(answer.bet, answer.balance, answer.repeated);
  if (answer.answer === "signed_out") store.signOut();
  const state = answer.answer === "accepted" ? "accepted" : "refused";
  const reason = answer.answer === "signed_out" ? "not_signed_in" : answer.reason;
  change(made.id, { ...answer, reason, state });
}

const tell = (made, changes) => made.concluded || change(made.id, changes);
const wait = (ms) => new Promise((done) => setTimeout(done, ms * (0.75 + Math.random() / 2)));

/** How long to leave alone a bet that waits: until its time, for the account channel tells as soon as it is decided. */
const patience = (answer) => Math.max(0, answer.until_ms - store.serverNow()) + AFTER_MS;
const atLeast = (ms) => new Promise((done) => setTimeout(done, ms * (1 + Math.random() / 4)));

/**
 * Until the outcome is known: send, send the same again, then by turns ask and send. Always the same id and body, so
 * that whatever arrived twice is taken once.
 */
async function pursue(made, asking) {
  let silences = 0;
  let busy = 0;
  let ask = asking;
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
      tell(made, { state: "retrying" });
      await wait(Math.max(answer.waitMs, retries.turn()));
      continue;
    }
    if (answer.answer === "pending") {
      ask = true;
      tell(made, { state: "pending", until_ms: answer.until_ms });
      await (answer.until_ms === undefined ? wait(RETRY_MS * 2 ** Math.min(silences, 4)) : atLeast(patience(answer)));
      silences += answer.until_ms === undefined ? 1 : 0;
      continue;
    }
    ask = answer.answer === "unknown" ? false : silences >= 1 && !ask;
    silences += 1;
    tell(made, { state: silences > SILENCES_MAX ? "unknown" : "retrying" });
    await wait(Math.max(retries.turn(), Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** Math.min(silences, 8))));
  }
}

/** Bets that were on their way when the page was left: ask what became of them. The picks of their slip, or null. */
export function resume() {
  const kept = JSON.parse(localStorage.getItem(ATTEMPTS) ?? "[]").filter((made) => made.token === store.token());
  localStorage.removeItem(ATTEMPTS); // those of somebody else, too
  if (kept.length === 0) return null;
  attempts.value = kept.map((made) => ({ ...made, state: "pending" }));
  for (const made of kept) pursued.set(made.id, made);
  remember();
  for (const made of kept) void pursue(made, true);
  return kept.flatMap((made) => made.picks);
}

// The account channel may know the outcome before any answer gets through.
effect(() => {
  for (const bet of store.bets.value.values()) {
    const made = pursued.get(bet.id);
    if (made) queueMicrotask(() => conclude(made, { answer: "accepted", bet }));
  }
  for (const fact of store.refusals.value.values()) {
    const made = pursued.get(fact.id);
    if (made) queueMicrotask(() => conclude(made, { ...fact, answer: "refused" }));
  }
});
