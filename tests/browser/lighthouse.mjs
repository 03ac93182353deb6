// Lighthouse on a ballot and on results. Accessibility and best practices must be perfect; performance is reported.
import assert from 'node:assert/strict';
import lighthouse from 'lighthouse';
import { launch } from './page.mjs';
import { makePoll, pageOf, resultsOf, vote } from './stack.mjs';

const PORT = 9333;
const RUNS = 5;
const PERFECT = ['accessibility', 'best-practices'];

const median = numbers => numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)];

async function audit(url, onlyCategories) {
  const { lhr } = await lighthouse(url, { port: PORT, onlyCategories, logLevel: 'error' });
  return lhr;
}

/** Why a category is not perfect. */
function shortcomings({ audits, categories }, category) {
  const { score, auditRefs } = categories[category];
  const lost = auditRefs.filter(({ id, weight }) => weight > 0 && audits[id].score < 1);
  return score === 1 ? [] : [`${category} ${score * 100}: ${lost.map(({ id }) => id).join(', ')}`];
}

async function report(what, url) {
  const performance = [];
  for (let run = 0; run < RUNS; run++) performance.push((await audit(url, ['performance'])).categories.performance.score * 100);
  const found = await audit(url, PERFECT);
  console.log(`${what}: performance ${median(performance)} (median of ${RUNS})`);
  return PERFECT.flatMap(category => shortcomings(found, category)).map(text => `${what}: ${text}`);
}

const browser = await launch([`--remote-debugging-port=${PORT}`]);
try {
  const poll = await makePoll();
  const ofBallot = await report('ballot', pageOf(poll));
  await vote(poll, { choices: [0] });
  await resultsOf(poll, 1);
  const ofResults = await report('results', pageOf(poll, '?view=results'));
  assert.deepEqual([...ofBallot, ...ofResults], [], 'what keeps a score below 100');
} finally {
  await browser.close();
}
