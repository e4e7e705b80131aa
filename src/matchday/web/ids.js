// Owns the making of ids: UUIDv7 (RFC 9562 §5.7), one for each command, made before its first attempt.

/** A new UUIDv7 for a moment in milliseconds since 1970. */
export function newId(atMs) {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  let rest = BigInt(Math.floor(atMs));
  for (let place = 5; place >= 0; place -= 1) {
    bytes[place] = Number(rest & 255n);
    rest >>= 8n;
  }
  bytes[6] = 0x70 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
