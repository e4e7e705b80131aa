// Owns the list of matches: live first, then upcoming by kick-off, then those just over. Also the rail beside a match.

import { day, minute, outcomeName, time } from "../format.js";
import { html } from "../html.js";
import { clock, home } from "../store.js";
import { NoPrice, Price } from "./price.js";

export const matchLink = (fixture) => `#/match/${encodeURIComponent(fixture)}`;

const byKickOff = (a, b) => a.board.kickoff_ms - b.board.kickoff_ms || (a.board.fixture < b.board.fixture ? -1 : 1);

/** Rows of each part of the list, in order. */
export function parts(fixtures) {
  const rows = [...fixtures.values()].sort(byKickOff);
  const of = (...statuses) => rows.filter((row) => statuses.includes(row.board.status));
  const over = of("finished", "abandoned", "shortened", "awarded", "cancelled", "unknown");
  return { live: of("live"), upcoming: of("scheduled", "postponed"), over };
}

/** The minute of a match, running on by itself. */
export function Minute({ board }) {
  return html`<span class=${`minute ${board.status}`}>${minute(board, clock.value)}</span>`;
}

/** Red cards of one side. */
export const Reds = ({ count }) =>
  count > 0 && html`<span class="reds" role="img" aria-label=${`${count} red card${count > 1 ? "s" : ""}`}>${count > 1 ? count : ""}</span>`;

function Side({ board, side }) {
  const at = side === "home" ? 0 : 1;
  const started = board.period !== "pre";
  return html`<span class="side">
    <span class="team">${board[side]}</span><${Reds} count=${board.red[at]} />
    ${started && html`<span class="goals">${board.score[at]}</span>`}
  </span>`;
}

function Row({ row }) {
  const { board, market } = row;
  const scheduled = board.status === "scheduled";
  return html`<li class=${`match ${board.status}`} data-testid=${`match-row-${board.fixture}`}>
    <a class="who" data-testid="match-link" href=${matchLink(board.fixture)}>
      <span class=${`when ${board.status}`}>
        ${scheduled ? html`<span class="minute">${time(board.kickoff_ms)}</span>` : html`<${Minute} board=${board} />`}
      </span>
      <span class="sides"><${Side} board=${board} side="home" /><${Side} board=${board} side="away" /></span>
    </a>
    <div class="prices">
      ${market && market.status !== "closed"
        ? market.selections.map((selection) => html`<${Price}
            key=${selection.selection} fixture=${board.fixture} market=${market} selection=${selection}
            name=${`${board.home} v ${board.away}: ${outcomeName(market.type, selection.outcome, null, board)}`}
          />`)
        : [0, 1, 2].map((at) => html`<${NoPrice} key=${at} />`)}
    </div>
  </li>`;
}

function Competition({ name, rows }) {
  return html`<div class="group">
    <div class="columns"><h3>${name}</h3><span class="prices" aria-hidden="true"><i>1</i><i>X</i><i>2</i></span></div>
    <ul>${rows.map((row) => html`<${Row} key=${row.board.fixture} row=${row} />`)}</ul>
  </div>`;
}

function Part({ title, rows, label }) {
  if (rows.length === 0) return null;
  const groups = new Map();
  for (const row of rows) groups.set(label(row), [...(groups.get(label(row)) ?? []), row]);
  return html`<section class="panel part" aria-label=${title}>
    <h2 class=${title === "Live" ? "live" : ""}>${title} <span class="count">${rows.length}</span></h2>
    ${[...groups].map(([name, some]) => html`<${Competition} key=${name} name=${name} rows=${some} />`)}
  </section>`;
}

export function Home() {
  if (home.value === null) return html`<div class="panel waiting" role="status">Fetching the matches…</div>`;
  const { live, upcoming, over } = parts(home.value);
  if (home.value.size === 0) return html`<div class="panel empty">No matches on the board right now. They appear here as soon as they are announced.</div>`;
  const now = Math.floor(clock.value / 60_000) * 60_000;
  return html`<div class="home">
    <h1 class="hidden">Matches</h1>
    <${Part} title="Live" rows=${live} label=${({ board }) => board.competition} />
    <${Part} title="Upcoming" rows=${upcoming} label=${({ board }) => `${day(board.kickoff_ms, now)} · ${board.competition}`} />
    <${Part} title="Just over" rows=${over} label=${({ board }) => board.competition} />
  </div>`;
}

/** Live matches in brief, beside a match on a wide screen. */
export function Rail({ at }) {
  const { live, upcoming } = parts(home.value ?? new Map());
  const rows = live.length > 0 ? live : upcoming.slice(0, 12);
  return html`<nav class="rail panel" aria-label="Other matches">
    <h2 class=${live.length > 0 ? "live" : ""}>${live.length > 0 ? "Live now" : "Upcoming"}</h2>
    <ul>${rows.map(({ board }) => html`<li key=${board.fixture}>
      <a href=${matchLink(board.fixture)} aria-current=${board.fixture === at ? "page" : undefined}>
        <span class=${`when ${board.status}`}>${board.status === "live" ? html`<${Minute} board=${board} />` : html`<span class="minute">${time(board.kickoff_ms)}</span>`}</span>
        <span class="sides"><${Side} board=${board} side="home" /><${Side} board=${board} side="away" /></span>
      </a>
    </li>`)}</ul>
  </nav>`;
}
