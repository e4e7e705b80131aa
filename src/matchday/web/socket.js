// Owns the WebSocket: connecting with jittered backoff, the heartbeat watch, subscriptions, and where each channel stands.
// Says snapshots and deltas in an unbroken chain to its listener; a delta that does not continue what is held is not
// handed on, a snapshot is asked for instead. Knows nothing of what the data means.

import * as retries from "./retries.js";
import { ERROR_COST, Turns } from "./turns.js";

const BACKOFF_MS = 400; // doubles with each failure
const BACKOFF_MS_MAX = 15_000;
const STEADY_MS = 5_000; // a connection that lasted this long from its hello on begins the backoff anew
const OPENING_MS_MAX = 10_000;
const PING_MS = 20_000; // the server closes connections that say nothing for a minute
const SILENT_HEARTBEATS = 2.5;
const FAULTS = new Set([1002, 1003, 1007, 1009]); // we said what the server does not understand: only a new page would help
const AT_ONCE = new Set([4009]); // it had not heard of us for long, as after sleep
const LATER = new Set([4008, 4013, 4029]); // too slow, full, too much said: not soon
const DRAINING = 4012; // the gate stops, and says when to come back
const AGAIN_MS = { unavailable: 5_000, not_signed_in: 30_000, subscriptions_full: 30_000 }; // refused for now: at most
const LATER_FAILURES = 4; // how far the backoff has got then, at least

export class Socket {
  /** listener: {state(state), heartbeat(stale, fixtures), at(ms), snapshot(channel, data), delta(channel, data, frame), tapped(frame), error(frame)} */
  constructor(url, listener) {
    this.url = url;
    this.listener = listener;
    this.token = null;
    this.forged = null; // the token that was refused, if one was
    this.channels = new Map(); // name -> {watchers, epoch, to, waiting}
    this.turns = new Turns();
    this.failures = 0;
    this.heartbeatMs = OPENING_MS_MAX / SILENT_HEARTBEATS;
    addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
    setInterval(() => this.watchSilence(), 250);
    setInterval(() => this.send({ op: "ping" }), PING_MS);
  }

  connect() {
    clearTimeout(this.timer);
    this.heartbeatMs = OPENING_MS_MAX / SILENT_HEARTBEATS;
    this.heardAt = performance.now();
    this.greetedAt = null;
    const socket = (this.socket = new WebSocket(this.url));
    socket.onopen = () => this.opened();
    socket.onmessage = (event) => this.hear(JSON.parse(event.data));
    socket.onclose = (event) => this.lost(event.code, event.reason);
  }

  /** Follow a channel. The function returned stops it; several may follow the same one. */
  watch(name) {
    const channel = this.channels.get(name) ?? { watchers: 0, epoch: null, to: null, waiting: true };
    this.channels.set(name, channel);
    channel.watchers += 1;
    if (channel.watchers === 1) this.subscribe(name, channel);
    return () => {
      channel.watchers -= 1;
      if (channel.watchers > 0) return;
      this.channels.delete(name);
      this.turns.forget(name);
      this.send({ op: "unsubscribe", channel: name });
    };
  }

  /** Say who we are from now on; null: nobody (needs a new connection, the old one stays who it was). */
  authenticate(token) {
    this.token = token;
    if (token) this.send({ op: "auth", token });
    else if (this.socket) this.again(0);
  }

  opened() {
    this.turns = new Turns();
    if (this.token) this.send({ op: "auth", token: this.token });
    for (const [name, channel] of this.channels) this.subscribe(name, channel);
  }

  subscribe(name, channel) {
    channel.waiting = channel.to === null;
    this.turns.want(name);
    this.ask();
  }

  /** Subscribe to the channels whose turn has come. */
  ask() {
    clearTimeout(this.asking);
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    for (;;) {
      const waitMs = this.turns.waitMs(performance.now());
      if (waitMs > 0) this.asking = setTimeout(() => this.ask(), waitMs);
      if (waitMs !== 0) return;
      const name = this.turns.take();
      const { epoch, to } = this.channels.get(name);
      this.send({ op: "subscribe", channel: name, ...(to === null ? {} : { resume: { epoch, offset: to } }) });
    }
  }

  send(message) {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    this.socket.send(JSON.stringify(message));
    this.turns.said(performance.now());
  }

  hear(frame) {
    this.heardAt = performance.now();
    if (frame.at !== undefined) this.listener.at(frame.at);
    if (frame.t === "hello") {
      this.heartbeatMs = frame.heartbeat_ms;
      this.greetedAt = this.heardAt;
      this.listener.state("live");
      this.listener.heartbeat(Boolean(frame.stale), frame.stale_fixtures);
    } else if (frame.t === "heartbeat") this.listener.heartbeat(frame.stale, frame.stale_fixtures);
    else if (frame.t === "snapshot") this.snapshot(frame);
    else if (frame.t === "delta") this.delta(frame);
    else if (frame.t === "tapped") this.listener.tapped(frame);
    else if (frame.t === "error") {
      this.turns.said(this.heardAt, ERROR_COST);
      this.refused(frame);
      this.listener.error(frame);
    }
    if (frame.t === "snapshot" || frame.t === "resumed" || frame.t === "error") {
      this.turns.answered(frame.channel);
      this.ask();
    }
  }

  /** What was refused for now stays among what is followed, and is asked for again in a while if this connection lasts. */
  refused(frame) {
    const { socket, token } = this;
    const channel = this.channels.get(frame.channel);
    if (frame.reason === "token_invalid") this.forged = token;
    const signIn = frame.reason === "not_signed_in"; // as all connections that the account may have were there
    if (!channel || !(frame.reason in AGAIN_MS) || (signIn && (!token || token === this.forged))) return;
    setTimeout(() => {
      if (this.socket !== socket || this.channels.get(frame.channel) !== channel) return;
      if (signIn && this.token) this.send({ op: "auth", token: this.token });
      this.subscribe(frame.channel, channel);
    }, Math.max(retries.turn(), AGAIN_MS[frame.reason]) * Math.random());
  }

  snapshot(frame) {
    const channel = this.channels.get(frame.channel);
    if (!channel) return;
    Object.assign(channel, { epoch: frame.epoch, to: frame.to, waiting: false });
    if (frame.data) this.listener.snapshot(frame.channel, frame.data);
  }

  delta(frame) {
    const channel = this.channels.get(frame.channel);
    if (!channel || channel.waiting) return; // not ours, or about to be replaced by a snapshot
    if (frame.to <= channel.to) return; // heard before
    if (frame.from !== channel.to) {
      // Something between was missed: what is held cannot be mended by this frame.
      channel.to = null;
      this.subscribe(frame.channel, channel);
      return;
    }
    channel.to = frame.to;
    this.listener.delta(frame.channel, frame.data, frame);
  }

  watchSilence() {
    const silence = performance.now() - this.heardAt;
    if (this.socket && silence > SILENT_HEARTBEATS * this.heartbeatMs) this.lost();
  }

  lost(code, reason = "") {
    if (this.greetedAt !== null && performance.now() - this.greetedAt > STEADY_MS) this.failures = 0;
    if (LATER.has(code)) this.failures = Math.max(this.failures, LATER_FAILURES);
    const told = code === DRAINING && /retry_ms=(\d+)/.exec(reason);
    const span = Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** this.failures);
    this.failures += 1;
    if (FAULTS.has(code)) this.again(Infinity);
    else if (told) this.again(Number(told[1]));
    else if (AT_ONCE.has(code) && this.failures === 1) this.again(0);
    else this.again(Math.max(retries.turn(), span) * Math.random()); // all of it by chance, so that a crowd does not come back as one
  }

  again(delayMs) {
    const socket = this.socket;
    this.socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    this.listener.state("reconnecting");
    clearTimeout(this.timer);
    if (delayMs !== Infinity) this.timer = setTimeout(() => this.connect(), delayMs);
  }

  /** The machine woke up or is on line again: do not wait the backoff out. */
  hurry() {
    if (!this.socket && retries.spare()) this.connect();
  }
}
