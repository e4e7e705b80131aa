// Owns the price button: its price, its flash when that changes, its lock when no bet is taken, and the tap.

import { thousandths } from "../format.js";
import { html, useEffect, useRef, useState } from "../html.js";
import { picked as onSlip, tap } from "../slip.js";
import { isStale } from "../store.js";

const FLASH_MS = 1_600;

const LOCK = html`<svg class="lock" viewBox="0 0 16 16" aria-hidden="true"><path d="M4.500 7V5a3.500 3.500 0 0 1 7 0v2h.5a1 1 0 0 1 1 1v5a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V8a1 1 0 0 1 1-1zm1.600 0h3.800V5a1.900 1.900 0 0 0-3.800 0z"/></svg>`;

/** "up" or "down" for a moment after the price changed, else "". */
export function useMove(price) {
  const before = useRef(price);
  const [move, setMove] = useState("");
  useEffect(() => {
    const was = before.current;
    before.current = price;
    if (!was || !price || was === price) return undefined;
    setMove(thousandths(price) > thousandths(was) ? "up" : "down");
    const timer = setTimeout(() => setMove(""), FLASH_MS);
    return () => clearTimeout(timer);
  }, [price]);
  return move;
}

/** A selection that can be tapped onto the slip. `caption` is shown, `name` is what a screen reader says. */
export function Price({ fixture, market, selection, caption, name }) {
  const move = useMove(selection.price);
  const status = isStale(fixture) && market.status === "open" ? "suspended" : market.status;
  const picked = onSlip(selection.selection);
  const offered = status === "open";
  return html`<button
    type="button"
    class=${`price ${move} ${picked ? "picked" : ""}`}
    data-testid=${`price-${selection.selection}`}
    data-price=${selection.price}
    data-status=${status}
    aria-pressed=${picked}
    aria-label=${`${name}, ${offered ? selection.price : status}`}
    disabled=${!offered}
    onClick=${() => tap(fixture, market, selection)}
  >
    ${caption && html`<span class="caption">${caption}</span>`}
    <span class="figure">${offered ? null : LOCK}<span class="digits">${selection.price}</span></span>
  </button>`;
}

/** The place of a price that is not there. */
export const NoPrice = () => html`<span class="price none" aria-hidden="true">–</span>`;
