import type { Random } from "../faults/random.ts";

const SMALLEST = 5e6;
const LARGEST = 20e9;
const MEDIAN = 600e6;
const SPREAD = 1.3;

/** Bytes of a machine image: log-normal around 600 MB, between 5 MB and 20 GB. */
export function imageSize(random: Random): number {
  for (;;) {
    const size = Math.round(MEDIAN * Math.exp(SPREAD * normal(random)));
    if (size >= SMALLEST && size <= LARGEST) return size;
  }
}

/** Box and Muller 1958. */
function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.fraction())) * Math.cos(2 * Math.PI * random.fraction());
}

/** Draws ranks from 0, the k-th with a weight of (k + 1)^-alpha. */
export function zipf(count: number, alpha: number): (random: Random) => number {
  const upTo = new Float64Array(count);
  let sum = 0;
  for (let rank = 0; rank < count; rank += 1) {
    sum += (rank + 1) ** -alpha;
    upTo[rank] = sum;
  }
  return (random) => {
    const drawn = random.fraction() * sum;
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((upTo[middle] ?? 0) > drawn) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}
