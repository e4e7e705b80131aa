// Owns the page of one match: its scoreboard and all its markets.

import { MARKETS, minute, opposite, signed, thousandths, time } from "../format.js";
import { html, useEffect } from "../html.js";
import { books, now, watchFixture } from "../store.js";
import { Price, Reds } from "./home.js";

function Scoreboard({ board }) {
  const started = board.status !== "scheduled";
  return html`<header class="scoreboard">
    <p>${board.competition}</p>
    <h1><span>${board.home} <${Reds} count=${board.red[0]} /></span>
      <strong>${started ? `${board.score[0]} – ${board.score[1]}` : time(board.kickoff_ms)}</strong>
      <span>${board.away} <${Reds} count=${board.red[1]} /></span></h1>
    <p class=${board.status === "live" ? "when live" : "when"} data-testid="minute">${minute(board, now.value) || "Kick-off"}</p>
    <p class="detail">${board.half_time && `Half-time ${board.half_time.join("–")} · `}Corners ${board.corners.join("–")}
      ${board.shoot_out && ` · Shoot-out ${board.shoot_out.join("–")}`}</p>
  </header>`;
}

function labelOf(market, selection) {
  if (market.type === "asian_handicap") return signed(selection.outcome === "home" ? market.line : opposite(market.line));
  return undefined;
}

/** Markets of one type; lines from the most even price outwards would jump, so they stay in their order. */
function Group({ board, type, markets }) {
  const shown = markets.filter((market) => market.status !== "closed");
  if (!shown.length) return null;
  return html`<section class="market">
    <h2>${MARKETS[type] ?? type}</h2>
    ${type === "asian_handicap" && html`<p class="sides"><span>${board.home}</span><span>${board.away}</span></p>`}
    ${shown.map((market) => html`<div class="prices wide" key=${market.market}>
      ${market.selections.map((selection) => html`<${Price} key=${selection.selection}
        ...${{ board, market, selection, label: labelOf(market, selection) }} />`)}</div>`)}
  </section>`;
}

export function Match({ id }) {
  useEffect(() => watchFixture(id), [id]);
  const book = books.value.get(id);
  if (!book) return html`<p class="empty">Waiting for this match … <a href="#/">All matches</a></p>`;
  const byType = new Map();
  for (const market of book.markets.values()) byType.set(market.type, [...(byType.get(market.type) ?? []), market]);
  for (const markets of byType.values()) {
    markets.sort((a, b) => Number(thousandths((a.line ?? "0").replace("-", "")) * (a.line?.startsWith("-") ? -1n : 1n)
      - thousandths((b.line ?? "0").replace("-", "")) * (b.line?.startsWith("-") ? -1n : 1n)));
  }
  const closed = [...book.markets.values()].every((market) => market.status === "closed");
  return html`<article>
    <p><a href="#/">‹ All matches</a></p>
    <${Scoreboard} board=${book.board} />
    ${closed && html`<p class="empty">All markets are closed.</p>`}
    ${[...byType].map(([type, markets]) => html`<${Group} key=${type} board=${book.board} type=${type} markets=${markets} />`)}
  </article>`;
}
