// Owns how a delta's fields are laid over what is held (docs/protocol.md). Pure; nothing that was held is changed.

/** A market with what changed of it. One that has `selections` is whole; else `prices` are of the selections that there
 * were: null for the same as before, "" for taken off. */
export function patchedMarket(market, patch) {
  if (!market || patch.selections) return patch;
  const { prices, ...fields } = patch;
  if (!prices) return { ...market, ...fields };
  const selections = market.selections
    .map((selection, at) => (prices[at] === null ? selection : { ...selection, price: prices[at] }))
    .filter(({ price }) => price !== "");
  return { ...market, ...fields, selections };
}

/** A row of `home` with what changed of it; a market that is left out is as before. */
export function patchedRow(row, patch) {
  const market = patch.market ? patchedMarket(row?.market, patch.market) : patch.market;
  return { board: { ...row?.board, ...patch.board }, market: market === undefined ? (row?.market ?? null) : market };
}

/** The markets of a fixture with what changed of them, by name. */
export function patchedMarkets(fixture, markets, patches) {
  const changed = new Map(markets);
  for (const [name, patch] of Object.entries(patches)) {
    const id = `${fixture}:${name}`;
    changed.set(id, patchedMarket(changed.get(id), patch));
  }
  return changed;
}
