// Owns what the page knows: books by channel, the account and its bets, the connection, the server's clock.
// Hears frames from the socket and answers from the doors; views read its signals. Decides nothing about bets (slip.js).

import * as api from "./api.js";
import { toDecimal, toMinor } from "./format.js";
import { batch, signal, untracked } from "./html.js";
import { newId } from "./ids.js";
import { newGuest, waiting } from "./lobby.js";
import { patchedMarkets, patchedRow } from "./patches.js";
import { Socket } from "./socket.js";
import * as taps from "./taps.js";

const TOKEN = "matchday.token";
const NAMES = "matchday.names";
const NAMES_MAX = 300; // fixtures whose sides are remembered, so that old bets keep their names
const REFUSALS_MAX = 50; // of bets that waited
const CLOCK_MS_MAX = 60_000; // how long an estimate of the server's clock is kept before a later frame may replace it

/** connecting, live or reconnecting; and whether the server says that its prices are stale, or of which fixtures. */
export const connection = signal({ state: "connecting", stale: false, staleFixtures: [] });

/** Whether the prices of a fixture are stale. */
export const isStale = (fixture) => connection.value.stale || connection.value.staleFixtures.includes(fixture);
/** Map of fixture -> {board, market}, or null until the first snapshot. */
export const home = signal(null);
/** null, or {account, currency, balance} of the fan who is signed in. */
export const account = signal(null);
/** Map of our bet id -> bet. */
export const bets = signal(new Map());
/** Map of a caller's id -> why a bet that had to wait was refused: {id, reason, detail, stake_max?, offer?}. */
export const refusals = signal(new Map());
/** Free bets that can be used: [{free_bet, amount, until_ms}]. */
export const freeBets = signal([]);
/** Counts facts of the account: whoever shows the statement fetches it anew. */
export const accountMoved = signal(0);
/** What went wrong at sign-in, for the fan; empty when nothing did. */
export const signInFault = signal("");
/** The server's time in milliseconds, as of the last half second. */
export const clock = signal(Date.now());

// --- the server's clock ------------------------------------------------------------------------------------------------

let ahead = null; // server time - performance.now(), and when that was learned

function heardAt(atMs) {
  const now = performance.now();
  // Frames can be late but never early: the largest difference is the truest.
  if (ahead === null || atMs - now > ahead.ms || now - ahead.since > CLOCK_MS_MAX) ahead = { ms: atMs - now, since: now };
}

/** Milliseconds since 1970 as the server has it; the machine's own until the server was heard. */
export const serverNow = () => (ahead === null ? Date.now() : Math.round(performance.now() + ahead.ms));

setInterval(() => (clock.value = serverNow()), 500);

/** A new UUIDv7 by the server's clock, so that a wrong clock here does not make it expired. */
export const freshId = () => newId(serverNow());

// --- books -------------------------------------------------------------------------------------------------------------

const books = new Map(); // fixture -> signal of null (not yet), {board, markets: Map} or "missing"

/** The whole book of a fixture; kept up while somebody watches its channel. */
export function book(fixture) {
  if (!books.has(fixture)) books.set(fixture, signal(null));
  return books.get(fixture);
}

/** Follow a fixture's book; returns how to stop. */
export const watchFixture = (fixture) => socket.watch(`fixture:${fixture}`);

const names = new Map(Object.entries(JSON.parse(localStorage.getItem(NAMES) ?? "{}")));

function remember(board) {
  if (names.has(board.fixture)) return;
  names.set(board.fixture, { home: board.home, away: board.away });
  const kept = [...names].slice(-NAMES_MAX);
  localStorage.setItem(NAMES, JSON.stringify(Object.fromEntries(kept)));
}

/** What the sides of a fixture are called, also when it is long off the board. */
export function sides(fixture) {
  const board = home.value?.get(fixture)?.board ?? book(fixture).value?.board;
  return board ?? names.get(fixture) ?? { home: "Home", away: "Away" };
}

/** The board of a fixture if it is on the screens now. */
export const boardOf = (fixture) => home.value?.get(fixture)?.board ?? book(fixture).value?.board ?? null;

function homeChanged(rows, removed, before) {
  const fixtures = new Map(before);
  for (const row of rows) {
    const changed = patchedRow(fixtures.get(row.board.fixture), row);
    fixtures.set(row.board.fixture, changed);
    remember(changed.board);
  }
  for (const fixture of removed) fixtures.delete(fixture);
  home.value = fixtures;
}

function bookHeard(fixture, board, markets) {
  book(fixture).value = { board, markets };
  remember(board);
}

/** A channel was refused: if a fixture's page waits for a book that is not there, say so. */
async function checkMissing() {
  for (const [fixture, held] of books) {
    if (held.value !== null || !socket.channels.has(`fixture:${fixture}`)) continue;
    try {
      await api.fixture(fixture);
    } catch (error) {
      if (error.status === 404) held.value = "missing";
    }
  }
}

// --- the account -------------------------------------------------------------------------------------------------------

/** The token of the fan who is signed in, or null. */
export const token = () => localStorage.getItem(TOKEN);

/** Take bets in: of each, the higher decision version is the truth. */
export function heardBets(list) {
  const all = new Map(bets.value);
  for (const bet of list) {
    if (!(all.get(bet.bet)?.version > bet.version)) all.set(bet.bet, bet);
  }
  bets.value = all;
}

/** The door's answer to a bet, which may come before or after the account channel says the same. */
export function heardAccepted(bet, balance, repeated) {
  const news = !bets.value.has(bet.bet);
  heardBets([bet]);
  if (news && balance && !repeated && account.value) account.value = { ...account.value, balance };
}

function changeBet(id, changes) {
  const bet = bets.value.get(id);
  if (bet) heardBets([{ ...bet, ...changes(bet) }]);
}

function heardCashOut(fact) {
  const add = (before, more, currency) => toDecimal(toMinor(before || "0", currency) + toMinor(more, currency), currency);
  changeBet(fact.bet, (bet) => ({
    status: toMinor(fact.remaining, bet.currency) === 0n ? "cashed_out" : bet.status,
    cashed: add(bet.cashed, fact.stake, bet.currency), cash: add(bet.cash, fact.amount, bet.currency), cash_out_at: "",
  }));
}

async function fetchFreeBets() {
  try {
    freeBets.value = (await api.account(token())).free_bets;
  } catch (error) {
    checkSignedOut(error);
  }
}

function heardFact(fact) {
  account.value = { ...account.value, balance: fact.balance };
  if (fact.kind === "bet_accepted") heardBets([fact.bet]);
  if (fact.kind === "bet_refused") refusals.value = new Map([...refusals.value].slice(-REFUSALS_MAX)).set(fact.id, fact);
  if (fact.kind === "bet_cashed_out") heardCashOut(fact);
  if (fact.kind === "cash_out_set") changeBet(fact.bet, () => ({ cash_out_at: fact.amount ?? "" }));
  if (fact.kind === "free_bet_changed" || (fact.kind === "bet_accepted" && fact.bet.free_bet)) void fetchFreeBets();
  if (fact.kind === "bet_settled") {
    const bet = bets.value.get(fact.bet);
    if (bet) heardBets([{ ...bet, status: fact.status, version: fact.version, returns: fact.returns }]);
  }
  if (fact.kind === "bet_reopened") {
    const bet = bets.value.get(fact.bet);
    if (bet) heardBets([{ ...bet, status: "open", version: fact.version, returns: "0.00" }]);
  }
}

let leaveAccount = null;

function enter(secret) {
  socket.authenticate(secret);
  void fetchFreeBets();
  leaveAccount ??= socket.watch("account");
}

/** Open a guest account with play money and sign in, when it is this fan's turn. */
export async function signIn() {
  if (waiting.value) return;
  signInFault.value = "";
  try {
    const guest = await newGuest();
    localStorage.setItem(TOKEN, guest.token);
    account.value = { account: guest.account, currency: guest.currency, balance: guest.balance };
    enter(guest.token);
  } catch (error) {
    signInFault.value = error.status === 429
      ? "Too many new guests from here just now. Try again in a minute."
      : "We could not reach Matchday. Try again.";
  }
}

/** Forget who was signed in on this device. */
export function signOut() {
  localStorage.removeItem(TOKEN);
  leaveAccount?.();
  leaveAccount = null;
  batch(() => {
    account.value = null;
    bets.value = new Map();
    freeBets.value = [];
  });
  socket.authenticate(null);
}

/** Whether an answer says that the token is no longer good; then nobody is signed in any more. */
export function checkSignedOut(error) {
  if (error.status === 401) signOut();
}

// --- the socket's listener ---------------------------------------------------------------------------------------------

const listener = {
  at: heardAt,
  state: (state) => (connection.value = { ...connection.value, state }),
  heartbeat(stale, staleFixtures = []) {
    const before = connection.value;
    if (stale === before.stale && String(staleFixtures) === String(before.staleFixtures)) return;
    connection.value = { ...before, stale, staleFixtures };
  },
  snapshot(channel, data) {
    batch(() => {
      if (channel === "home") homeChanged(data.fixtures, [], null);
      else if (channel === "account") {
        account.value = { account: data.account, currency: data.currency, balance: data.balance };
        heardBets(data.bets);
        accountMoved.value += 1;
      } else {
        const markets = new Map(data.markets.map((market) => [market.market, market]));
        bookHeard(data.board.fixture, data.board, markets);
      }
    });
  },
  delta(channel, data) {
    batch(() => {
      // Whoever reprices is at work: only a heartbeat says that prices are stale, and a repricing that they no longer are.
      const { stale, staleFixtures } = connection.value;
      if (stale && channel !== "account") listener.heartbeat(false, staleFixtures);
      if (staleFixtures.includes(channel.slice("fixture:".length)))
        listener.heartbeat(false, staleFixtures.filter((each) => channel !== `fixture:${each}`));
      if (channel === "home") homeChanged(data.fixtures ?? [], data.removed ?? [], home.value);
      else if (channel === "account") {
        data.facts.forEach(heardFact);
        accountMoved.value += 1;
      } else {
        const fixture = channel.slice("fixture:".length);
        const before = untracked(() => book(fixture).value);
        const markets = patchedMarkets(fixture, before.markets, data.markets ?? {});
        bookHeard(fixture, { ...before.board, ...data.board }, markets);
      }
    });
  },
  tapped: taps.heard,
  error(frame) {
    const refused = frame.reason === "token_invalid";
    if (refused || frame.reason === "not_signed_in") {
      // Where another gate still takes the token, a new connection says it again, after the pause of one that was lost.
      if (token()) api.account(token()).then(() => refused && socket.lost(), checkSignedOut);
    } else checkMissing();
  },
};

const socket = new Socket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`, listener);

/** Begin: connect, follow the home board, and be who we were. */
export function start() {
  socket.watch("home");
  if (token()) enter(token());
  socket.connect();
  taps.begin((said) => socket.send(said), () => token() !== null);
}
