// Owns My bets: open and settled bets, their state changing by itself as the account channel tells.

import * as api from "../api.js";
import { RESULTS, marketName, minute, money, moneyText, outcomeName, resultOf, splitSelection, stamp, toMinor } from "../format.js";
import { html, signal, useEffect } from "../html.js";
import { account, bets, boardOf, checkSignedOut, clock, heardBets, signIn, sides, token } from "../store.js";
import { typeName } from "../types.js";
import { CashOut } from "./cashout.js";
import { matchLink } from "./home.js";

const PAGE = 50;
const shown = signal("all"); // open, settled or all
const next = signal(null); // where older bets begin, as the door last said; null: no more
const fault = signal("");

async function fetchBets(before) {
  fault.value = "";
  try {
    const page = await api.bets(token(), { state: "all", limit: PAGE, before });
    heardBets(page.bets);
    next.value = page.next;
  } catch (error) {
    checkSignedOut(error);
    fault.value = "Your bets could not be fetched. Those shown may be incomplete.";
  }
}

const FILTERS = { all: "All", open: "Open", settled: "Settled" };

/** For whoever is not signed in. */
export const SignInFirst = ({ what }) => html`<div class="panel empty">
  <p>Play as a guest with play money to see ${what}.</p>
  <button type="button" class="button main" onClick=${signIn}>Play as guest</button>
</div>`;

function Leg({ leg }) {
  const { type, line, outcome } = splitSelection(leg.selection);
  const names = sides(leg.fixture);
  const board = boardOf(leg.fixture);
  const live = board && board.status !== "scheduled";
  const parts = (leg.parts ?? []).map((part) => splitSelection(part.selection));
  const name = parts.length > 0
    ? parts.map((part) => `${outcomeName(part.type, part.outcome, part.line, names)} (${marketName(part.type, part.line, names)})`).join(" + ")
    : outcomeName(type, outcome, line, names);
  return html`<div class="leg">
    <strong>${name}</strong><span class="at">${leg.price}</span>
    <span class="question">${marketName(type, line, names)}</span>
    <a href=${matchLink(leg.fixture)}>${names.home} v ${names.away}</a>
    ${live && html`<span class="stands">${board.score.join("–")} <span class="minute">${minute(board, clock.value)}</span></span>`}
  </div>`;
}

function Row({ bet }) {
  const result = resultOf(bet);
  const stake = toMinor(bet.stake, bet.currency);
  const open = bet.status === "open";
  const cash = toMinor(bet.cash || "0", bet.currency);
  const returned = toMinor(bet.returns, bet.currency) + cash;
  return html`<li class=${`bet ${result}`} data-testid=${`bet-row-${bet.bet}`} data-result=${result}>
    ${(bet.legs.length > 1 || bet.free_bet) && html`<p class="kind" data-testid="bet-type">${typeName(bet.type ?? "", bet.legs.length)}${bet.free_bet ? " · free bet" : ""}</p>`}
    <div class="legs">${bet.legs.map((leg) => html`<${Leg} key=${leg.selection} leg=${leg} />`)}</div>
    <span class=${`chip ${result}`} data-testid="bet-status" data-status=${bet.status} data-result=${result} aria-live="polite">${RESULTS[result]}</span>
    <dl>
      <div><dt>Stake</dt><dd>${money(stake, bet.currency)}</dd></div>
      <div><dt>${open ? "To return" : "Returned"}</dt><dd class="returned" data-testid="bet-returns">
        ${open ? moneyText(bet.returns_max, bet.currency) : money(returned, bet.currency)}
      </dd></div>
      ${cash > 0n && open && html`<div><dt>Cashed out</dt><dd>${money(cash, bet.currency)} for ${moneyText(bet.cashed, bet.currency)}</dd></div>`}
      <div><dt>Placed</dt><dd>${stamp(bet.placed_ms)}</dd></div>
    </dl>
    ${open && !bet.free_bet && html`<${CashOut} bet=${bet} />`}
  </li>`;
}

export function Bets() {
  const signedIn = account.value?.account;
  useEffect(() => {
    if (signedIn) void fetchBets();
  }, [signedIn]);
  if (!signedIn) return html`<${SignInFirst} what="your bets" />`;
  const all = [...bets.value.values()].sort((a, b) => b.placed_ms - a.placed_ms || (a.bet < b.bet ? 1 : -1));
  const rows = all.filter((bet) => shown.value === "all" || (bet.status === "open") === (shown.value === "open"));
  return html`<section class="panel bets" aria-label="My bets">
    <h1>My bets</h1>
    <div class="tabs" role="group" aria-label="Which bets">
      ${Object.entries(FILTERS).map(([value, label]) => html`<button type="button" key=${value} aria-pressed=${shown.value === value}
        data-testid=${`bets-${value}`} onClick=${() => (shown.value = value)}>${label}</button>`)}
    </div>
    ${fault.value && html`<p class="fault" role="alert">${fault.value}</p>`}
    ${rows.length === 0 && html`<p class="empty">${shown.value === "open" ? "No open bets." : shown.value === "settled" ? "No settled bets yet." : "No bets yet. Tap a price to begin."}</p>`}
    <ul>${rows.map((bet) => html`<${Row} key=${bet.bet} bet=${bet} />`)}</ul>
    ${next.value !== null && html`<button type="button" class="more" onClick=${() => fetchBets(next.value)}>Older bets</button>`}
  </section>`;
}
