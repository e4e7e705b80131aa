// Owns the statement: entries on the fan's account as the ledger has them, and the fan's own stake limit.

import * as api from "../api.js";
import { money, moneyText, readStake, splitSelection, stamp, toDecimal, toMinor } from "../format.js";
import { html, signal, useEffect } from "../html.js";
import { named } from "../slip.js";
import { account, accountMoved, bets, checkSignedOut, freshId, signOut, token } from "../store.js";
import { SignInFirst } from "./bets.js";

const PAGE = 50;
const UNLIMITED = 10n ** 12n; // minor units: a limit from here on is none that a fan would notice
const REASONS = { stake: "Stake", settlement: "Settlement", resettlement: "Settlement corrected", rollback: "Settlement taken back", cash_out: "Cash-out", grant: "Play money", deposit: "Deposit", withdrawal: "Withdrawal" };

const entries = signal([]);
const next = signal(null);
const fault = signal("");
const limits = signal(null);
const typed = signal("");
const said = signal("");

async function guarded(work) {
  fault.value = "";
  try {
    await work();
  } catch (error) {
    checkSignedOut(error);
    fault.value = "The statement could not be fetched. Try again.";
  }
}

const fetchNewest = () => guarded(async () => {
  const [page, view] = await Promise.all([api.statement(token(), { limit: PAGE }), api.account(token())]);
  const held = new Map([...entries.value, ...page.entries].map((entry) => [entry.entry, entry]));
  const first = entries.value.length === 0;
  entries.value = [...held.values()].sort((a, b) => b.entry - a.entry);
  if (first) next.value = page.next;
  limits.value = view;
});

const fetchOlder = () => guarded(async () => {
  const page = await api.statement(token(), { limit: PAGE, before: next.value });
  entries.value = [...entries.value, ...page.entries];
  next.value = page.next;
});

const NAMES = {
  stake_day: "Stakes in a day", stake_week: "Stakes in 7 days", stake_month: "Stakes in 30 days",
  loss_day: "Losses in a day", loss_week: "Losses in 7 days", loss_month: "Losses in 30 days",
};
const which = signal("stake_day");

async function setLimit(event, currency) {
  event.preventDefault();
  const { minor } = readStake(typed.value, currency);
  if (minor === undefined) {
    said.value = `Type an amount such as ${toDecimal(5000n, currency)}.`;
    return;
  }
  try {
    const limit = which.value;
    limits.value = await api.setLimit(token(), { id: freshId(), limit, amount: toDecimal(minor, currency) });
    const now = limits.value.limits.find((each) => each.limit === limit).amount;
    said.value = now !== null && toMinor(now, currency) === minor ? "Your new limit is in force." : "A higher limit comes into force in 24 hours. Until then the present one stays.";
    typed.value = "";
  } catch (error) {
    checkSignedOut(error);
    said.value = "The limit could not be set. Try again.";
  }
}

function LimitRow({ limit, currency }) {
  const amount = limit.amount === null ? UNLIMITED : toMinor(limit.amount, currency);
  return html`<li>${NAMES[limit.limit] ?? limit.limit}: <b>${moneyText(limit.used, currency)}</b>${amount < UNLIMITED && html` of <b data-testid=${limit.limit === "stake_day" ? "stake-limit" : undefined}>${money(amount, currency)}</b>`}
    ${limit.next_at_ms > 0 && html` <span class="hint">(${limit.next_amount === null ? "none" : moneyText(limit.next_amount, currency)} from ${stamp(limit.next_at_ms)})</span>`}</li>`;
}

function Limit() {
  const view = limits.value;
  if (!view) return null;
  const shown = view.limits.filter((limit) => limit.amount !== null || limit.limit === "stake_day");
  return html`<section class="panel limit" aria-label="Your limits">
    <h2>Your limits</h2>
    <ul>${shown.map((limit) => html`<${LimitRow} key=${limit.limit} limit=${limit} currency=${view.currency} />`)}</ul>
    <p>A lower limit counts at once, a higher one after 24 hours.</p>
    <form onSubmit=${(event) => setLimit(event, view.currency)}>
      <label for="limit-name">Limit</label>
      <select id="limit-name" value=${which.value} onChange=${(event) => (which.value = event.target.value)}>
        ${Object.entries(NAMES).map(([value, label]) => html`<option key=${value} value=${value}>${label}</option>`)}
      </select>
      <label for="limit">New amount</label>
      <input id="limit" inputmode="decimal" autocomplete="off" value=${typed.value} onInput=${(event) => (typed.value = event.target.value)} />
      <button class="button" type="submit">Set limit</button>
    </form>
    <p class="hint" role="status">${said.value}</p>
  </section>`;
}

const picks = (leg) => (leg.parts?.length ? leg.parts : [leg]).map(({ selection }) => ({ ...splitSelection(selection), fixture: leg.fixture }));

function about(entry) {
  const bet = bets.value.get(entry.bet);
  return bet ? named(bet.legs.map(picks), bet.type ?? "") : "";
}

function Entry({ entry }) {
  const amount = toMinor(entry.amount, entry.currency);
  return html`<tr data-testid=${`entry-${entry.entry}`}>
    <td class="stamp">${stamp(entry.at_ms)}</td>
    <td>${REASONS[entry.reason] ?? entry.reason} <span class="about">${about(entry)}</span></td>
    <td class=${`amount ${amount > 0n ? "in" : ""}`}>${amount > 0n ? "+" : ""}${money(amount, entry.currency)}</td>
  </tr>`;
}

export function Statement() {
  const signedIn = account.value?.account;
  useEffect(() => {
    entries.value = [];
    next.value = null;
  }, [signedIn]);
  useEffect(() => {
    if (signedIn) void fetchNewest();
  }, [signedIn, accountMoved.value]);
  if (!signedIn) return html`<${SignInFirst} what="your statement" />`;
  return html`<div class="account">
    <section class="panel statement" aria-label="Statement">
      <h1>Statement</h1>
      ${fault.value && html`<p class="fault" role="alert">${fault.value}</p>`}
      <table>
        <thead><tr><th scope="col">When</th><th scope="col">What</th><th scope="col" class="amount">Amount</th></tr></thead>
        <tbody>${entries.value.map((entry) => html`<${Entry} key=${entry.entry} entry=${entry} />`)}</tbody>
      </table>
      ${next.value !== null && html`<button type="button" class="more" onClick=${fetchOlder}>Older entries</button>`}
    </section>
    <${Limit} />
    <section class="panel leave"><h2>This device</h2>
      <p>A guest account lives on this device only. Once signed out, it cannot be opened again.</p>
      <button type="button" class="button" data-testid="sign-out" onClick=${() => confirm("Sign out and leave this guest account for good?") && signOut()}>Sign out</button>
    </section>
  </div>`;
}
