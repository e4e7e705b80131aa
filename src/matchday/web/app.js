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

addEventListener("hashchange", () => {
  const before = route.value;
  route.value = location.hash || "#/";
  if (before === route.value) return;
  const match = route.value.startsWith(MATCH);
  tapped(match ? "open" : "view", match ? decodeURIComponent(route.value.slice(MATCH.length)) : route.value);
  scrollTo(0, 0);
  open.value = false; // the sheet of a small screen would cover the new page
});

function Page() {
  const at = route.value;
  if (at.startsWith(MATCH)) {
    const fixture = decodeURIComponent(at.slice(MATCH.length));
    return html`<${Match} key=${fixture} fixture=${fixture} />`;
  }
  if (at === "#/bets") return html`<${Bets} />`;
  if (at === "#/statement") return html`<${Statement} />`;
  return html`<${Home} />`;
}

function App() {
  const match = route.value.startsWith(MATCH);
  const fixture = match ? decodeURIComponent(route.value.slice(MATCH.length)) : null;
  return html`
    <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); document.getElementById("main").focus(); }}>Skip to the page</a>
    <${Header} route=${route.value} />
    <div class=${`columns-page ${match ? "with-rail" : ""} ${connection.value.state}`}>
      ${match && html`<${Rail} at=${fixture} />`}
      <main id="main" tabindex="-1"><${Page} /></main>
      <${Slip} />
    </div>
    <${Footer} />
  `;
}

start();
resume();
render(html`<${App} />`, document.getElementById("app"));
