// Owns what stands around every page: the header with connection, balance and sign-in, and the footer.

import { moneyText } from "../format.js";
import { html } from "../html.js";
import { waiting } from "../lobby.js";
import { account, bets, connection, home, signIn, signInFault } from "../store.js";

const waitText = (seconds) => (seconds < 90 ? `${seconds} seconds` : `${Math.round(seconds / 60)} minutes`);

const STATES = {
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
  stale: "Prices stale",
};

function Connection() {
  const { state, stale } = connection.value;
  const shown = state === "live" && stale ? "stale" : state;
  return html`<span class=${`connection ${shown}`} role="status" data-testid="connection" data-state=${shown}>
    <i aria-hidden="true"></i><span>${STATES[shown]}</span>
  </span>`;
}

function Purse() {
  if (!account.value) {
    return html`<button type="button" class="sign-in" data-testid="sign-in" onClick=${signIn}>Play as guest</button>`;
  }
  const { balance, currency } = account.value;
  return html`<span class="purse"><span class="label">Balance</span>
    <b data-testid="balance" data-amount=${balance} aria-live="polite" aria-atomic="true">${moneyText(balance, currency)}</b></span>`;
}

const PAGES = [["#/", "Matches"], ["#/bets", "My bets"], ["#/statement", "Statement"]];

export function Header({ route }) {
  const open = [...bets.value.values()].filter((bet) => bet.status === "open").length;
  const at = route.startsWith("#/match") ? "#/" : route;
  return html`<header class="top">
    <div class="bar">
      <a class="brand" href="#/"><img src="icon.svg" alt="" width="26" height="26" />Matchday</a>
      <nav aria-label="Pages">
        ${PAGES.map(([href, label]) => html`<a key=${href} href=${href} aria-current=${at === href ? "page" : undefined}>${label}${href === "#/bets" && open > 0 && html` <span class="badge">${open}</span>`}</a>`)}
      </nav>
      <${Connection} />
      <${Purse} />
    </div>
    ${waiting.value && html`<p class="banner" role="status" data-testid="waiting">Many fans are coming in. ${waiting.value.ahead > 0 ? `At most ${waiting.value.ahead} go before you` : "You are next"}: about ${waitText(waiting.value.waitS)}. Keep this page open; you come in by yourself.</p>`}
    ${signInFault.value && html`<p class="banner" role="alert">${signInFault.value}</p>`}
    ${connection.value.state === "reconnecting" && html`<p class="banner" role="status">Connection lost: scores and prices may be out of date. Reconnecting…</p>`}
    ${connection.value.state === "live" && connection.value.stale && html`<p class="banner" role="status">Prices are not being updated right now, so no bets are taken. They come back by themselves.</p>`}
  </header>`;
}

export function Footer() {
  const sources = new Set([...(home.value?.values() ?? [])].map(({ board }) => board.source).filter(Boolean));
  return html`<footer>
    <p><strong class="eighteen">18+</strong> Matchday plays with play money only. Nothing here can be bought, won or paid out. Please play responsibly: set yourself a <a href="#/statement">stake limit</a>.</p>
    <p>Scores and prices here may be ahead of your TV. Other fans may see events sooner or later than you do.</p>
    ${sources.size > 0 && html`<p>Match data: ${[...sources].join("; ")}</p>`}
  </footer>`;
}
