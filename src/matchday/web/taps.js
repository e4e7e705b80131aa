// Owns what the fan taps, on the way to whoever learns from it: numbered, gathered, kept until the platform has it, and
// sent again where it may not have it. A tap is worth little: of too many the oldest are forgotten.

import { newId } from "./ids.js";

const EVERY_MS = 2_000;
const SENT_MAX = 50; // of one message
const KEPT_MAX = 200;
const ANSWER_MS_MAX = 10_000; // then they are sent again
const TARGET_MAX = 128;

const screen = newId(Date.now());
let kept = []; // {number, kind, target, at}, their numbers one after the other
let next = 1;
let sentAt = -Infinity;
let waiting = false; // for an answer

/** The fan did something: open, select, unselect, view or place, and on what. */
export function tapped(kind, target = "") {
  kept = [...kept, { number: next, kind, target: target.slice(0, TARGET_MAX), at: performance.now() }].slice(-KEPT_MAX);
  next += 1;
}

/** Send with this from now on, every few seconds, while a fan is signed in. */
export function begin(say, signedIn) {
  setInterval(() => signedIn() && flush(say), EVERY_MS);
}

/** What the platform says of them. */
export function heard(frame) {
  if (frame.screen !== screen) return;
  waiting = Boolean(frame.problem); // refused: they wait for their time to be sent again
  kept = kept.filter((tap) => tap.number > frame.to);
}

function flush(say) {
  const now = performance.now();
  if (kept.length === 0 || (waiting && now - sentAt < ANSWER_MS_MAX)) return;
  const batch = kept.slice(0, SENT_MAX);
  const taps = batch.map((tap) => [tap.kind, tap.target, Math.round(now - tap.at)]);
  waiting = true;
  sentAt = now;
  say({ op: "taps", screen, first: batch[0].number, taps });
}
