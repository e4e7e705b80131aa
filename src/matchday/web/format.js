// Owns how things are written: money, prices, lines, minutes, times, names of markets and outcomes.
// Pure. Money is BigInt of minor units and a price BigInt of thousandths: no float touches either.

const DECIMALS = { JPY: 0, KRW: 0, CLP: 0, UGX: 0, KWD: 3, BHD: 3, TND: 3, JOD: 3 }; // ISO 4217; all others have 2
const SYMBOLS = { EUR: "€", GBP: "£", USD: "$", INR: "₹", BRL: "R$", NGN: "₦", JPY: "¥", KRW: "₩", AUD: "A$", CAD: "C$" };
const MINUS = "−";

/** The number of decimals of a currency. */
export function decimals(currency) {
  return DECIMALS[currency] ?? 2;
}

/** Minor units of a decimal string that the server wrote, such as "-10.00". */
export function toMinor(text, currency) {
  const negative = text.startsWith("-");
  const [whole, fraction = ""] = text.replace("-", "").split(".");
  const minor = BigInt(whole + fraction.padEnd(decimals(currency), "0"));
  return negative ? -minor : minor;
}

/** The decimal string of minor units, as the server reads it: 1050n is "10.50". */
export function toDecimal(minor, currency) {
  const places = decimals(currency);
  const digits = (minor < 0n ? -minor : minor).toString().padStart(places + 1, "0");
  const whole = digits.slice(0, digits.length - places);
  const sign = minor < 0n ? "-" : "";
  return places === 0 ? sign + digits : `${sign}${whole}.${digits.slice(-places)}`;
}

/** Minor units for people: 100000n is "€1,000.00". */
export function money(minor, currency) {
  const [whole, fraction] = toDecimal(minor < 0n ? -minor : minor, currency).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  const symbol = SYMBOLS[currency] ?? `${currency} `;
  return `${minor < 0n ? MINUS : ""}${symbol}${grouped}${fraction === undefined ? "" : `.${fraction}`}`;
}

/** The server's decimal string for people: "1000.00" is "€1,000.00". */
export function moneyText(text, currency) {
  return money(toMinor(text, currency), currency);
}

/** What a fan typed as a stake: {minor}, or {fault} that says what to type. */
export function readStake(text, currency) {
  const typed = text.trim();
  const places = decimals(currency);
  if (typed === "") return { fault: "" };
  const match = /^(\d{1,12})(?:\.(\d*))?$/.exec(typed);
  if (!match) return { fault: `Type an amount such as ${toDecimal(10n ** BigInt(places + 1), currency)}.` };
  if ((match[2] ?? "").length > places) {
    return { fault: places === 0 ? `${currency} has no decimals.` : `${currency} has ${places} decimals at most.` };
  }
  const minor = toMinor(`${match[1]}.${match[2] ?? ""}`, currency);
  return minor === 0n ? { fault: "Type a stake above zero." } : { minor };
}

/** Thousandths of a price: "2.375" is 2375n. */
export function thousandths(price) {
  const [whole, fraction = ""] = price.split(".");
  return BigInt(whole + fraction.padEnd(3, "0"));
}

/** All that comes back of a winning single in minor units, rounded down once as the ledger does. */
export function returnOf(stake, price) {
  return (stake * thousandths(price)) / 1000n;
}

const PERIODS = { "1H": [0, 45], "2H": [45, 90], E1: [90, 105], E2: [105, 120] }; // first minute - 1, last minute
const WORDS = { pre: "", HT: "HT", FT: "FT", EHT: "ET HT", EFT: "AET", P: "Pens", over: "FT" };
const ENDS = { postponed: "Postponed", abandoned: "Abandoned", shortened: "Stopped", awarded: "Awarded", cancelled: "Called off" };

/** Where a match stands at a server time: 67', 45+2', HT, FT. Empty before kick-off. */
export function minute(board, nowMs) {
  if (ENDS[board.status]) return ENDS[board.status];
  const period = PERIODS[board.period];
  if (!period) return WORDS[board.period] ?? "";
  const seconds = board.clock_s + Math.max(0, ((nowMs - board.clock_at_ms) / 1000) * board.clock_rate);
  const [before, last] = period;
  const at = before + Math.floor(seconds / 60) + 1;
  return at <= last ? `${at}'` : `${last}+${at - last}'`;
}

const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" });
const STAMP = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** The day of a kick-off: Today, Tomorrow, or Sat 5 Oct. */
export function day(ms, nowMs) {
  const midnight = (at) => new Date(at).setHours(0, 0, 0, 0);
  const days = Math.round((midnight(ms) - midnight(nowMs)) / 86_400_000);
  return days === 0 ? "Today" : days === 1 ? "Tomorrow" : DAY.format(ms);
}

export const time = (ms) => TIME.format(ms);
export const stamp = (ms) => STAMP.format(ms);

const MARKETS = {
  "1x2": "Match result",
  double_chance: "Double chance",
  draw_no_bet: "Draw no bet",
  total_goals: "Total goals",
  both_teams_to_score: "Both teams to score",
  odd_even: "Odd or even goals",
  asian_handicap: "Asian handicap",
  half_time_result: "Half-time result",
  half_time_full_time: "Half-time / full-time",
  first_half_goals: "First-half goals",
  first_half_both_teams_to_score: "Both teams to score in the first half",
  correct_score: "Correct score",
  to_qualify: "To qualify",
  combination: "Combination",
  total_corners: "Total corners",
  total_cards: "Total cards",
  to_qualify: "To go through",
};

/** What a market asks: Match result, Arsenal goals, Goal 3. */
export function marketName(type, line, names) {
  if (type === "team_total_home") return `${names.home} goals`;
  if (type === "team_total_away") return `${names.away} goals`;
  if (type === "next_goal") return line === "1" ? "First goal" : `Goal ${line}`;
  return MARKETS[type] ?? type;
}

/** A line with its sign: "-0.75" is −0.75, "0.5" is +0.5, "1.0" is +1. */
export function signed(line) {
  const plain = line.replace("-", "").replace(/\.0$/, "");
  return plain === "0" ? "0" : line.startsWith("-") ? MINUS + plain : `+${plain}`;
}

/** The same line from the other side. */
export function opposite(line) {
  return line.startsWith("-") ? line.slice(1) : `-${line}`;
}

/** What an outcome is called: Arsenal, Draw, Over 2.5, Yes, Arsenal −0.75, 2–1, Draw / Arsenal. */
export function outcomeName(type, outcome, line, names) {
  const side = (name) => names[name] ?? "Draw";
  if (type === "asian_handicap") return `${names[outcome]} ${signed(outcome === "home" ? line : opposite(line))}`;
  if (type === "double_chance") {
    return { "1x": `${names.home} or draw`, 12: `${names.home} or ${names.away}`, x2: `Draw or ${names.away}` }[outcome] ?? outcome;
  }
  if (type === "half_time_full_time") return outcome.split("-").map(side).join(" / ");
  if (type === "correct_score") {
    const [, other] = outcome.split("other_");
    if (other === undefined) return outcome.replace("-", "–");
    return other === "draw" ? "Any other draw" : `Other ${names[other]} win`;
  }
  if (outcome === "home" || outcome === "away" || outcome === "draw") return side(outcome);
  if (outcome === "over" || outcome === "under") return `${outcome === "over" ? "Over" : "Under"} ${line.replace(/\.0$/, "")}`;
  return { yes: "Yes", no: "No", odd: "Odd", even: "Even", none: "No goal" }[outcome] ?? outcome;
}

/** Type, line and outcome of a selection's id: FIXTURE:total_goals@2.25/over. */
export function splitSelection(selection) {
  const slash = selection.lastIndexOf("/");
  const market = selection.slice(0, slash);
  const [type, line = null] = market.slice(market.lastIndexOf(":") + 1).split("@");
  return { type, line, outcome: selection.slice(slash + 1) };
}

/** What a bet came to: open, won, lost, void, half_won or half_lost (the last two of a single on a quarter line). */
export function resultOf(bet) {
  if (bet.status !== "settled") return bet.status;
  const stake = toMinor(bet.stake, bet.currency);
  const returns = toMinor(bet.returns, bet.currency);
  if (returns === 0n) return "lost";
  if (bet.legs.length !== 1 || bet.free_bet || bet.cashed) return "won";
  if (returns === returnOf(stake, bet.legs[0].price)) return "won";
  return returns < stake ? "half_lost" : "half_won";
}

export const RESULTS = { open: "Open", cashed_out: "Cashed out", won: "Won", lost: "Lost", void: "Void", half_won: "Half won", half_lost: "Half lost" };
