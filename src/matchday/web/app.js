// Owns the route (in the hash) and the page's frame. Starts everything.

import { html, render, signal } from "./html.js";
import { open, resume } from "./slip.js";
import { connection, start } from "./store.js";
import { tapped } from "./taps.js";
import { Bets } from "./views/bets.js";
import { Footer, Header } from "./views/frame.js";
import { Home, Rail } from "./views/home.js";
import { Match } from "./views/match.js";
import { Slip } from "./views/slip.js";
import { Statement } from "./views/statement.js";

const MATCH = "#/match/";
const route = signal(location.hash || "#/");

/** The fixture that a route is of, or null. What is no name of any, as of a link that was cut short, is one nobody knows. */
function fixtureOf(at) {
  if (!at.startsWith(MATCH)) return null;
  const name = at.slice(MATCH.length);
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

addEventListener("hashchange", () => {
  const before = route.value;
  route.value = location.hash || "#/";
  if (before === route.value) return;
  const fixture = fixtureOf(route.value);
  tapped(fixture === null ? "view" : "open", fixture ?? route.value);
  scrollTo(0, 0);
  open.value = false; // the sheet of a small screen would cover the new page
});

function Page({ fixture }) {
  const at = route.value;
  if (fixture !== null) return html`<${Match} key=${fixture} fixture=${fixture} />`;
  if (at === "#/bets") return html`<${Bets} />`;
  if (at === "#/statement") return html`<${Statement} />`;
  return html`<${Home} />`;
}

function App() {
  const fixture = fixtureOf(route.value);
  const match = fixture !== null;
  return html`
    <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); document.getElementById("main").focus(); }}>Skip to the page</a>
    <${Header} route=${route.value} />
    <div class=${`columns-page ${match ? "with-rail" : ""} ${connection.value.state}`}>
      ${match && html`<${Rail} at=${fixture} />`}
      <main id="main" tabindex="-1"><${Page} fixture=${fixture} /></main>
      <${Slip} />
    </div>
    <${Footer} />
  `;
}

start();
resume();
render(html`<${App} />`, document.getElementById("app"));
