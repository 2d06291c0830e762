// How a run is divided: what both the page and its workers have to know.

/** The training loss is averaged over so many pieces of a run. */
export const PIECES = 50;

/** How often a run of so many updates looks at the validation digits. */
export const checksOf = (steps) => (steps < 300 ? 5 : steps < 1200 ? 10 : 25);

/** The update at which piece `i` of a run begins. */
export const pieceStart = (i, steps) => Math.round((i * steps) / PIECES);

/** What a plateau multiplies the rate by. */
export const FACTOR = 0.5;
