// Owns what the page knows: fixtures, books, the account, the slip and the route, as signals. Applies what the socket
// says, and places bets: an id is made before the first attempt and stays until its answer is known.

import * as api from "./api.js";
import { readStake } from "./format.js";
import { batch, signal } from "./html.js";
import { newId } from "./ids.js";
import { Socket } from "./socket.js";

const TOKEN = "matchday.token";
const ASK_MS = 1_000; // pause before asking again what became of a bet
const ASKS_MAX = 30;

export const connection = signal("connecting"); // connecting | live | reconnecting
export const stale = signal(false);
export const now = signal(Date.now()); // the server's time, in step with its frames
export const home = signal(new Map()); // fixture -> {board, market}
export const books = signal(new Map()); // fixture -> {board, markets: Map(id -> Market)}
export const account = signal(null); // {account, currency, balance}
export const bets = signal([]);
export const slip = signal(null); // the selection, stake and policy being edited, and the answer
export const route = signal(readRoute());
export const notice = signal("");

let skew = 0;
let token = localStorage.getItem(TOKEN);
let leaveAccount = null;

const socket = new Socket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`, {
  state: (state) => {
    connection.value = state;
    if (state === "live") stale.value = false;
  },
  heartbeat: (isStale) => (stale.value = isStale),
  at: (ms) => (skew = ms - Date.now()),
  snapshot,
  delta,
  error: (frame) => frame.reason === "token_invalid" && signOut(),
});

export function start() {
  setInterval(() => (now.value = Date.now() + skew), 500);
  addEventListener("hashchange", () => (route.value = readRoute()));
  socket.connect();
  socket.watch("home");
  if (token) follow();
}

function readRoute() {
  const [, page = "", ...rest] = location.hash.split("/");
  return { page: page || "home", id: decodeURIComponent(rest.join("/")) };
}

/** Follow one match while its page is open; the function returned stops it. */
export const watchFixture = (id) => socket.watch(`fixture:${id}`);

function snapshot(channel, data) {
  if (channel === "home") home.value = new Map(data.fixtures.map((row) => [row.board.fixture, row]));
  else if (channel === "account") {
    batch(() => {
      account.value = { account: data.account, currency: data.currency, balance: data.balance };
      bets.value = data.bets;
    });
  } else setBook(data.board, new Map(data.markets.map((market) => [market.market, market])));
}

function delta(channel, data) {
  if (channel === "home") {
    const rows = new Map(home.value);
    for (const row of data.fixtures) rows.set(row.board.fixture, { ...rows.get(row.board.fixture), ...row });
    for (const fixture of data.removed) rows.delete(fixture);
    home.value = rows;
  } else if (channel === "account") data.facts.forEach(fact);
  else {
    const markets = new Map(books.value.get(data.board.fixture)?.markets);
    for (const market of data.markets) markets.set(market.market, market);
    setBook(data.board, markets);
  }
}

function setBook(board, markets) {
  books.value = new Map(books.value).set(board.fixture, { board, markets });
}

function fact(said) {
  batch(() => {
    account.value = { ...account.value, balance: said.balance };
    if (said.kind === "bet_accepted") keep(said.bet);
    else if (said.kind === "bet_settled") {
      const { status, version, returns } = said;
      bets.value = bets.value.map((bet) => (bet.bet === said.bet ? { ...bet, status, version, returns } : bet));
    }
  });
}

/** A bet as it is known now; what is known already of a later version stays. */
function keep(bet) {
  const held = bets.value.find((other) => other.bet === bet.bet);
  if (held && held.version >= bet.version) return;
  bets.value = [bet, ...bets.value.filter((other) => other.bet !== bet.bet)];
}

export async function signIn() {
  try {
    const guest = await api.guest();
    token = guest.token;
    localStorage.setItem(TOKEN, token);
    account.value = { account: guest.account, currency: guest.currency, balance: guest.balance };
    follow();
  } catch (error) {
    notice.value = error.message || "Signing in did not work; try again.";
  }
}

function follow() {
  socket.authenticate(token);
  leaveAccount?.();
  leaveAccount = socket.watch("account");
}

function signOut() {
  token = null;
  localStorage.removeItem(TOKEN);
  leaveAccount?.();
  leaveAccount = null;
  batch(() => {
    account.value = null;
    bets.value = [];
  });
}

export const statement = (before) => api.statement(token, { before, limit: 50 });

// --- the slip -------------------------------------------------------------------------------------------------------

/** Put a selection on the slip at the price that is seen now. */
export function pick(board, market, selection) {
  slip.value = {
    board, market: market.market, type: market.type, line: market.line, outcome: selection.outcome,
    selection: selection.selection, price: selection.price, generation: market.generation,
    stake: slip.value?.stake ?? "", policy: slip.value?.policy ?? "better", state: "open", answer: null,
  };
}

export const edit = (change) => slip.value && (slip.value = { ...slip.value, ...change });
export const dismiss = () => (slip.value = null);

/** The selection of the slip as the book has it now: {price, generation, status}. */
export function current(held) {
  const market = books.value.get(held.board.fixture)?.markets.get(held.market) ?? fromHome(held);
  const selection = market?.selections.find((other) => other.selection === held.selection);
  return market && { price: selection?.price ?? held.price, generation: market.generation, status: market.status };
}

function fromHome(held) {
  const market = home.value.get(held.board.fixture)?.market;
  return market?.market === held.market ? market : undefined;
}

/** Place the slip: one id, sent again until its answer is known. */
export async function place() {
  const held = slip.value;
  if (!token) return void (await signIn());
  const currency = account.value?.currency ?? "EUR";
  if (held.state === "placing" || readStake(held.stake, currency).fault !== undefined) return;
  const body = {
    id: newId(Date.now() + skew), stake: held.stake.trim(), currency, policy: held.policy,
    legs: [{ selection: held.selection, price: held.price, generation: held.generation }],
  };
  edit({ state: "placing", answer: null });
  const answer = await untilKnown(body);
  batch(() => {
    if (answer.bet) keep(answer.bet);
    if (answer.answer === "signed_out") signOut();
    if (slip.value?.selection === held.selection) edit({ state: "answered", answer });
  });
}

async function untilKnown(body) {
  let answer = await api.placeBet(token, body);
  for (let asks = 0; asks < ASKS_MAX && ["silent", "pending", "unknown", "busy"].includes(answer.answer); asks += 1) {
    edit({ answer });
    await new Promise((done) => setTimeout(done, answer.waitMs ?? ASK_MS));
    answer = answer.answer === "silent" || answer.answer === "pending"
      ? await api.askBet(token, body.id)
      : await api.placeBet(token, body); // nothing is recorded under this id: the same again is safe
  }
  return answer;
}

/** Take the price as it is now, under a new id. */
export function acceptNow() {
  const fresh = current(slip.value);
  if (fresh) edit({ price: fresh.price, generation: fresh.generation, state: "open", answer: null });
  return place();
}
