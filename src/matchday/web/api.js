// Owns the HTTP door: requests, problem+json, and what an answer to a bet means. Keeps no state.

const TIMEOUT_MS = 10_000; // the server answers `pending` long before

/** A refusal that the server gave (RFC 9457): its status, reason, detail and whatever else it said. */
export class Problem extends Error {
  constructor(status, body, retryAfterMs) {
    super(body.detail || body.title || `HTTP ${status}`);
    Object.assign(this, { status, reason: body.reason ?? "", field: body.field, body, retryAfterMs });
  }
}

/** No answer came, or none that says anything: it is not known what happened. */
export class NoAnswer extends Error {}

async function request(method, path, { token, body } = {}) {
  const headers = { Accept: "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body) headers["Content-Type"] = "application/json";
  let response, content;
  try {
    response = await fetch(path, {
      method, headers, body: body && JSON.stringify(body), cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    content = await response.json();
  } catch (error) {
    throw new NoAnswer(error.message);
  }
  if (response.ok) return { status: response.status, content };
  const retryAfterMs = 1000 * (Number(response.headers.get("Retry-After")) || 1);
  if (response.status >= 500 && response.status !== 503) throw new NoAnswer(content.detail);
  throw new Problem(response.status, content, retryAfterMs);
}

const get = async (path, token) => (await request("GET", path, { token })).content;

function page(path, query, token) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  return get(`${path}?${new URLSearchParams(given)}`, token);
}

/** A new guest account, or a place in the line: {ticket, ahead, wait_s, ask_in_s}. */
export const guest = async (ticket) => (await request("POST", "/api/guest", { body: ticket ? { ticket } : {} })).content;
export const account = (token) => get("/api/account", token);
export const fixture = (id) => get(`/api/fixtures/${encodeURIComponent(id)}`);
export const bets = (token, query) => page("/api/bets", query, token);
export const statement = (token, query) => page("/api/account/statement", query, token);
export const setLimit = async (token, body) => (await request("POST", "/api/account/limit", { token, body })).content;

/**
 * What became of a bet, one of:
 * accepted {bet, balance} | refused {reason, detail, price?, generation?} | pending | unknown (no such id yet) |
 * busy {waitMs} (nothing was recorded) | silent (no answer: it may or may not have been taken) | signed_out.
 */
async function answered(call) {
  try {
    const { content } = await call;
    const detail = content.detail ?? "";
    return content.answer === "refused" ? { ...content, answer: "refused", detail } : content;
  } catch (error) {
    if (error instanceof NoAnswer) return { answer: "silent" };
    if (!(error instanceof Problem)) throw error;
    if (error.status === 503 || error.status === 429) {
      return { answer: "busy", reason: error.reason || "busy", waitMs: error.retryAfterMs };
    }
    if (error.status === 401) return { answer: "signed_out" };
    if (error.status === 404) return { answer: "unknown" };
    return { ...error.body, answer: "refused", reason: error.reason, detail: error.message };
  }
}

/** What would be taken now of a slip: {legs: [{price, reason}], lines, stake_max, returns_max, reason}; null where nobody says. */
export async function quote(token, body) {
  try {
    return (await request("POST", "/api/bets/quote", { token, body })).content;
  } catch (error) {
    if (error instanceof NoAnswer || error instanceof Problem) return null;
    throw error;
  }
}

/** What is offered for a bet now: {bet, stake, amount, until_ms, quote}; Problem with the reason where nothing is. */
export const cashOutQuote = (token, bet, stake) => page(`/api/bets/${encodeURIComponent(bet)}/cash-out`, { stake }, token);

/** Take an offer of cash. The same body under the same id may be sent again at any time. */
export const cashOut = (token, bet, body) => answered(request("POST", `/api/bets/${encodeURIComponent(bet)}/cash-out`, { token, body }));

/** Have a bet cashed out as soon as so much is offered; null: not any more. */
export const cashOutAt = (token, bet, body) => answered(request("POST", `/api/bets/${encodeURIComponent(bet)}/cash-out-at`, { token, body }));

/** Send a bet. The same body under the same id may be sent again at any time. */
export const placeBet = (token, body) => answered(request("POST", "/api/bets", { token, body }));

/** Ask what became of a bet by the id that we made for it. */
export const askBet = (token, id) => answered(request("GET", `/api/bets/by-id/${encodeURIComponent(id)}`, { token }));
