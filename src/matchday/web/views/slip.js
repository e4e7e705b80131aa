// Owns the slip as the fan sees it: beside the page on a wide screen, a sheet at the bottom of a small one.

import { marketName, money, moneyText, readStake, returnOf, thousandths, toDecimal, toMinor } from "../format.js";
import { html } from "../html.js";
import * as slip from "../slip.js";
import { account, connection, signIn, sides } from "../store.js";
import { useMove } from "./price.js";

const QUICK = [5n, 10n, 25n, 100n]; // whole units of the currency

const REFUSED = {
  market_suspended: "This market is suspended for a moment. Your stake was not taken; try again when it reopens.",
  market_closed: "This market has closed. No more bets are taken on it.",
  selection_unknown: "This selection is no longer offered.",
  generation_stale: "Something happened in the match after you saw this price (a goal, a card or a penalty).",
  price_moved: "The price changed before your bet was taken.",
  stake_below_minimum: "The stake is below the smallest we take.",
  stake_above_maximum: "The stake is above the most we take on one bet.",
  return_above_maximum: "The return would be above the most we pay on one bet. Try a smaller stake.",
  stake_limit_reached: "This would take you over your own stake limit for today. You can see it under Statement.",
  exposure_reached: "We have taken all we can on this selection. Try a smaller stake.",
  insufficient_funds: "Your balance does not cover this stake.",
  account_unknown: "Your session is not known any more. Sign in again.",
  account_not_open: "Your account is not open for betting.",
  currency_mismatch: "The stake is not in your account's currency.",
  id_expired: "This slip is too old. Place the bet again.",
  id_reused: "This slip was used for another bet. Place the bet again.",
  not_signed_in: "Your session has ended. Sign in again to bet.",
  busy: "We are very busy and did not take your bet. Try again in a moment.",
  unavailable: "Betting is not available right now. Your bet was not taken. Try again in a moment.",
  too_many_requests: "That was too quick for us, and your bet was not taken. Try again in a moment.",
};

const AWAITING = {
  sending: "Placing your bet…",
  retrying: "The connection is poor. Sending your bet again; it can only be taken once.",
  pending: "Your bet is with us. Waiting for the answer…",
  unknown: "We have not heard back yet, so your bet may or may not have been taken. We keep asking; it will show under My bets if it was.",
};

function Answer({ made }) {
  if (made.state in AWAITING) {
    return html`<div class="answer awaiting">
      <span class="spinner" aria-hidden="true"></span><span>${AWAITING[made.state]}</span>
    </div>`;
  }
  if (made.state === "accepted") {
    const { bet } = made;
    const price = bet?.legs[0].price;
    const asked = made.body.legs[0].price;
    const { currency } = made.body;
    return html`<div class="answer accepted">
      <strong>Bet accepted</strong>
      <span>${moneyText(made.body.stake, currency)} on ${slip.nameOf(made.pick)}${price && ` at ${price}`}.</span>
      ${price && price !== asked && html`<span>You got ${thousandths(price) > thousandths(asked) ? "a better price" : "the price of the moment"} (you saw ${asked}).</span>`}
      ${price && html`<span>Returns ${money(returnOf(toMinor(bet.stake, currency), price), currency)} if it wins.</span>`}
    </div>`;
  }
  return html`<div class="answer refused">
    <strong>Bet not taken</strong>
    <span>${REFUSED[made.reason] ?? made.detail}</span>
  </div>`;
}

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

function Stake({ currency, read }) {
  const add = (units) => {
    const minor = units * 10n ** BigInt(toDecimal(0n, currency).split(".")[1]?.length ?? 0);
    slip.stake.value = toDecimal((read.minor ?? 0n) + minor, currency);
  };
  return html`<div class="stake">
    <label for="stake">Stake <span class="unit">${currency}</span></label>
    <input id="stake" data-testid="slip-stake" inputmode="decimal" autocomplete="off" placeholder=${toDecimal(0n, currency)}
      value=${slip.stake.value} aria-invalid=${Boolean(read.fault)} aria-describedby="stake-fault"
      onInput=${(event) => (slip.stake.value = event.target.value)} />
    <div class="quick">${QUICK.map((units) => html`<button type="button" key=${units} onClick=${() => add(units)}>+${units.toString()}</button>`)}</div>
    <p class="fault" id="stake-fault" role="alert">${read.fault}</p>
  </div>`;
}

/** What the main button says and does, and whether it can. */
function action(now, read, made) {
  if (!account.value) return { label: "Play as guest to bet", run: signIn, ready: true };
  const moved = made?.state === "refused" && (made.reason === "price_moved" || made.reason === "generation_stale");
  if (now.status === "waiting") return { label: "Fetching the price…", ready: false };
  if (now.status === "closed") return { label: "Closed", ready: false };
  if (now.status !== "open") return { label: "Suspended", ready: false };
  const ready = read.minor !== undefined;
  if (moved) return { label: `Accept new price ${now.price}`, run: () => slip.place(now), ready };
  return { label: `Place bet${ready ? ` ${money(read.minor, account.value.currency)}` : ""}`, run: () => slip.place(now), ready };
}

/** Of a refusal that says how the price stands: that, unless the book has told us since. */
function asOf(now, made) {
  if (!made?.price || made.state !== "refused" || made.generation === undefined) return now;
  return made.generation > now.generation || now.price === made.body.legs[0].price
    ? { ...now, price: made.price, generation: made.generation }
    : now;
}

function Selection({ chosen, now }) {
  const move = useMove(now.price);
  const names = sides(chosen.fixture);
  const moved = now.price !== chosen.price;
  return html`<div class="selection">
    <div class="what">
      <strong>${slip.nameOf(chosen)}</strong>
      <span>${marketName(chosen.type, chosen.line, names)}</span>
      <span>${names.home} v ${names.away}</span>
    </div>
    <div class="odds">
      <span class=${`now ${move} ${now.status === "open" ? "" : "off"}`} data-testid="slip-price">${now.price}</span>
      ${moved && html`<s>${chosen.price}</s>`}
    </div>
    <button type="button" class="remove" aria-label="Take off the slip" data-testid="slip-remove" onClick=${slip.clear} disabled=${slip.inFlight()}>×</button>
  </div>`;
}

function Form({ chosen, now }) {
  const currency = account.value?.currency ?? "EUR";
  const read = readStake(slip.stake.value, currency);
  const made = slip.attempt.value;
  const { label, run, ready } = action(now, read, made);
  const short = account.value && read.minor !== undefined && read.minor > toMinor(account.value.balance, currency);
  const submit = (event) => {
    event.preventDefault();
    if (ready && !slip.inFlight()) run();
  };
  return html`<form onSubmit=${submit} novalidate>
    <${Stake} currency=${currency} read=${read} />
    <${Policy} />
    <p class="returns">Potential return
      <output data-testid="slip-return" data-amount=${read.minor === undefined ? "" : toDecimal(returnOf(read.minor, now.price), currency)}>
        ${read.minor === undefined ? "–" : money(returnOf(read.minor, now.price), currency)}
      </output>
    </p>
    ${short && html`<p class="hint">That is more than your balance.</p>`}
    ${connection.value.state !== "live" && html`<p class="hint">Not connected: the price shown may be out of date.</p>`}
    <button class="place" type="submit" data-testid="slip-place" disabled=${!ready || slip.inFlight()}>${label}</button>
  </form>`;
}

function Receipt() {
  return html`<div class="receipt">
    <a class="button" href="#/bets" onClick=${() => (slip.open.value = false)}>My bets</a>
    <button type="button" class="button" data-testid="slip-again" onClick=${slip.setAside}>Same again</button>
    <button type="button" class="button main" data-testid="slip-done" onClick=${slip.clear}>Done</button>
  </div>`;
}

export function Slip() {
  const chosen = slip.pick.value;
  const made = slip.attempt.value;
  if (chosen === null) {
    return html`<aside class="slip panel bare" aria-label="Bet slip"><h2>Bet slip</h2><p class="tip">Tap a price to put it here.</p></aside>`;
  }
  const now = asOf(slip.current(), made);
  const up = slip.open.value;
  return html`<aside class=${`slip panel ${up ? "up" : ""}`} aria-label="Bet slip" data-testid="slip">
    <button type="button" class="grip" aria-expanded=${up} onClick=${() => (slip.open.value = !up)} data-testid="slip-grip">
      <span class="grip-title">Bet slip</span>
      <span class="grip-pick">${slip.nameOf(chosen)} <b>${now.price}</b></span>
      <span class="chevron" aria-hidden="true"></span>
    </button>
    <h2>Bet slip</h2>
    <div class="body">
      <${Selection} key=${chosen.selection} chosen=${chosen} now=${now} />
      <div aria-live="assertive" data-testid="slip-answer" data-answer=${made?.state ?? ""} data-reason=${made?.reason ?? ""}>
        ${made && html`<${Answer} made=${made} />`}
      </div>
      ${made?.state === "accepted" ? html`<${Receipt} />` : html`<${Form} chosen=${chosen} now=${now} />`}
    </div>
  </aside>`;
}
