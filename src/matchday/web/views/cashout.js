// Owns the cash-out of an open bet as a fan sees it: what is offered, whole or half, and from when on by itself.

import { ask, offers, setThreshold, take } from "../cashing.js";
import { money, moneyText, readStake, toDecimal, toMinor } from "../format.js";
import { html, useEffect, useState } from "../html.js";

const ASK_MS = 5_000; // how often an offer on the screen is asked for anew

const WHY_NOT = {
  cash_out_unavailable: "Not offered right now",
  quote_moved: "The offer changed. Here is the new one:",
  quote_expired: "The offer's time was over. Here is the new one:",
  bet_not_open: "This bet is decided",
  unknown: "We have not heard back. Your balance shows whether it was paid.",
};

function Threshold({ bet }) {
  const [typed, setTyped] = useState("");
  const [said, setSaid] = useState("");
  const { minor } = readStake(typed, bet.currency);
  const set = async (amount) => setSaid((await setThreshold(bet.bet, amount)) ? "" : "That could not be set. Try again.");
  if (bet.cash_out_at) {
    return html`<p class="auto">By itself from ${moneyText(bet.cash_out_at, bet.currency)} on. <button type="button" class="more" onClick=${() => set(null)}>Stop</button></p>`;
  }
  const submit = (event) => {
    event.preventDefault();
    if (minor !== undefined) void set(toDecimal(minor, bet.currency));
  };
  return html`<form class="auto" onSubmit=${submit}>
    <label>By itself from <input inputmode="decimal" autocomplete="off" data-testid="cash-out-at" value=${typed} onInput=${(event) => setTyped(event.target.value)} /></label>
    <button type="submit" class="button" disabled=${minor === undefined}>Set</button><span role="status">${said}</span>
  </form>`;
}

export function CashOut({ bet }) {
  const [half, setHalf] = useState(false);
  const offer = offers.value.get(bet.bet);
  const left = toMinor(bet.stake, bet.currency) - toMinor(bet.cashed || "0", bet.currency);
  const part = half && left > 1n ? toDecimal(left / 2n, bet.currency) : undefined;
  useEffect(() => {
    void ask(bet.bet, part);
    const timer = setInterval(() => void ask(bet.bet, part), ASK_MS);
    return () => clearInterval(timer);
  }, [bet.bet, part]);
  const offered = offer?.amount !== undefined && offer.state === undefined;
  return html`<div class="cash-out" data-testid="cash-out" data-state=${offer?.state ?? (offered ? "offered" : "none")}>
    ${offer?.reason && html`<p class="hint" role="status">${WHY_NOT[offer.reason] ?? "Not offered right now"}</p>`}
    <div class="row">
      <button type="button" class="button main" data-testid="cash-out-take" disabled=${!offered} onClick=${() => take(bet.bet, offer)}>
        ${offer?.state === "taking" ? "Cashing out…" : offered ? `Cash out ${money(toMinor(offer.amount, bet.currency), bet.currency)}` : "Cash out"}
      </button>
      <label class="half"><input type="checkbox" checked=${half} disabled=${left < 2n} onChange=${() => setHalf(!half)} /> Half of it</label>
    </div>
    <${Threshold} bet=${bet} />
  </div>`;
}
