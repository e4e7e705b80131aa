// Owns the slip: the selections picked, the type of bet, the stake, the price policy. Sends its bets (attempts.js).

import * as api from "./api.js";
import { attempts, inFlight, resume as resumeAttempts, send, setAside } from "./attempts.js";
import { outcomeName, readStake, thousandths, toDecimal, toMinor } from "./format.js";
import { computed, effect, signal, untracked } from "./html.js";
import * as store from "./store.js";
import * as taps from "./taps.js";
import { SINGLES, lineCount, potential, typeName, typesFor } from "./types.js";

const PICKS_MAX = 20;
const QUOTE_MS = 250; // how long the slip rests before it is priced anew

/** [{fixture, market, type, line, outcome, selection, price, generation}]: as tapped, in their order. */
export const picks = signal([]);
export const stake = signal("");
export const policy = signal("better");
/** The type that was chosen; the first that is possible where it is not. */
export const chosenType = signal("");
/** The free bet that is to be the stake, or "". */
export const freeBet = signal("");
/** Whether the sheet is up on a small screen. */
export const open = signal(false);
/** What the door said of this slip: {key, legs: [{price, reason}], stake_max, reason}, or null. */
const quoted = signal(null);

export const POLICIES = {
  none: ["This price only", "If the price changes before your bet is taken, it is refused and you decide."],
  better: ["Better prices", "A longer price is taken for you; a shorter one is refused and you decide."],
  any: ["Any price", "Your bet is taken at whatever the price is at that moment, longer or shorter."],
};

/** Whether a selection is on the slip. */
export const picked = (selection) => picks.value.some((pick) => pick.selection === selection);

/** Tap a price: it joins the slip; one that is there is taken off. After an accepted bet a new slip begins. */
export function tap(fixture, market, selection) {
  if (inFlight()) {
    open.value = true;
    return;
  }
  if (attempts.value.length > 0 && attempts.value.every((made) => made.state === "accepted")) picks.value = [];
  setAside();
  if (picked(selection.selection)) {
    remove(selection.selection);
    return;
  }
  taps.tapped("select", selection.selection);
  const pick = {
    fixture, market: market.market, type: market.type, line: market.line, outcome: selection.outcome,
    selection: selection.selection, price: selection.price, generation: market.generation,
  };
  // Of one market only one selection can be backed at a time: the last that was tapped.
  const others = picks.value.filter((each) => each.market !== pick.market);
  picks.value = [...others, pick].slice(-PICKS_MAX);
  open.value = true;
}

/** Take a selection off. */
export function remove(selection) {
  if (inFlight()) return;
  setAside();
  taps.tapped("unselect", selection);
  picks.value = picks.value.filter((pick) => pick.selection !== selection);
  if (picks.value.length === 0) open.value = false;
}

/** Take all off and close the slip. */
export function clear() {
  if (inFlight()) return;
  setAside();
  picks.value = [];
  freeBet.value = "";
  open.value = false;
}

/** A picked selection as it stands now: {price, generation, status}. */
export function current(pick) {
  const held = store.book(pick.fixture).value;
  const market = held === "missing" ? null : held?.markets.get(pick.market);
  const selection = market?.selections.find((each) => each.selection === pick.selection);
  if (!selection) return { price: pick.price, generation: pick.generation, status: held ? "closed" : "waiting" };
  const stale = store.isStale(pick.fixture) && market.status === "open";
  const now = { price: selection.price, generation: market.generation, status: stale ? "suspended" : market.status };
  return told(pick, now);
}

/** Of a refusal that says how the price stands: that, unless the book has told us since. */
function told(pick, now) {
  const [made] = attempts.value;
  if (attempts.value.length !== 1 || made.state !== "refused" || made.generation === undefined || !made.price) return now;
  const [leg] = made.body.legs;
  if (leg.selection !== pick.selection || !(made.generation > now.generation || now.price === leg.price)) return now;
  return { ...now, price: made.price, generation: made.generation };
}

/** What a picked selection is called. */
export const nameOf = (pick) => outcomeName(pick.type, pick.outcome, pick.line, store.sides(pick.fixture));

/** The selections by leg: those on one fixture are one leg, a combination. */
export const legs = computed(() => {
  const byFixture = new Map();
  for (const pick of picks.value) byFixture.set(pick.fixture, [...(byFixture.get(pick.fixture) ?? []), pick]);
  return [...byFixture.values()];
});

/** The types that can be chosen now, and the one that is. */
export const types = computed(() => typesFor(picks.value.length, legs.value.length));
export const type = computed(() => (types.value.includes(chosenType.value) ? chosenType.value : types.value[0]));

const asked = (group) => (group.length === 1 ? { selection: group[0].selection } : { parts: group.map((pick) => pick.selection) });
const groups = () => (type.value === SINGLES ? picks.value.map((pick) => [pick]) : legs.value);

/** What the door priced: of the same selections at the same prices. */
const quoteKey = computed(() => JSON.stringify([type.value, groups().map((group) => group.map((pick) => {
  const now = current(pick);
  return [pick.selection, now.price, now.generation, now.status];
}))]));

/** The price of a leg now: {price, status, reason}; of a combination as the door last said. */
export function legNow(group, index) {
  if (group.length === 1) return current(group[0]);
  const worst = group.map((pick) => current(pick).status).find((status) => status !== "open");
  if (worst) return { price: null, status: worst };
  const said = quoted.value?.key === quoteKey.value ? quoted.value.legs[index] : null;
  if (!said) return { price: null, status: "waiting" };
  return said.price === null ? { price: null, status: "refused", reason: said.reason } : { price: said.price, status: "open" };
}

/** The whole slip as it stands: {status, reason, prices: thousandths, lines, returns, total, lineStake, free}. */
export function standing(currency) {
  const found = groups().map(legNow);
  const wrong = found.find((leg) => leg.status !== "open");
  const free = type.value === SINGLES ? null : store.freeBets.value.find((each) => each.free_bet === freeBet.value);
  const read = free ? { minor: toMinor(free.amount, currency) } : readStake(stake.value, currency);
  const lines = lineCount(type.value, found.length);
  const bad = free && (read.minor % BigInt(lines) !== 0n) ? "This free bet does not divide by the lines of this bet." : read.fault;
  const lineStake = free && read.minor !== undefined ? read.minor / BigInt(lines) : read.minor;
  const total = lineStake === undefined ? undefined : lineStake * BigInt(lines);
  const made = { status: wrong?.status ?? "open", reason: wrong?.reason, fault: bad, lines, lineStake, total, free, found };
  if (wrong || lineStake === undefined || bad) return made;
  const prices = found.map((leg) => thousandths(leg.price));
  const each = type.value === SINGLES ? prices.map((price) => potential("single", lineStake, [price])) : [potential(type.value, lineStake, prices)];
  const returns = each.reduce((sum, more) => sum + more, 0n);
  return { ...made, prices, returns: free ? returns - total : returns };
}

function legBody(group, now) {
  if (group.length === 1) return { selection: group[0].selection, price: now.price, generation: now.generation };
  return { parts: group.map((pick) => ({ selection: pick.selection, generation: current(pick).generation })), price: now.price };
}

export const named = (bodyGroups, betType) => (bodyGroups.length === 1 ? bodyGroups[0].map(nameOf).join(" + ") : typeName(betType, bodyGroups.length));

/** Place the bets of the slip as the fan sees it. New ids each time. */
export function place(seen) {
  if (inFlight() || seen.total === undefined) return;
  const { currency } = store.account.value;
  const all = groups();
  const made = (bodyGroups, now, total, betType) => ({
    name: named(bodyGroups, betType), picks: bodyGroups.flat(),
    body: {
      id: store.freshId(), stake: toDecimal(total, currency), currency, policy: policy.value,
      legs: bodyGroups.map((group, index) => legBody(group, now[index])),
      ...(betType === "single" ? {} : { type: betType }), ...(seen.free ? { free_bet: seen.free.free_bet } : {}),
    },
  });
  taps.tapped("place", type.value);
  if (type.value === SINGLES) send(all.map((group, index) => made([group], [seen.found[index]], seen.lineStake, "single")));
  else send([made(all, seen.found, seen.total, type.value)]);
  freeBet.value = "";
}

/** Place a refused bet again, under a new id, with some things changed. */
export function again(made, changes) {
  send([{ name: made.name, picks: made.picks, body: { ...made.body, ...changes, id: store.freshId() } }]);
}

/** Take up a trader's offer. */
export function takeOffer(made) {
  const { offer } = made;
  const offered = made.body.legs.map((leg, index) => ({ ...leg, price: offer.prices[index] }));
  again(made, { stake: offer.stake, legs: offered, offer: offer.offer, refer: false });
}

/** A slip that was on its way when the page was left. */
export function resume() {
  const found = resumeAttempts();
  if (found === null) return;
  picks.value = found;
  open.value = true;
}

// A slip of several selections is priced by the door, anew whenever it or its prices change.
let timer = null;
effect(() => {
  const key = quoteKey.value;
  clearTimeout(timer);
  if (picks.value.length < 2 || !store.account.value) return;
  if (!groups().some((group) => group.length > 1)) return; // all prices are in the books
  const body = { currency: untracked(() => store.account.value.currency), legs: groups().map(asked), type: type.value };
  timer = setTimeout(async () => {
    const said = await api.quote(store.token(), body);
    if (said) quoted.value = { ...said, key };
  }, QUOTE_MS);
});

// The slip's fixtures are followed for as long as they are there; a tap changes nothing for the others.
const stops = new Map(); // fixture -> how to stop
effect(() => {
  const wanted = new Set(picks.value.map((pick) => pick.fixture));
  for (const fixture of wanted) if (!stops.has(fixture)) stops.set(fixture, store.watchFixture(fixture));
  for (const [fixture, stop] of stops) {
    if (wanted.has(fixture)) continue;
    stop();
    stops.delete(fixture);
  }
});
