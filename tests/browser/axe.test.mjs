// axe finds nothing wrong in any state of the page, light and dark, from left to right and from right to left.
import assert from 'node:assert/strict';
import { NO_SCRIPT, REFUSED, axeViolations, isRecorded, pageTest, send, voteFor } from './browser.mjs';
import { KINDS } from './kinds.mjs';
import { makePoll, inSeconds, nowhere, pageOf, resultsOf, vote } from './stack.mjs';
