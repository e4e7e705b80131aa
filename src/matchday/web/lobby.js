// Owns the wait for one's turn where many want to come in at once: the ticket, and what is shown meanwhile.

import * as api from "./api.js";
import { signal } from "./html.js";

const SILENT_MS = 5_000; // until the next question where the server did not answer

/** While this fan waits: {ahead, waitS}; else null. */
export const waiting = signal(null);

/** A new guest account, as soon as it is this fan's turn. Throws what the server refused for another reason. */
export async function newGuest() {
  let ticket = null;
  try {
    for (;;) {
      let askInMs = SILENT_MS;
      try {
        const said = await api.guest(ticket);
        if (said.token) return said;
        ticket = said.ticket;
        waiting.value = { ahead: said.ahead, waitS: said.wait_s };
        askInMs = 1000 * said.ask_in_s;
      } catch (error) {
        if (!ticket) throw error;
        if (error.reason === "ticket_unknown" || error.reason === "ticket_used") ticket = null;
        else if (error.retryAfterMs) askInMs = error.retryAfterMs;
      }
      await new Promise((resolve) => setTimeout(resolve, askInMs * (1 + Math.random() / 4)));
    }
  } finally {
    waiting.value = null;
  }
}
