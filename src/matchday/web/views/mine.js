// Owns the fan's own pages: bets, which change state by themselves, and the statement.

import { moneyText, outcomeName, resultOf, RESULTS, splitSelection, stamp, MARKETS } from "../format.js";
import { html, signal, useEffect } from "../html.js";
import { account, bets, home, signIn, statement } from "../store.js";

const filter = signal("all");
const entries = signal({ rows: [], next: null });
const REASONS = { stake: "Stake", settlement: "Settlement", resettlement: "Correction", grant: "Play money" };

const SignIn = () => html`<p class="empty">Sign in to see this. <button class="sign-in" onClick=${signIn}>Play as guest</button></p>`;

function Bet({ bet }) {
  const [leg] = bet.legs;
  const { type, line, outcome } = splitSelection(leg.selection);
  const board = home.value.get(leg.fixture)?.board;
  const names = board ?? { home: "Home", away: "Away" };
  const result = resultOf(bet);
  return html`<li class="bet" data-testid=${`bet-row-${bet.bet}`}>
    <div><b>${outcomeName(type, outcome, line, names)}</b> <span class="odds">${leg.price}</span><br />
      <small>${MARKETS[type] ?? type}${board && ` · ${board.home} ${board.score[0]}–${board.score[1]} ${board.away}`} · ${stamp(bet.placed_ms)}</small></div>
    <div class="money">${moneyText(bet.stake, bet.currency)}<br />
      <span class=${`status ${result}`} data-testid="bet-status">${RESULTS[result] ?? result}</span>
      ${bet.status !== "open" && html`<small> ${moneyText(bet.returns, bet.currency)}</small>`}</div>
  </li>`;
}

export function Bets() {
  if (!account.value) return html`<${SignIn} />`;
  const shown = bets.value.filter((bet) => filter.value === "all" || (bet.status === "open") === (filter.value === "open"));
  return html`<section><h1>My bets</h1>
    <p class="tabs">${["all", "open", "settled"].map((name) => html`<button aria-pressed=${filter.value === name}
      onClick=${() => (filter.value = name)}>${name[0].toUpperCase() + name.slice(1)}</button>`)}</p>
    ${shown.length ? html`<ul class="bets">${shown.map((bet) => html`<${Bet} key=${bet.bet} bet=${bet} />`)}</ul>`
      : html`<p class="empty">No bets here yet.</p>`}</section>`;
}

async function more(before) {
  const page = await statement(before);
  entries.value = { rows: [...(before ? entries.value.rows : []), ...page.entries], next: page.next };
}

export function Statement() {
  const balance = account.value?.balance;
  useEffect(() => void (balance !== undefined && more().catch(() => {})), [balance]);
  if (!account.value) return html`<${SignIn} />`;
  return html`<section><h1>Statement</h1>
    <table><thead><tr><th>When</th><th>What</th><th>Amount</th></tr></thead><tbody>
      ${entries.value.rows.map((entry) => html`<tr key=${entry.entry}><td>${stamp(entry.at_ms)}</td>
        <td>${REASONS[entry.reason] ?? entry.reason}</td><td class="money">${moneyText(entry.amount, entry.currency)}</td></tr>`)}
    </tbody></table>
    ${entries.value.next && html`<button onClick=${() => more(entries.value.next)}>Older</button>`}</section>`;
}
