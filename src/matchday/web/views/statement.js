// Owns the statement: entries on the fan's account as the ledger has them, and the fan's own stake limit.

import * as api from "../api.js";
import { money, moneyText, readStake, splitSelection, stamp, toDecimal, toMinor } from "../format.js";
import { html, signal, useEffect } from "../html.js";
import { nameOf } from "../slip.js";
import { account, accountMoved, bets, checkSignedOut, freshId, signOut, token } from "../store.js";
import { SignInFirst } from "./bets.js";

const PAGE = 50;
const UNLIMITED = 10n ** 12n; // minor units: a limit from here on is none that a fan would notice
const REASONS = { stake: "Stake", settlement: "Settlement", resettlement: "Settlement corrected", rollback: "Settlement taken back", grant: "Play money", deposit: "Deposit", withdrawal: "Withdrawal" };

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

async function setLimit(event, currency) {
  event.preventDefault();
  const { minor } = readStake(typed.value, currency);
  if (minor === undefined) {
    said.value = `Type an amount such as ${toDecimal(5000n, currency)}.`;
    return;
  }
  try {
    limits.value = await api.setLimit(token(), { id: freshId(), limit: "stake_day", amount: toDecimal(minor, currency) });
    const now = toMinor(perDay(limits.value).amount, currency);
    said.value = now === minor ? "Your new limit is in force." : "A higher limit comes into force in 24 hours. Until then the present one stays.";
    typed.value = "";
  } catch (error) {
    checkSignedOut(error);
    said.value = "The limit could not be set. Try again.";
  }
}

const perDay = (account) => account.limits.find((limit) => limit.limit === "stake_day");

function Limit() {
  const view = limits.value;
  if (!view) return null;
  const limit = toMinor(perDay(view).amount ?? "9".repeat(13), view.currency);
  return html`<section class="panel limit" aria-label="Your stake limit">
    <h2>Your stake limit</h2>
    <p>Staked today: <b>${moneyText(perDay(view).used, view.currency)}</b>${limit < UNLIMITED && html` of <b data-testid="stake-limit">${money(limit, view.currency)}</b>`}.
      A lower limit counts at once, a higher one after 24 hours.</p>
    <form onSubmit=${(event) => setLimit(event, view.currency)}>
      <label for="limit">New limit per day</label>
      <input id="limit" inputmode="decimal" autocomplete="off" value=${typed.value} onInput=${(event) => (typed.value = event.target.value)} />
      <button class="button" type="submit">Set limit</button>
    </form>
    <p class="hint" role="status">${said.value}</p>
  </section>`;
}

function about(entry) {
  const bet = bets.value.get(entry.bet);
  if (!bet) return "";
  const [leg] = bet.legs;
  return nameOf({ ...splitSelection(leg.selection), fixture: leg.fixture });
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
