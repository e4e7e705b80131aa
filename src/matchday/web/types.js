// Owns bet types: which there are for so many legs, their lines, and what they return. Pure; money is BigInt.

const NAMED = {
  trixie: ["Trixie", 3, 2], patent: ["Patent", 3, 1], yankee: ["Yankee", 4, 2], lucky15: ["Lucky 15", 4, 1],
  canadian: ["Canadian", 5, 2], lucky31: ["Lucky 31", 5, 1], heinz: ["Heinz", 6, 2], lucky63: ["Lucky 63", 6, 1],
  super_heinz: ["Super Heinz", 7, 2], goliath: ["Goliath", 8, 2],
}; // type: name, legs, legs of its shortest lines
const FOLDS = { 2: "Double", 3: "Treble" };
const EXACT_MAX = 3_000; // lines that are rounded one by one; of more, the sum is

export const SINGLES = "singles"; // of the slip alone: a bet for each selection

/** What a type is called: "Trixie", "Treble", "2 of 3". */
export function typeName(type, legs) {
  if (type in NAMED) return NAMED[type][0];
  const system = /^system:(\d+)\/(\d+)$/.exec(type);
  if (system) return `Any ${system[1]} of ${system[2]}`;
  if (type === SINGLES) return "Singles";
  return legs === 1 ? "Single" : (FOLDS[legs] ?? `${legs}-fold`);
}

/** The types that so many selections on so many legs can be placed as. */
export function typesFor(selections, legs) {
  const found = legs > 1 ? ["accumulator"] : ["single"];
  if (selections > 1) found.push(SINGLES);
  found.push(...Object.keys(NAMED).filter((type) => NAMED[type][1] === legs));
  for (let fold = 2; fold < legs; fold += 1) found.push(`system:${fold}/${legs}`);
  return found;
}

function sizes(type, legs) {
  if (type in NAMED) return Array.from({ length: legs - NAMED[type][2] + 1 }, (_, index) => NAMED[type][2] + index);
  const system = /^system:(\d+)\//.exec(type);
  return [system ? Number(system[1]) : legs];
}

const choose = (n, k) => Array.from({ length: k }).reduce((all, _, index) => (all * (n - index)) / (index + 1), 1);

/** The number of lines. */
export const lineCount = (type, legs) => (type === SINGLES ? legs : sizes(type, legs).reduce((sum, size) => sum + choose(legs, size), 0));

function* combinations(from, size, start = 0) {
  if (size === 0) yield 1n;
  else for (let index = start; index <= from.length - size; index += 1) {
    for (const rest of combinations(from, size - 1, index + 1)) yield from[index] * rest;
  }
}

/** All that comes back in minor units if every leg wins, by the stake of a line and prices of thousandths: each line is
 * rounded down once, as the ledger does; of very many lines their sum is. */
export function potential(type, lineStake, prices) {
  const legs = prices.length;
  if (lineCount(type, legs) <= EXACT_MAX) {
    return sizes(type, legs).reduce((sum, size) => {
      for (const product of combinations(prices, size)) sum += (lineStake * product) / 1000n ** BigInt(size);
      return sum;
    }, 0n);
  }
  const sums = [1n, ...prices.map(() => 0n)]; // sums of products by size, over 1000 ** size
  for (const price of prices) for (let size = legs; size > 0; size -= 1) sums[size] += sums[size - 1] * price;
  return sizes(type, legs).reduce((sum, size) => sum + (lineStake * sums[size]) / 1000n ** BigInt(size), 0n);
}
