// Owns the page of one match: the scoreboard and every market of its book.

import { MARKETS, day, opposite, outcomeName, signed, time } from "../format.js";
import { html, useEffect, useState } from "../html.js";
import { book, clock, connection, watchFixture } from "../store.js";
import { Minute, Reds } from "./home.js";
import { NoPrice, Price } from "./price.js";

function Scoreboard({ board }) {
  const scheduled = board.status === "scheduled";
  const notes = [
    board.half_time && board.period !== "1H" && `HT ${board.half_time.join("–")}`,
    board.shoot_out && `Penalties ${board.shoot_out.join("–")}`,
    !scheduled && board.corners[0] + board.corners[1] > 0 && `Corners ${board.corners.join("–")}`,
  ].filter(Boolean);
  return html`<header class="scoreboard" data-testid="scoreboard">
    <p class="competition">${board.competition}</p>
    <div class="teams">
      <h1 class="home-side">${board.home} <${Reds} count=${board.red[0]} /></h1>
      <p class="middle">
        ${scheduled
          ? html`<span class="kick-off">${time(board.kickoff_ms)}</span><span class="minute">${day(board.kickoff_ms, clock.value)}</span>`
          : html`<span class="score" data-testid="score">${board.score[0]}<i>–</i>${board.score[1]}</span><${Minute} board=${board} />`}
      </p>
      <h1 class="away-side"><${Reds} count=${board.red[1]} /> ${board.away}</h1>
    </div>
    ${notes.length > 0 && html`<p class="notes">${notes.join(" · ")}</p>`}
  </header>`;
}

function priceOf(market, outcome, board, caption) {
  const selection = market.selections.find((each) => each.outcome === outcome);
  if (!selection) return html`<${NoPrice} key=${outcome} />`;
  return html`<${Price} key=${selection.selection} fixture=${board.fixture} market=${market} selection=${selection} caption=${caption}
    name=${`${MARKETS[market.type] ?? market.type}: ${outcomeName(market.type, outcome, market.line, board)}`} />`;
}

/** Whether bets are taken on any of some markets; else what to say instead. */
function Standing({ markets }) {
  const shown = markets.filter((market) => market.status !== "closed");
  if (shown.length === 0) return html`<span class="tag">Closed</span>`;
  const suspended = connection.value.stale || shown.every((market) => market.status === "suspended");
  return suspended ? html`<span class="tag suspended" data-testid="suspended">Suspended</span>` : null;
}

function Section({ type, markets, children }) {
  return html`<section class="panel market" aria-label=${MARKETS[type] ?? type} data-testid=${`market-${type}`}>
    <h2>${MARKETS[type] ?? type} <${Standing} markets=${markets} /></h2>
    ${children}
  </section>`;
}

function Plain({ type, markets, board }) {
  const [market] = markets;
  if (market.status === "closed") return html`<${Section} type=${type} markets=${markets}><p class="closed">No more bets on this.</p><//>`;
  return html`<${Section} type=${type} markets=${markets}>
    <div class="across">${market.selections.map(({ outcome }) => priceOf(market, outcome, board, outcomeName(type, outcome, market.line, board)))}</div>
  <//>`;
}

const quarters = (line) => Number(line) * 4; // only to sort and choose rows
const isMain = (line) => line.endsWith(".5") || Number(line) === 0;

const HEADS = {
  total_goals: { heads: ["Over", "Under"], outcomes: ["over", "under"] },
  asian_handicap: { heads: [null, null], outcomes: ["home", "away"] },
};

/** Lines as rows. At first whole questions only (half lines and level); quarter lines on demand. */
function Lines({ type, markets, board }) {
  const [all, setAll] = useState(false);
  const { heads, outcomes } = HEADS[type];
  const open = markets.filter((market) => market.status !== "closed").sort((a, b) => quarters(a.line) - quarters(b.line));
  const main = open.filter((market) => isMain(market.line));
  const rows = all || main.length === 0 ? open : main;
  if (rows.length === 0) return html`<${Section} type=${type} markets=${markets}><p class="closed">No more bets on this.</p><//>`;
  const handicap = type === "asian_handicap";
  return html`<${Section} type=${type} markets=${markets}>
    <div class=${`lines ${handicap ? "handicap" : ""}`}>
      <div class="line heads" aria-hidden="true">
        ${!handicap && html`<span></span>`}<span>${heads[0] ?? board.home}</span><span>${heads[1] ?? board.away}</span>
      </div>
      ${rows.map((market) => html`<div class="line" key=${market.market}>
        ${!handicap && html`<span class="at">${market.line.replace(/\.0$/, "")}</span>`}
        ${priceOf(market, outcomes[0], board, handicap ? signed(market.line) : null)}
        ${priceOf(market, outcomes[1], board, handicap ? signed(opposite(market.line)) : null)}
      </div>`)}
    </div>
    ${open.length > main.length && main.length > 0 && html`<button type="button" class="more" aria-expanded=${all} onClick=${() => setAll(!all)} data-testid=${`lines-${type}`}>
      ${all ? "Main lines only" : `All ${open.length} lines`}
    </button>`}
  <//>`;
}

export function Match({ fixture }) {
  useEffect(() => watchFixture(fixture), [fixture]);
  const held = book(fixture).value;
  if (held === null) return html`<div class="panel waiting" role="status">Fetching the match…</div>`;
  if (held === "missing") return html`<div class="panel empty">This match is no longer on the board. <a href="#/">All matches</a></div>`;
  const { board } = held;
  const of = (type) => [...held.markets.values()].filter((market) => market.type === type);
  const kinds = [...new Set([...held.markets.values()].map((market) => market.type))];
  const ordered = [...Object.keys(MARKETS).filter((type) => kinds.includes(type)), ...kinds.filter((type) => !(type in MARKETS))];
  const over = board.status !== "live" && board.status !== "scheduled";
  return html`<article class="match-page">
    <a class="back" href="#/">‹ All matches</a>
    <${Scoreboard} board=${board} />
    ${over && html`<p class="panel over" role="status">${board.status === "finished" ? "This match is over. Bets on it are being settled." : `This match was ${board.status}. What was undecided is void.`}</p>`}
    ${!over && ordered.map((type) => type in HEADS
      ? html`<${Lines} key=${type} type=${type} markets=${of(type)} board=${board} />`
      : html`<${Plain} key=${type} type=${type} markets=${of(type)} board=${board} />`)}
  </article>`;
}
