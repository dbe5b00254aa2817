// SPDX-License-Identifier: MIT
// Compresses files: an entry {name: "report.csv"} turns inbox/report.csv into outbox/report.csv.gz.
// Entries are worked on side by side and answered in whatever order they finish. The result
// appears by a rename, so that running an entry twice does no harm.
import { createReadStream, createWriteStream, writeSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

const inbox = process.env.INBOX ?? 'inbox';
const outbox = process.env.OUTBOX ?? 'outbox';

// Trying again would not help.
class Rejected extends Error {}

// One short write for each verdict: it never mixes with another, and is out before we go on.
const say = (...words) => writeSync(3, words.join(' ') + '\n');

function fileName(entry) {
  const name = entry.fields?.name;
  if (typeof name !== 'string' || name === '' || name !== basename(name) || /^\.\.?$|\0/.test(name))
    throw new Rejected('field name: expected the name of a file in the inbox');
  return name;
}

async function compress(entry) {
  const name = fileName(entry);
  const result = join(outbox, `${name}.gz`);
  const part = join(outbox, `.${entry.id}.part`);
  try {
    await pipeline(createReadStream(join(inbox, name)), createGzip(), createWriteStream(part));
    await rename(part, result);
  } catch (error) {
    await rm(part, { force: true });
    throw error.code === 'ENOENT' && error.path === join(inbox, name)
      ? new Rejected(`${name} is not in the inbox`) : error;
  }
  console.log(`${name} is compressed`);
}

async function handle(entry) {
  try {
    await compress(entry);
    say('ok', entry.tag);
  } catch (error) {
    const verdict = error instanceof Rejected ? 'dead' : 'retry';
    say(verdict, entry.tag, JSON.stringify(error.message));
  }
}

await mkdir(outbox, { recursive: true });
say('ready');
// End of input: nothing new comes, and Node leaves by itself once the last file is done.
for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity }))
  handle(JSON.parse(line));
