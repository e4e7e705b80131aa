// Owns the slip as the fan sees it: beside the page on a wide screen, a sheet at the bottom of a small one.

import { attempts, inFlight, outcome, setAside } from "../attempts.js";
import { marketName, money, moneyText, readStake, toDecimal, toMinor } from "../format.js";
import { html } from "../html.js";
import * as slip from "../slip.js";
import { account, connection, freeBets, signIn, sides } from "../store.js";
import { SINGLES, lineCount, typeName } from "../types.js";
import { Answer } from "./answer.js";
import { useMove } from "./price.js";

const QUICK = [5n, 10n, 25n, 100n]; // whole units of the currency

function Policy() {
  return html`<fieldset class="policy">
    <legend>If the price changes</legend>
    <div class="choices">
      ${Object.entries(slip.POLICIES).map(([value, [label]]) => html`<label key=${value}>
        <input type="radio" name="policy" value=${value} checked=${slip.policy.value === value} onChange=${() => (slip.policy.value = value)} />
        <span>${label}</span>
      </label>`)}
    </div>
    <p class="explained">${slip.POLICIES[slip.policy.value][1]}</p>
  </fieldset>`;
}

function Types() {
  if (slip.types.value.length < 2) return null;
  const legs = slip.legs.value.length;
  return html`<div class="types">
    <label for="type">Bet type</label>
    <select id="type" data-testid="slip-type" value=${slip.type.value} disabled=${inFlight()} onChange=${(event) => (slip.chosenType.value = event.target.value)}>
      ${slip.types.value.map((type) => {
        const lines = lineCount(type, type === SINGLES ? slip.picks.value.length : legs);
        return html`<option key=${type} value=${type}>${typeName(type, legs)}${lines > 1 ? ` (${lines} bets)` : ""}</option>`;
      })}
    </select>
  </div>`;
}

function FreeBet({ currency }) {
  if (freeBets.value.length === 0 || slip.type.value === SINGLES) return null;
  return html`<div class="types">
    <label for="free-bet">Stake</label>
    <select id="free-bet" data-testid="slip-free-bet" value=${slip.freeBet.value} onChange=${(event) => (slip.freeBet.value = event.target.value)}>
      <option value="">My own money</option>
      ${freeBets.value.map((each) => html`<option key=${each.free_bet} value=${each.free_bet}>Free bet of ${moneyText(each.amount, currency)}</option>`)}
    </select>
  </div>`;
}

function Stake({ currency, now }) {
  const read = readStake(slip.stake.value, currency);
  const add = (units) => {
    const minor = units * 10n ** BigInt(toDecimal(0n, currency).split(".")[1]?.length ?? 0);
    slip.stake.value = toDecimal((read.minor ?? 0n) + minor, currency);
  };
  return html`<div class="stake">
    <label for="stake">Stake${now.lines > 1 ? " per bet" : ""} <span class="unit">${currency}</span></label>
    <input id="stake" data-testid="slip-stake" inputmode="decimal" autocomplete="off" placeholder=${toDecimal(0n, currency)}
      value=${now.free ? now.free.amount : slip.stake.value} disabled=${Boolean(now.free)} aria-invalid=${Boolean(now.fault)} aria-describedby="stake-fault"
      onInput=${(event) => (slip.stake.value = event.target.value)} />
    ${!now.free && html`<div class="quick">${QUICK.map((units) => html`<button type="button" key=${units} onClick=${() => add(units)}>+${units.toString()}</button>`)}</div>`}
    <p class="fault" id="stake-fault" role="alert">${now.fault}</p>
  </div>`;
}

const MOVED = ["price_moved", "generation_stale"];
const STANDS = { waiting: "Fetching the price…", closed: "Closed", refused: "Cannot be combined" };

/** What the main button says and does, and whether it can. */
function action(now) {
  if (!account.value) return { label: "Play as guest to bet", run: signIn, ready: true };
  if (now.status !== "open") return { label: STANDS[now.status] ?? "Suspended", ready: false };
  const ready = now.total !== undefined && !now.fault;
  const run = () => slip.place(now);
  const [made] = attempts.value;
  const moved = attempts.value.length === 1 && made.state === "refused" && MOVED.includes(made.reason);
  if (moved && now.found.length === 1) return { label: `Accept new price ${now.found[0].price}`, run, ready };
  return { label: `Place bet${ready ? ` ${money(now.total, account.value.currency)}` : ""}`, run, ready };
}

function Selection({ pick, combined }) {
  const now = slip.current(pick);
  const move = useMove(now.price);
  const names = sides(pick.fixture);
  return html`<div class=${`selection ${combined ? "part" : ""}`}>
    <div class="what">
      <strong>${slip.nameOf(pick)}</strong>
      <span>${marketName(pick.type, pick.line, names)}</span>
      <span>${names.home} v ${names.away}</span>
    </div>
    <div class="odds">
      <span class=${`now ${move} ${now.status === "open" ? "" : "off"}`} data-testid="slip-price">${now.price}</span>
      ${now.price !== pick.price && html`<s>${pick.price}</s>`}
    </div>
    <button type="button" class="remove" aria-label="Take off the slip" data-testid="slip-remove" onClick=${() => slip.remove(pick.selection)} disabled=${inFlight()}>×</button>
  </div>`;
}

const UNPRICED = {
  legs_contradictory: "These cannot all win.",
  combination_unpriced: "These cannot be combined.",
};

/** A leg: a selection, or several on one match with their joint price. */
function Leg({ group, now }) {
  const combined = group.length > 1 && slip.type.value !== SINGLES;
  return html`<div class=${combined ? "combination" : ""} data-testid=${combined ? "slip-combination" : undefined}>
    ${group.map((pick) => html`<${Selection} key=${pick.selection} pick=${pick} combined=${combined} />`)}
    ${combined && html`<p class="joint"><span>${now?.status === "refused" ? (UNPRICED[now.reason] ?? "These cannot be combined now.") : "Together"}</span>
      <b data-testid="joint-price">${now?.price ?? "–"}</b></p>`}
  </div>`;
}

function Form({ now, currency }) {
  const { label, run, ready } = action(now);
  const short = account.value && !now.free && now.total !== undefined && now.total > toMinor(account.value.balance, currency);
  const submit = (event) => {
    event.preventDefault();
    if (ready && !inFlight()) run();
  };
  return html`<form onSubmit=${submit} novalidate>
    <${Types} />
    <${FreeBet} currency=${currency} />
    <${Stake} currency=${currency} now=${now} />
    <${Policy} />
    ${now.lines > 1 && now.total !== undefined && html`<p class="returns small">Total stake <span data-testid="slip-total">${money(now.total, currency)}</span></p>`}
    <p class="returns">Potential return
      <output data-testid="slip-return" data-amount=${now.returns === undefined ? "" : toDecimal(now.returns, currency)}>
        ${now.returns === undefined ? "–" : money(now.returns, currency)}
      </output>
    </p>
    ${short && html`<p class="hint">That is more than your balance.</p>`}
    ${connection.value.state !== "live" && html`<p class="hint">Not connected: the price shown may be out of date.</p>`}
    <button class="place" type="submit" data-testid="slip-place" disabled=${!ready || inFlight()}>${label}</button>
  </form>`;
}

function Receipt() {
  return html`<div class="receipt">
    <a class="button" href="#/bets" onClick=${() => (slip.open.value = false)}>My bets</a>
    <button type="button" class="button" data-testid="slip-again" onClick=${setAside}>Same again</button>
    <button type="button" class="button main" data-testid="slip-done" onClick=${slip.clear}>Done</button>
  </div>`;
}

function Grip({ up, now }) {
  const all = slip.picks.value;
  return html`<button type="button" class="grip" aria-expanded=${up} onClick=${() => (slip.open.value = !up)} data-testid="slip-grip">
    <span class="grip-title">Bet slip${all.length > 1 ? ` (${all.length})` : ""}</span>
    <span class="grip-pick">${all.length === 1 ? html`${slip.nameOf(all[0])} <b>${now.found[0].price}</b>` : typeName(slip.type.value, slip.legs.value.length)}</span>
    <span class="chevron" aria-hidden="true"></span>
  </button>`;
}

export function Slip() {
  if (slip.picks.value.length === 0) {
    return html`<aside class="slip panel bare" aria-label="Bet slip"><h2>Bet slip</h2><p class="tip">Tap a price to put it here. Several make an accumulator or a system.</p></aside>`;
  }
  const currency = account.value?.currency ?? "EUR";
  const now = slip.standing(currency);
  const made = attempts.value;
  const up = slip.open.value;
  return html`<aside class=${`slip panel ${up ? "up" : ""}`} aria-label="Bet slip" data-testid="slip">
    <${Grip} up=${up} now=${now} />
    <h2>Bet slip</h2>
    <div class="body">
      ${slip.legs.value.map((group, index) => html`<${Leg} key=${group[0].fixture} group=${group} now=${slip.type.value === SINGLES ? null : now.found[index]} />`)}
      <div aria-live="assertive" data-testid="slip-answer" data-answer=${outcome()} data-reason=${made.length === 1 ? (made[0].reason ?? "") : ""}>
        ${made.map((each) => html`<${Answer} key=${each.id} made=${each} many=${made.length > 1} />`)}
      </div>
      ${outcome() === "accepted" ? html`<${Receipt} />` : html`<${Form} now=${now} currency=${currency} />`}
    </div>
  </aside>`;
}
