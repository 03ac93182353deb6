// Who a voter is, what other sites can't do, and what a page loads.
import assert from 'node:assert/strict';
import csp from 'csp_evaluator';
import parser from 'csp_evaluator/dist/parser.js';
import { REFUSED, SCRIPTING, pageTest } from './browser.mjs';
import { KINDS } from './kinds.mjs';
import { hasText, launch, send, voteFor, withSite } from './page.mjs';
import { assertVotes, deviceOf, inSeconds, makePoll, nowhere, pageOf, resultsOf, vote } from './stack.mjs';

const { CspEvaluator } = csp, { CspParser } = parser;

for (const [how, options] of SCRIPTING) {
  pageTest(`a browser that keeps no cookies is told so, and nothing is counted ${how}`, { ...options, allows: REFUSED }, async ({ page, context }) => {
    const poll = await makePoll();
    await page.goto(pageOf(poll));
    await page.getByLabel('Tea').check();
    await context.clearCookies();
    await send(page);
    await page.getByText('Your browser keeps no cookies for this page.').waitFor();
    await assertVotes(poll, {});
  });
}

for (const [how, options] of SCRIPTING) {
  pageTest(`two tabs of a browser are one voter, and an older page undoes no newer vote ${how}`, { ...options, allows: REFUSED }, async ({ page, context }) => {
    const poll = await makePoll({ vote_change: 'until_close' });
    const second = await context.newPage();
    await page.goto(pageOf(poll));
    await second.goto(pageOf(poll));
    await voteFor(page, 'Tea');
    await second.getByLabel('Coffee').check();
    await send(second);
    await second.getByText('Your vote has changed since this page was loaded').waitFor();
    await second.getByText('Your vote: Tea').waitFor();
    await second.getByRole('link', { name: 'Change my vote' }).click();
    await voteFor(second, 'Coffee');
    await assertVotes(poll, { Coffee: 1 });
  });
}

pageTest('two first pages at once are one voter, whichever votes first', { allows: REFUSED }, async ({ page, context }) => {
  const poll = await makePoll();
  const second = await context.newPage();
  await page.goto(pageOf(poll));
  // As if the second page had been asked for before the first one's cookie came.
  await context.clearCookies();
  await second.goto(pageOf(poll));
  const voters = await Promise.all([page, second].map(each => each.locator('[name=as]').inputValue()));
  assert.notEqual(...voters, 'each page has made a voter');
  await voteFor(page, 'Tea');
  await second.getByLabel('Coffee').check();
  await send(second);
  await second.getByText('You have voted before').waitFor();
  await assertVotes(poll, { Tea: 1 });
});

pageTest('a private window is another voter', {}, async ({ page, newContext }) => {
  const poll = await makePoll();
  const privately = await (await newContext()).newPage();
  for (const each of [page, privately]) {
    await each.goto(pageOf(poll));
    await voteFor(each, 'Tea');
  }
  await assertVotes(poll, { Tea: 2 });
});

pageTest('scripts cannot read the cookie, and it outlives the browser once it has voted', {}, async ({ page, context }) => {
  await page.goto(pageOf(await makePoll()));
  const [fresh] = await context.cookies();
  await voteFor(page, 'Tea');
  const [kept] = await context.cookies();
  assert.equal(await page.evaluate(() => document.cookie), '');
  assert.deepEqual([fresh.expires, kept.expires > Date.now() / 1000, kept.value], [-1, true, fresh.value]);
});

// Cookies don't know ports: at the same host the form brings the voter's own cookie with it.
for (const [kind, host] of [['another site', '127.0.0.1'], ['another port of the same host', 'localhost']]) {
  pageTest(`a form of ${kind} is refused, and nothing is counted`, { allows: REFUSED }, async ({ page, context }) => {
    const poll = await makePoll();
    await page.goto(pageOf(poll));
    assert(await deviceOf(context), 'there is a voter');
    const form = `<form method="post" action="${pageOf(poll)}"><button name="c" value="0">Win a prize</button></form>`;
    await withSite(host, () => form, async site => {
      await page.goto(site);
      const answered = page.waitForResponse(pageOf(poll));
      await page.getByRole('button').click();
      assert.equal((await answered).status(), 403);
      await page.getByText('This vote was sent by another site.').waitFor();
    });
    await assertVotes(poll, {});
  });
}

pageTest('another site cannot frame the page', { allows: /frame-ancestors|ERR_BLOCKED_BY_RESPONSE/ }, async ({ page }) => {
  const poll = await makePoll();
  await withSite('127.0.0.1', () => `<iframe src="${pageOf(poll)}"></iframe>`, async site => {
    await page.goto(site);
    const frame = page.frames()[1];
    // A frame of another site moves to a process of its own, and has no address until it is there.
    await frame.waitForURL('chrome-error://chromewebdata/');
    assert(!(await frame.content()).includes(poll.question));
  });
});

pageTest("Google's CSP Evaluator finds nothing in a page's policy", {}, async ({ page }) => {
  for (const embed of [[], ['https://news.example']]) {
    const answer = await page.goto(pageOf(await makePoll({ embed })));
    const policy = new CspParser(answer.headers()['content-security-policy']).csp;
    assert.deepEqual(new CspEvaluator(policy).evaluate().map(({ directive, description }) => `${directive}: ${description}`), []);
  }
});

const LOADED = {
  'a ballot': [{}, ''],
  'a ranking': [KINDS.ranked.poll, ''],
  'a page of results': [{}, '?view=results'],
  'the view for a wall': [{}, '?view=stage'],
};
for (const [what, [settings, query]] of Object.entries(LOADED)) {
  pageTest(`${what} is painted from one request`, {}, async ({ page }) => {
    const poll = await makePoll(settings);
    const requested = [];
    page.on('request', request => requested.push(request.url()));
    await page.goto(pageOf(poll, query), { waitUntil: 'load' });
    assert.deepEqual(requested, [pageOf(poll, query)]);
  });
}

pageTest('a page asks for no icon that is not there', {}, async () => {
  const browser = await launch();
  try {
    const page = await browser.newPage();
    const problems = [];
    page.on('console', message => problems.push(`${message.text()} ${message.location().url}`));
    await page.goto(pageOf(await makePoll()));
    await page.getByLabel('Tea').check();
    await page.waitForLoadState('networkidle');
    assert.deepEqual(problems, []);
  } finally {
    await browser.close();
  }
});

/** Cumulative layout shift, rounded as Lighthouse shows it. */
const layoutShift = page => page.evaluate(() => shifts.reduce((sum, shift) => sum + shift, 0).toFixed(3));

/** Records shifts of the layout and tasks that take long. */
const watchPaint = () => {
  globalThis.shifts = [];
  globalThis.longTasks = [];
  const watch = (type, keep) => new PerformanceObserver(list => list.getEntries().forEach(keep)).observe({ type, buffered: true });
  watch('layout-shift', entry => shifts.push(entry.value));
  watch('longtask', entry => longTasks.push(entry.duration));
};

pageTest('nothing moves while results are renewed', {}, async ({ page }) => {
  const poll = await makePoll({ write_in: true });
  await vote(poll, { choices: [0] });
  await resultsOf(poll, 1);
  await page.addInitScript(watchPaint);
  await page.goto(pageOf(poll, '?view=results'));
  await hasText(page.locator('.count'), '1 vote');
  await vote(poll, { choices: [1] });
  await hasText(page.locator('.count'), '2 votes');
  assert.equal(await layoutShift(page), '0.000');
});

pageTest('nothing moves while a ballot loads and counts down', {}, async ({ page }) => {
  const poll = await makePoll({ kind: 'ranked', closes_at: inSeconds(3000) });
  await page.addInitScript(watchPaint);
  await page.goto(pageOf(poll));
  const told = await page.locator('[data-left]').innerText();
  await page.waitForFunction(text => document.querySelector('[data-left]').innerText !== text, told);
  assert.equal(await layoutShift(page), '0.000');
});

for (const [kind, settings] of [['single', {}], ['ranked', KINDS.ranked.poll]]) {
  pageTest(`how long tasks of a ballot of kind ${kind} take at a quarter of the speed`, {}, async ({ t, page, context }) => {
    const cdp = await context.newCDPSession(page);
    await cdp.send('Emulation.setCPUThrottlingRate', { rate: 4 });
    await page.addInitScript(watchPaint);
    for (const count of [10, 40]) {
      const options = Array.from({ length: count }, (_, place) => `Option ${place}`);
      await page.goto(pageOf(await makePoll({ ...settings, options })));
      await page.evaluate(() => new Promise(done => requestIdleCallback(done)));
      const tasks = await page.evaluate(() => longTasks);
      t.diagnostic(`${kind}, ${count} options: tasks over 50 ms: ${tasks.map(Math.round).join(', ') || 'none'}`);
    }
  });
}

pageTest("the gateway's own page runs nothing", { allows: REFUSED }, async ({ page }) => {
  const answer = await page.goto(nowhere);
  assert.deepEqual([answer.status(), answer.headers()['content-security-policy']], [404, 'sandbox']);
  await page.getByRole('heading', { name: 'There is no poll at this address.' }).waitFor();
});
