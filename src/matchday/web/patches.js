// Owns how a delta's fields are laid over what is held (docs/protocol.md). Pure; nothing that was held is changed.

/** A market with what changed of it. One that has `selections` is whole; else `prices` are by outcome, null: taken off. */
export function patchedMarket(market, patch) {
  if (!market || patch.selections) return patch;
  const { prices = {}, ...fields } = patch;
  const selections = market.selections
    .filter(({ outcome }) => prices[outcome] !== null)
    .map((selection) => (selection.outcome in prices ? { ...selection, price: prices[selection.outcome] } : selection));
  return { ...market, ...fields, selections };
}

/** A row of `home` with what changed of it; a market that is left out is as before. */
export function patchedRow(row, patch) {
  const market = patch.market ? patchedMarket(row?.market, patch.market) : patch.market;
  return { board: { ...row?.board, ...patch.board }, market: market === undefined ? (row?.market ?? null) : market };
}
