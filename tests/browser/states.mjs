// Every state of the page in every language, side by side: target/screenshots/states/<state>.png, from what the example `states` wrote.
import { mkdir, readdir } from 'node:fs/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { launch } from './page.mjs';

const fromRoot = path => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const PAGES = fromRoot('target/states');
const FOLDER = fromRoot('target/screenshots/states');
const SIZES = { stage: { width: 1280, height: 720 }, phone: { width: 390, height: 844 } };
/** How wide each page is on a sheet, in pixels. */
const SHOWN = { stage: 640, phone: 260 };

const languages = (await readdir(PAGES, { withFileTypes: true })).filter(entry => entry.isDirectory()).map(({ name }) => name);
const states = (await readdir(`${PAGES}/en`)).map(file => file.replace('.html', ''));
await mkdir(FOLDER, { recursive: true });
const browser = await launch();

/** A picture of a state in a language, as an `img`. */
async function imageOf(page, state, language, width) {
  await page.goto(pathToFileURL(`${PAGES}/${language}/${state}.html`).href);
  const picture = await page.screenshot({ fullPage: true });
  return `<figure><figcaption>${language}</figcaption><img width="${width}" src="data:image/png;base64,${picture.toString('base64')}"></figure>`;
}

const sheet = await browser.newPage({ viewport: { width: 2060, height: 800 } });
const pages = { stage: await browser.newPage({ viewport: SIZES.stage }), phone: await browser.newPage({ viewport: SIZES.phone }) };
for (const state of states) {
  const kind = state.startsWith('stage') ? 'stage' : 'phone';
  const images = [];
  for (const language of languages) images.push(await imageOf(pages[kind], state, language, SHOWN[kind]));
  const style = 'body{margin:0;padding:16px;display:flex;flex-wrap:wrap;gap:16px;align-items:flex-start;font:16px sans-serif;background:#888}figure{margin:0}';
  await sheet.setContent(`<style>${style}</style>${images.join('')}`);
  await sheet.screenshot({ path: `${FOLDER}/${state}.png`, fullPage: true });
}
await browser.close();
