// Everybody can vote: by keyboard, on a narrow or magnified page, from right to left, and by what a screen reader is told.
import assert from 'node:assert/strict';
import { NO_SCRIPT, SCRIPTING, pageTest } from './browser.mjs';
import { KINDS } from './kinds.mjs';
import { assertFitsWidth, hasText, isRecorded, reloadUntil, send, voteFor } from './page.mjs';
import { makePoll, pageOf, resultsOf, vote, voteOf } from './stack.mjs';

/** What a screen reader is told, by role and name. */
const BALLOT = `
- main:
  - heading "What would you like?" [level=1]
  - paragraph: Choose one.
  - group "What would you like?":
    - radio "Tea"
    - text: Tea
    - radio "Coffee"
    - text: Coffee
    - radio "Milk"
    - text: Milk
  - status
  - button "Vote"
  - link "See the results":
    - /url: ADDRESS`;
const RESULTS = `
- main:
  - heading "What would you like?" [level=1]
  - status:
    - paragraph: Your vote is recorded.
    - paragraph: "Your vote: Tea"
  - region "Results":
    - heading "Results" [level=2]
    - paragraph:
      - text: 1 vote Counts as of
      - time: TIME UTC
      - text: .
    - list:
      - listitem:
        - text: Tea
        - emphasis: Your choice
        - text: 1 100.0%
      - listitem: Coffee 0 0.0%
      - listitem: Milk 0 0.0%
    - paragraph: Percentages are of all votes.
  - status`;

async function told(page) {
  const snapshot = await page.locator('main').ariaSnapshot();
  return `\n${snapshot.replace(/url: .*/, 'url: ADDRESS').replace(/\d\d:\d\d:\d\d/, 'TIME')}`;
}

/** The keys after the first Tab, which goes to the first field. */
const KEYS = {
  single: ['Space', 'ArrowDown', 'Tab', 'Enter'],
  multiple: ['Space', 'Tab', 'Tab', 'Space', 'Tab', 'Enter'],
  'single with a write-in': ['ArrowUp', 'Tab', 'M', 'a', 't', 'e', 'Enter'],
  ranked: ['Tab', 'Tab', 'Enter', 'Shift+Tab', 'Shift+Tab', 'Space', 'Tab', 'Tab', 'Tab', 'Enter'],
  rating: ['Tab', 'ArrowRight', 'ArrowRight', 'ArrowRight', 'ArrowRight', 'Tab', 'Tab', 'Enter'],
  text: ['s', 'o', 'Space', 's', 'o', 'Enter'],
  segments: ['Space', 'Tab', 's', 'Tab', 'Enter'],
};
for (const [kind, keys] of Object.entries(KEYS)) {
  pageTest(`a ballot of kind ${kind} is cast by keyboard alone`, {}, async ({ page, context }) => {
    const poll = await makePoll(KINDS[kind].poll);
    await page.goto(pageOf(poll));
    for (const key of ['Tab', ...keys]) await page.keyboard.press(key);
    await isRecorded(page);
    assert.deepEqual(await voteOf(context, poll), KINDS[kind].vote);
  });
}

pageTest('the element that has the focus is outlined', {}, async ({ page }) => {
  await page.goto(pageOf(await makePoll()));
  await page.keyboard.press('Tab');
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(outline, 'solid');
});

const NARROW = { viewport: { width: 320, height: 568 }, deviceScaleFactor: 2 };
/** The window, and languages: two from right to left, and one with long words. */
const WINDOWS = {
  'at 200 % zoom': [{ viewport: { width: 640, height: 360 }, deviceScaleFactor: 2 }, ['ar']],
  '320 px wide': [NARROW, ['ar', 'he', 'de']],
};

async function assertAllFit(page, poll, languages, views) {
  for (const lang of languages) {
    for (const view of views) {
      await page.goto(pageOf(poll, `?lang=${lang}&view=${view}`));
      await assertFitsWidth(page, `${view}, ${lang}`);
    }
  }
}

for (const [size, [options, languages]] of Object.entries(WINDOWS)) {
  for (const [kind, { poll: settings, fill, vote: ballot }] of Object.entries(KINDS)) {
    pageTest(`the page of kind ${kind} fits a window ${size}`, options, async ({ page }) => {
      const poll = await makePoll(settings);
      await assertAllFit(page, poll, languages, ['ballot']);
      await page.goto(pageOf(poll));
      await fill(page, true);
      await send(page);
      await isRecorded(page);
      await vote(poll, ballot);
      await resultsOf(poll, 2);
      await assertAllFit(page, poll, languages, ['results', 'stage']);
    });
  }
}

/** Labels without a place to break, as long and as many as a poll may have. */
const WIDE_LABELS = Array.from({ length: 100 }, (_, place) => 'W'.repeat(197) + String(place).padStart(3, '0'));
const FILL_FIRST = {
  multiple: page => page.getByRole('checkbox').first().check(),
  ranked: page => page.locator('.rank').first().click(),
  rating: page => page.getByRole('combobox').first().selectOption('4'),
};
for (const [kind, fillFirst] of Object.entries(FILL_FIRST)) {
  pageTest(`100 options of 200 wide characters fit a narrow window in a poll of kind ${kind}`, NARROW, async ({ page }) => {
    const poll = await makePoll({ kind, options: WIDE_LABELS, question: 'W'.repeat(500) });
    await page.goto(pageOf(poll));
    await assertFitsWidth(page, 'ballot');
    await fillFirst(page);
    await send(page);
    await isRecorded(page);
    await resultsOf(poll, 1);
    await page.reload();
    await assertFitsWidth(page, 'results');
    await page.goto(pageOf(poll, '?view=stage'));
    await assertFitsWidth(page, 'stage');
  });
}

for (const lang of ['ar', 'he']) {
  for (const [how, options] of SCRIPTING) {
    pageTest(`a vote in ${lang} runs from right to left ${how}`, options, async ({ page, context }) => {
      const poll = await makePoll();
      await page.goto(pageOf(poll, `?lang=${lang}`));
      assert.equal(await page.locator('html').getAttribute('dir'), 'rtl');
      await page.getByLabel('Tea').check();
      await send(page);
      await page.locator('.note[role=status] bdi').waitFor();
      assert.equal(await page.locator('html').getAttribute('lang'), lang, 'the language stays');
      assert.deepEqual(await voteOf(context, poll), { choices: [0] });
    });
  }
}

pageTest('the browser chooses the language', { locale: 'nl-BE' }, async ({ page }) => {
  await page.goto(pageOf(await makePoll()));
  assert.equal(await page.locator('html').getAttribute('lang'), 'nl');
});

pageTest('a screen reader is told what the ballot asks', NO_SCRIPT, async ({ page }) => {
  await page.goto(pageOf(await makePoll()));
  assert.equal(await told(page), BALLOT);
});

pageTest('a screen reader is told each option with its numbers', NO_SCRIPT, async ({ page }) => {
  const poll = await makePoll();
  await page.goto(pageOf(poll));
  await voteFor(page, 'Tea');
  await reloadUntil(page, page.getByText('1 vote', { exact: true }));
  assert.equal(await told(page), RESULTS);
});

pageTest('a screen reader hears of new votes without a change of focus', {}, async ({ page }) => {
  const poll = await makePoll();
  await page.goto(pageOf(poll, '?view=results'));
  await vote(poll, { choices: [0] });
  await hasText(page.locator('.count'), '1 vote');
  // At most every ten seconds. The first ten begin with the page.
  const later = setInterval(() => vote(poll, { choices: [0] }).catch(() => {}), 3000);
  await hasText(page.locator('#told'), /\d+ votes?/).finally(() => clearInterval(later));
});
