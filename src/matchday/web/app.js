// Owns the frame around every page: header, navigation, slip, footer. Starts the store.

import { moneyText } from "./format.js";
import { html, render } from "./html.js";
import { account, connection, home, notice, route, signIn, slip, stale, start } from "./store.js";
import { Home } from "./views/home.js";
import { Match } from "./views/match.js";
import { Bets, Statement } from "./views/mine.js";
import { Slip } from "./views/slip.js";

const STATES = { live: "Live", connecting: "Connecting …", reconnecting: "Reconnecting …" };

function Header() {
  const state = connection.value === "live" && stale.value ? "stale" : connection.value;
  return html`<header class="top">
    <a class="brand" href="#/">Matchday</a>
    <span class=${`connection ${state}`} data-testid="connection" data-state=${state} role="status">${STATES[state] ?? "Prices are late"}</span>
    <nav>${account.value && html`<a href="#/bets">My bets</a><a href="#/statement">Statement</a>`}</nav>
    ${account.value
      ? html`<span class="balance" data-testid="balance" aria-live="polite">${moneyText(account.value.balance, account.value.currency)}</span>`
      : html`<button class="sign-in" data-testid="sign-in" onClick=${signIn}>Play as guest</button>`}
  </header>`;
}

function Page() {
  const { page, id } = route.value;
  if (page === "match") return html`<${Match} id=${id} key=${id} />`;
  if (page === "bets") return html`<${Bets} />`;
  if (page === "statement") return html`<${Statement} />`;
  return html`<${Home} />`;
}

function App() {
  const sources = new Set([...home.value.values()].map((row) => row.board.source).filter((source) => source && source !== "simulated"));
  return html`<${Header} />
    ${notice.value && html`<p class="notice" role="alert">${notice.value}</p>`}
    <div class=${`columns ${slip.value ? "with-slip" : ""}`}><main><${Page} /></main><${Slip} /></div>
    <footer><p>Play money only. 18+. Bet for fun, and stop when it is none: your own daily limit is always on.</p>
      <p>Scores and prices here may be ahead of your television.</p>
      ${[...sources].map((source) => html`<p>Match data: ${source}</p>`)}</footer>`;
}

start();
render(html`<${App} />`, document.getElementById("app"));
