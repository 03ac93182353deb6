// Pictures of the page, to look at: target/screenshots, and docs/page.png for the README.
import { mkdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { KINDS } from './kinds.mjs';
import { isRecorded, launch, reloadUntil, send } from './page.mjs';
import { signIn } from './provider.mjs';
import { makePoll, pageOf, resultsOf, vote } from './stack.mjs';

const fromRoot = path => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const FOLDER = fromRoot('target/screenshots');
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 };
const WALL = { viewport: { width: 1920, height: 1080 } };

const POLL = {
  question: 'Who was the player of the match?',
  options: ['Amara Osei', 'Lena Fischer', 'Sofía Ruiz', 'Mei Tanaka', 'Ingrid Dahl'],
  vote_change: 'until_close',
};
/** How often each option is voted for, before the one vote of the page. */
const VOTES = [9, 5, 11, 3, 2];
const OWN = 'Sofía Ruiz';

const POLL_IN_ARABIC = {
  question: 'من كانت أفضل لاعبة في المباراة؟',
  options: ['أمارا أوسي', 'لينا فيشر', 'صوفيا رويز', 'مي تاناكا'],
};

const browser = await launch();

/** Takes a picture of what `show` brings about. */
async function picture(name, options, show) {
  const context = await browser.newContext({ locale: 'en', ...options });
  const page = await context.newPage();
  await show(page);
  await page.screenshot({ path: `${FOLDER}/${name}.png` });
  await context.close();
}

async function voteAll(poll, votes) {
  const ids = votes.flatMap((count, id) => Array(count).fill(id));
  await Promise.all(ids.map(id => vote(poll, { choices: [id] })));
  await resultsOf(poll, ids.length);
}

const chooseOwn = poll => async page => {
  await page.goto(pageOf(poll));
  await page.getByLabel(OWN).check();
};

/** Votes and waits until the vote is among the numbers. */
const voteOwn = (poll, ballots) => async page => {
  await chooseOwn(poll)(page);
  await send(page);
  await isRecorded(page);
  await reloadUntil(page, page.getByText(`${ballots} votes`, { exact: true }));
};

const openIn = (poll, query) => page => page.goto(pageOf(poll, query));

/** Two pictures beside each other, small enough for a README. */
async function compose(left, right) {
  const source = async name => `data:image/png;base64,${(await readFile(`${FOLDER}/${name}.png`)).toString('base64')}`;
  const image = async name => `<img src="${await source(name)}" width="390">`;
  const style = 'body{margin:0;padding:16px;display:flex;gap:16px;background:#d3d8e1}img{border-radius:16px;display:block}';
  const page = await browser.newPage({ viewport: { width: 828, height: 876 } });
  await page.setContent(`<style>${style}</style>${await image(left)}${await image(right)}`);
  await page.screenshot({ path: fromRoot('docs/page.png') });
}

await mkdir(FOLDER, { recursive: true });
const poll = await makePoll(POLL);
await picture('ballot', PHONE, chooseOwn(poll));
await picture('ballot-dark', { ...PHONE, colorScheme: 'dark' }, chooseOwn(poll));
await voteAll(poll, VOTES);
const ballots = VOTES.reduce((sum, count) => sum + count);
await picture('results', PHONE, voteOwn(poll, ballots + 1));
await picture('results-dark', { ...PHONE, colorScheme: 'dark' }, voteOwn(poll, ballots + 2));
await picture('stage', WALL, openIn(poll, '?view=stage'));
const arabic = await makePoll(POLL_IN_ARABIC);
await picture('ballot-arabic', PHONE, openIn(arabic, '?lang=ar'));
await voteAll(arabic, [3, 1, 5, 2]);
await picture('results-arabic', PHONE, openIn(arabic, '?lang=ar&view=results'));
for (const [name, kind] of Object.entries(KINDS)) {
  const ofKind = await makePoll(kind.poll);
  await picture(`ballot-${name.replaceAll(' ', '-')}`, PHONE, openIn(ofKind, ''));
  await vote(ofKind, kind.vote);
  await resultsOf(ofKind, 1);
  await picture(`results-${name.replaceAll(' ', '-')}`, PHONE, openIn(ofKind, '?view=results'));
}
const ofAccounts = await makePoll({ ...POLL, identity: 'account' });
await picture('sign-in', PHONE, openIn(ofAccounts, ''));
await picture('ballot-signed-in', PHONE, async page => {
  await page.goto(pageOf(ofAccounts));
  await signIn(page, 'alice');
});
await compose('ballot', 'results');
await browser.close();
