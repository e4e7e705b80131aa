// Owns the slip: one selection, a stake, what the price may do, and the answer in plain words.

import { money, moneyText, outcomeName, readStake, returnOf } from "../format.js";
import { html } from "../html.js";
import { acceptNow, account, current, dismiss, edit, place, slip } from "../store.js";

const POLICIES = {
  better: ["Better prices", "Taken at this price or a longer one."],
  none: ["This price only", "Refused if the price has moved at all."],
  any: ["Any price", "Taken at whatever the price is when the bet arrives."],
};

const WHY = {
  price_moved: "The price has moved.",
  generation_stale: "Something happened on the pitch since you saw this price.",
  market_suspended: "The market is suspended; try again in a moment.",
  market_closed: "This market is closed.",
  selection_unknown: "This selection is not offered any more.",
  stake_below_minimum: "The stake is below the minimum.",
  stake_above_maximum: "The stake is above the maximum.",
  return_above_maximum: "The return would be above the maximum.",
  stake_limit_reached: "This would go over your own limit for the day.",
  exposure_reached: "We cannot take more on this selection now.",
  insufficient_funds: "There is not enough on your balance.",
  account_not_open: "Your account is not open for betting.",
  busy: "Very busy just now.",
  unavailable: "Bets cannot be taken at this moment.",
};

function Answer({ answer, fresh }) {
  if (!answer) return null;
  if (answer.answer === "accepted") {
    return html`<p class="answer good">Bet accepted at ${answer.bet.legs[0].price}.
      It returns ${moneyText(answer.bet.stake, answer.bet.currency)} × ${answer.bet.legs[0].price} if it wins.</p>`;
  }
  if (answer.answer === "refused") {
    const again = ["price_moved", "generation_stale"].includes(answer.reason) && fresh?.status === "open";
    return html`<div class="answer bad"><p>${WHY[answer.reason] ?? answer.detail ?? answer.reason}</p>
      ${again && html`<button class="again" onClick=${acceptNow}>Accept ${fresh.price}</button>`}</div>`;
  }
  const words = { signed_out: "Please sign in again.", busy: WHY.busy }[answer.answer];
  return html`<p class="answer">${words ?? "Waiting for the answer; your bet is not placed twice."}</p>`;
}

export function Slip() {
  const held = slip.value;
  if (!held) return html`<aside class="slip idle"><h2>Bet slip</h2><p>Tap a price to bet on it.</p></aside>`;
  const currency = account.value?.currency ?? "EUR";
  const fresh = current(held);
  const { minor, fault } = readStake(held.stake, currency);
  const placing = held.state === "placing";
  const done = held.answer?.answer === "accepted";
  const moved = fresh && fresh.price !== held.price;
  return html`<aside class="slip" data-testid="slip">
    <h2>Bet slip <button class="close" aria-label="Close the slip" onClick=${dismiss}>×</button></h2>
    <p class="pick"><b>${outcomeName(held.type, held.outcome, held.line, held.board)}</b>
      <span class="odds">${held.price}${moved && !done && html` <small>now ${fresh.price}</small>`}</span></p>
    <p class="of">${held.board.home} – ${held.board.away}</p>
    ${!done && html`<form onSubmit=${(event) => { event.preventDefault(); place(); }}>
      <label>Stake <input inputmode="decimal" autocomplete="off" placeholder="10.00" value=${held.stake} disabled=${placing}
        data-testid="slip-stake" aria-invalid=${Boolean(fault)} onInput=${(event) => edit({ stake: event.target.value, answer: null })} /></label>
      ${fault && html`<p class="fault">${fault}</p>`}
      <fieldset><legend>If the price moves</legend>
        ${Object.entries(POLICIES).map(([policy, [name]]) => html`<label class="choice"><input type="radio" name="policy" value=${policy}
          checked=${held.policy === policy} onChange=${() => edit({ policy })} /> ${name}</label>`)}
        <p class="explain">${POLICIES[held.policy][1]}</p></fieldset>
      <p class="return">Potential return <b data-testid="slip-return">${minor === undefined ? "–" : money(returnOf(minor, held.price), currency)}</b></p>
      <button class="place" data-testid="slip-place" disabled=${placing || (account.value && minor === undefined)}>
        ${!account.value ? "Play as guest" : placing ? "Placing …" : "Place bet"}</button>
    </form>`}
    <div aria-live="polite" data-testid="slip-answer" data-answer=${held.answer?.answer ?? ""} data-reason=${held.answer?.reason ?? ""}>
      <${Answer} answer=${held.answer} fresh=${fresh} /></div>
    ${done && html`<button class="place" onClick=${dismiss}>Done</button>`}
  </aside>`;
}
