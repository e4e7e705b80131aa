// Owns the list of matches and the price buttons that every page uses.

import { day, minute, outcomeName, thousandths, time } from "../format.js";
import { html, useEffect, useRef, useState } from "../html.js";
import { home, now, pick, slip } from "../store.js";

const FLASH_MS = 1_500;
const OVER = new Set(["finished", "abandoned", "postponed"]);

/** A price that can be tapped; it flashes when it moves. */
export function Price({ board, market, selection, label }) {
  const before = useRef(selection.price);
  const [flash, setFlash] = useState("");
  useEffect(() => {
    if (before.current === selection.price) return undefined;
    setFlash(thousandths(selection.price) > thousandths(before.current) ? "up" : "down");
    before.current = selection.price;
    const timer = setTimeout(() => setFlash(""), FLASH_MS);
    return () => clearTimeout(timer);
  }, [selection.price]);
  const open = market.status === "open";
  const picked = slip.value?.selection === selection.selection ? "picked" : "";
  const name = outcomeName(market.type, selection.outcome, market.line, board);
  return html`<button class=${`price ${flash} ${picked}`} disabled=${!open} data-testid=${`price-${selection.selection}`}
    data-price=${selection.price} data-status=${market.status} aria-pressed=${picked !== ""}
    aria-label=${`${name} at ${selection.price}${open ? "" : `, ${market.status}`}`}
    onClick=${() => pick(board, market, selection)}>
    <span class="label">${label ?? name}</span>
    <span class="odds">${open ? selection.price : market.status === "suspended" ? "susp." : "–"}</span>
  </button>`;
}

export const Reds = ({ count }) => (count ? html`<span class="reds" title="sent off">${count}</span>` : null);

function Row({ row }) {
  const { board, market } = row;
  const live = board.status === "live";
  const when = board.status === "scheduled" ? `${day(board.kickoff_ms, now.value)} ${time(board.kickoff_ms)}` : minute(board, now.value);
  return html`<li class="match" data-testid=${`match-row-${board.fixture}`}>
    <a href=${`#/match/${encodeURIComponent(board.fixture)}`} data-testid="match-link">
      <span class=${`when ${live ? "live" : ""}`}>${when}</span>
      <span class="teams">
        <span class="team">${board.home} <${Reds} count=${board.red[0]} /></span>
        <span class="team">${board.away} <${Reds} count=${board.red[1]} /></span>
      </span>
      ${board.status !== "scheduled" && html`<span class="score"><b>${board.score[0]}</b><b>${board.score[1]}</b></span>`}
    </a>
    <div class="prices">${market?.selections.map((selection) => html`<${Price} key=${selection.selection}
      ...${{ board, market, selection, label: { home: "1", draw: "X", away: "2" }[selection.outcome] }} />`)}</div>
  </li>`;
}

export function Home() {
  const rows = [...home.value.values()].sort((a, b) => a.board.kickoff_ms - b.board.kickoff_ms || (a.board.fixture < b.board.fixture ? -1 : 1));
  const of = (test) => rows.filter((row) => test(row.board.status));
  const groups = [
    ["Live now", of((status) => status === "live")],
    ["Coming up", of((status) => status === "scheduled")],
    ["Just over", of((status) => OVER.has(status)).reverse()],
  ];
  if (!rows.length) return html`<p class="empty">Waiting for matches …</p>`;
  return groups.map(([title, found]) => found.length > 0 && html`<section key=${title}>
    <h2>${title} <small>${found.length}</small></h2>
    <ul class="matches">${found.map((row) => html`<${Row} key=${row.board.fixture} row=${row} />`)}</ul>
  </section>`);
}
