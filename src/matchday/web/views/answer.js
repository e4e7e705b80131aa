// Owns what became of the bets of a slip, as a fan reads it, and what can be done about those that were refused.

import { inFlight } from "../attempts.js";
import { moneyText, thousandths, toMinor } from "../format.js";
import { html } from "../html.js";
import * as slip from "../slip.js";
import { clock } from "../store.js";

const REFUSED = {
  market_suspended: "This market is suspended for a moment. Your stake was not taken; try again when it reopens.",
  market_closed: "This market has closed. No more bets are taken on it.",
  selection_unknown: "This selection is no longer offered.",
  selection_repeated: "The same selection stands twice on this bet.",
  legs_related: "These selections are on one match and are not priced together.",
  legs_contradictory: "These selections cannot all win.",
  combination_unpriced: "These selections cannot be combined. Take one of them off.",
  generation_stale: "Something happened in the match after you saw this price (a goal, a card or a penalty).",
  price_moved: "The price changed before your bet was taken.",
  stake_below_minimum: "The stake is below the smallest we take.",
  stake_above_maximum: "The stake is above the most we take on this bet.",
  return_above_maximum: "The return would be above the most we pay on one bet. Try a smaller stake.",
  stake_limit_reached: "This would take you over your own stake limit. You can see it under Statement.",
  loss_limit_reached: "This would take you over your own loss limit. You can see it under Statement.",
  exposure_reached: "We have taken all we can on this selection. Try a smaller stake.",
  insufficient_funds: "Your balance does not cover this stake.",
  refused_by_trader: "Our trader has not taken this bet.",
  referral_expired: "No trader could answer in time. Your bet was not taken.",
  re_offered: "Our trader offers you this bet on other terms:",
  offer_unknown: "This offer is not there any more.",
  offer_expired: "The offer's time is over.",
  free_bet_unknown: "This free bet was used already.",
  free_bet_expired: "This free bet's time is over.",
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
const DELAY_MS_MAX = 15_000; // what waits longer waits for a trader, not for its delay

function waiting(made) {
  if (made.state !== "pending" || made.until_ms === undefined) return AWAITING[made.state];
  const seconds = Math.max(0, Math.ceil((made.until_ms - clock.value) / 1000));
  if (made.until_ms - made.since > DELAY_MS_MAX || seconds * 1000 > DELAY_MS_MAX) return `A trader is looking at your bet. Answer within ${seconds} s.`;
  return seconds > 0 ? `Bets on a match in play wait a moment. ${seconds} s…` : AWAITING.pending;
}

function Accepted({ made }) {
  const { bet, body } = made;
  const [leg] = bet?.legs ?? [];
  const single = bet?.legs.length === 1;
  const asked = body.legs[0].price;
  const stake = moneyText(body.stake, body.currency);
  return html`<div class="answer accepted">
    <strong>Bet accepted</strong>
    <span>${body.free_bet ? "Free bet of " : ""}${stake} on ${made.name}${single && leg ? ` at ${leg.price}` : ""}.</span>
    ${single && leg && leg.price !== asked && html`<span>You got ${thousandths(leg.price) > thousandths(asked) ? "a better price" : "the price of the moment"} (you saw ${asked}).</span>`}
    ${bet && html`<span>Returns ${moneyText(bet.returns_max, body.currency)} if ${single ? "it wins" : "all win"}.</span>`}
  </div>`;
}

const REFERABLE = ["stake_above_maximum", "return_above_maximum"];

/** What else could be done: less stake, a trader, an offer. */
function Instead({ made }) {
  const { body, offer } = made;
  if (offer) {
    return html`<button type="button" class="button main" data-testid="take-offer" disabled=${inFlight()} onClick=${() => slip.takeOffer(made)}>
      ${moneyText(offer.stake, body.currency)} at ${offer.prices.join(", ")}</button>`;
  }
  const most = made.stake_max && toMinor(made.stake_max, body.currency) > 0n ? made.stake_max : null;
  return html`
    ${most && html`<button type="button" class="button" data-testid="less-stake" disabled=${inFlight()} onClick=${() => slip.again(made, { stake: most })}>
      Place ${moneyText(most, body.currency)} instead</button>`}
    ${REFERABLE.includes(made.reason) && !body.refer && html`<button type="button" class="button" data-testid="ask-trader" disabled=${inFlight()}
      onClick=${() => slip.again(made, { refer: true })}>Ask a trader</button>`}`;
}

/** What became of one bet. */
export function Answer({ made, many }) {
  if (made.state in AWAITING) {
    return html`<div class="answer awaiting">
      <span class="spinner" aria-hidden="true"></span><span>${many && html`<b>${made.name}: </b>`}${waiting(made)}</span>
    </div>`;
  }
  if (made.state === "accepted") return html`<${Accepted} made=${made} />`;
  return html`<div class="answer refused">
    <strong>Bet not taken</strong>
    <span>${many && html`<b>${made.name}: </b>`}${REFUSED[made.reason] ?? made.detail}</span>
    <span class="instead"><${Instead} made=${made} /></span>
  </div>`;
}
