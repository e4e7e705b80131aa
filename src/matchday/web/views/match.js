// Owns the page of one match: the scoreboard and every market of its book.

import { day, marketName, opposite, outcomeName, signed, time } from "../format.js";
import { html, useEffect, useState } from "../html.js";
import { book, clock, isStale, watchFixture } from "../store.js";
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
    name=${`${marketName(market.type, market.line, board)}: ${outcomeName(market.type, outcome, market.line, board)}`} />`;
}

/** Whether bets are taken on any of some markets; else what to say instead. */
function Standing({ fixture, markets }) {
  const shown = markets.filter((market) => market.status !== "closed");
  if (shown.length === 0) return html`<span class="tag">Closed</span>`;
  const suspended = isStale(fixture) || shown.every((market) => market.status === "suspended");
  return suspended ? html`<span class="tag suspended" data-testid="suspended">Suspended</span>` : null;
}

function Section({ type, markets, board, children }) {
  const name = marketName(type, markets[0].line, board);
  return html`<section class="panel market" aria-label=${name} data-testid=${`market-${type}`}>
    <h3>${name} <${Standing} fixture=${board.fixture} markets=${markets} /></h3>
    ${children ?? html`<p class="closed">No more bets on this.</p>`}
  </section>`;
}

const WORDY = ["double_chance", "half_time_full_time"]; // answers that name both sides: written above their prices

/** One question with its few answers side by side; of several, as of the next goal, the one that is not answered yet. */
function Plain({ type, markets, board }) {
  const market = markets.find((each) => each.status !== "closed") ?? markets.at(-1);
  const shown = market.status !== "closed" && html`<div class=${`across ${market.selections.length > 3 ? "many" : ""} ${WORDY.includes(type) ? "wordy" : ""}`}>
    ${market.selections.map(({ outcome }) => priceOf(market, outcome, board, outcomeName(type, outcome, market.line, board)))}
  </div>`;
  return html`<${Section} type=${type} markets=${[market]} board=${board}>${shown || undefined}<//>`;
}

const winner = (score) => (score.startsWith("other_") ? score.slice(6) : ["away", "draw", "home"][1 + Math.sign(score[0] - score[2])]);

/** Scores in three columns: those that the home side wins, the draws, those that the away side wins. */
function Scores({ type, markets, board }) {
  const [market] = markets;
  const shown = market.status !== "closed" && html`<div class="scores">
    ${["home", "draw", "away"].map((side) => html`<div class="column" key=${side}>
      <span class="heads" aria-hidden="true">${board[side] ?? "Draw"}</span>
      ${market.selections.filter(({ outcome }) => winner(outcome) === side)
        .map(({ outcome }) => priceOf(market, outcome, board, outcome.startsWith("other_") ? "Any other" : outcomeName(type, outcome, null, board)))}
    </div>`)}
  </div>`;
  return html`<${Section} type=${type} markets=${markets} board=${board}>${shown || undefined}<//>`;
}

const quarters = (line) => Number(line) * 4; // only to sort and choose rows
const isMain = (line) => line.endsWith(".5") || Number(line) === 0;

const TOTALS = ["total_goals", "team_total_home", "team_total_away", "first_half_goals", "total_corners", "total_cards"];

/** Lines as rows. At first whole questions only (half lines and level); quarter lines on demand. */
function Lines({ type, markets, board }) {
  const [all, setAll] = useState(false);
  const handicap = type === "asian_handicap";
  const outcomes = handicap ? ["home", "away"] : ["over", "under"];
  const open = markets.filter((market) => market.status !== "closed").sort((a, b) => quarters(a.line) - quarters(b.line));
  const main = open.filter((market) => isMain(market.line));
  const rows = all || main.length === 0 ? open : main;
  if (rows.length === 0) return html`<${Section} type=${type} markets=${markets} board=${board} />`;
  return html`<${Section} type=${type} markets=${markets} board=${board}>
    <div class=${`lines ${handicap ? "handicap" : ""}`}>
      <div class="line heads" aria-hidden="true">
        ${!handicap && html`<span></span>`}<span>${handicap ? board.home : "Over"}</span><span>${handicap ? board.away : "Under"}</span>
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

const GROUPS = [
  ["Result", ["1x2", "double_chance", "draw_no_bet", "to_qualify"]],
  ["Goals", ["total_goals", "both_teams_to_score", "next_goal", "team_total_home", "team_total_away", "odd_even"]],
  ["Handicaps", ["asian_handicap"]],
  ["Halves", ["half_time_result", "half_time_full_time", "first_half_goals", "first_half_both_teams_to_score"]],
  ["Correct score", ["correct_score"]],
  ["Corners and cards", ["total_corners", "total_cards"]],
];

/** The markets of a book by group and type; types that this page does not know come last. */
function grouped(markets) {
  const byType = new Map();
  for (const market of markets) byType.set(market.type, [...(byType.get(market.type) ?? []), market]);
  const known = GROUPS.flatMap(([, types]) => types);
  const others = ["More", [...byType.keys()].filter((type) => !known.includes(type))];
  return [...GROUPS, others]
    .map(([name, types]) => [name, types.filter((type) => byType.has(type)).map((type) => [type, byType.get(type)])])
    .filter(([, found]) => found.length > 0);
}

function Group({ name, found, board }) {
  return html`<section class="group-of-markets" aria-label=${name} data-testid=${`group-${name.toLowerCase().replaceAll(" ", "-")}`}>
    <h2>${name}</h2>
    ${found.map(([type, markets]) => {
      const View = type === "correct_score" ? Scores : type === "asian_handicap" || TOTALS.includes(type) ? Lines : Plain;
      return html`<${View} key=${type} type=${type} markets=${markets} board=${board} />`;
    })}
  </section>`;
}

const NOTES = {
  postponed: "This match is postponed. Bets on it wait for a new start.",
  finished: "This match is over. Bets on it are being settled.",
  abandoned: "This match was abandoned. What was decided stands, the rest is void.",
  shortened: "This match was stopped, and its score stands. Bets on it are being settled.",
  awarded: "The result of this match was awarded. What the pitch had decided stands, the rest is void.",
  cancelled: "This match was called off. Bets on it are void.",
};

export function Match({ fixture }) {
  useEffect(() => watchFixture(fixture), [fixture]);
  const held = book(fixture).value;
  if (held === null) return html`<div class="panel waiting" role="status">Fetching the match…</div>`;
  if (held === "missing") return html`<div class="panel empty">This match is no longer on the board. <a href="#/">All matches</a></div>`;
  const { board } = held;
  const over = !["live", "scheduled", "postponed"].includes(board.status);
  return html`<article class="match-page">
    <a class="back" href="#/">‹ All matches</a>
    <${Scoreboard} board=${board} />
    ${NOTES[board.status] && html`<p class="panel over" role="status">${NOTES[board.status]}</p>`}
    ${!over && grouped([...held.markets.values()]).map(([name, found]) => html`<${Group} key=${name} name=${name} found=${found} board=${board} />`)}
  </article>`;
}
